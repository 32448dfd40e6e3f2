"""The command `reis`, run as a person runs it."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from infra.local.folder import DataFolder
from infra.local.system import LocalSystem
from tests.infra.cli.ran import ran
from tests.infra.local.roles import TINY


async def test_commands_for_a_running_system_say_how_to_start_one(tmp_path: Path) -> None:
    code, _, err = await ran("infra.cli", "keys", data_dir=tmp_path)
    assert code == 1
    assert f"no system runs on {tmp_path}; start one with `reis up`" in err
    assert "Traceback" not in err


async def test_keys_shows_the_addresses_and_the_write_key_and_never_the_others(tmp_path: Path) -> None:
    async with LocalSystem(tmp_path, known_roles=TINY) as system:
        code, out, _ = await ran("infra.cli", "keys", data_dir=tmp_path)
        assert code == 0
        assert system.url("first") in out
        assert system.keys.write_key in out
        assert system.keys.service_key not in out
        _, out, _ = await ran("infra.cli", "keys", "--admin", data_dir=tmp_path)
        assert out.strip() == system.keys.admin_key


async def test_a_new_key_is_printed_once_and_only_its_hash_belongs_into_the_settings(tmp_path: Path) -> None:
    code, out, _ = await ran("infra.cli", "keys", "new", "shop", "--scope", "track", data_dir=tmp_path)
    key, entry = (line.split(maxsplit=1)[1] for line in out.splitlines())
    assert code == 0
    assert key not in entry
    assert json.loads(entry)["scopes"] == ["track"]


async def test_an_unknown_role_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    code, _, err = await ran("infra.cli", "run", "nobody", data_dir=tmp_path)
    assert code == 2
    assert "there is no role 'nobody'; there are profiles" in err


@pytest.mark.e2e
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
async def test_up_prints_where_to_look_and_stops_cleanly_when_asked(tmp_path: Path, asked: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", "up", "--role", "sandbox"),
        stdout=asyncio.subprocess.PIPE,
        env={"REIS_DATA_DIR": str(tmp_path), "COLUMNS": "400"},
    )
    assert process.stdout is not None
    seen = ""
    while "Ctrl-C stops it." not in seen:
        line = await process.stdout.readline()
        assert line, seen
        seen += line.decode()
    url = DataFolder(tmp_path).runtime().urls["sandbox"]
    assert url in seen
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/readyz")).status_code == 200
    process.send_signal(asked)
    await process.stdout.read()
    assert await process.wait() == 0
    assert not (tmp_path / "runtime.json").exists()
    assert not (tmp_path / "lock").exists()
