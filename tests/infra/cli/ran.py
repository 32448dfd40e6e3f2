"""A command, run as a person runs it, in a process of its own."""

import asyncio
import sys
from pathlib import Path


async def ran(module: str, /, *arguments: str, data_dir: Path, **settings: str) -> tuple[int, str, str]:
    """Its exit code, and what it said on either stream; the settings are all that it knows of the environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"REIS_DATA_DIR": str(data_dir), "COLUMNS": "400", **settings},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
