"""The demo, as a newcomer runs it: whole, on parts of its own, and judged by its own audit."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.e2e.ports import own_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

SECONDS = "180"
"""A slower pace than by default: on a machine that is too busy for it, reminders come too late, and paths stay untaken."""


async def test_the_demo_plays_sixty_days_and_finds_nobody_lost_written_to_twice_or_without_consent(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cli", "demo", "--plain", "--seconds", SECONDS, "--data-dir", str(folder)),
        env=own_ports(),
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        out, _ = await demo.communicate()
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.wait()
    said = " ".join(out.decode().split())  # lines are broken at the console's width
    assert demo.returncode == 0, out.decode()[-6000:]
    assert "✓ Nobody was lost" in said
    assert "nobody was written to twice, nobody without consent." in said
    assert f"Everything is kept in {folder}." in said
