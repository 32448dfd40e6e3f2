"""`reis up`: the local system in the foreground, and the addresses to look at."""

import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.folder import Runtime
from infra.local.keys import Keys
from infra.local.system import LocalSystem


async def up(folder: Path, *, factor: float, roles: list[str] | None) -> None:
    """Until SIGINT, SIGTERM or SIGHUP."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()

    def stop() -> None:
        asked.set()
        if starting is not None and not up_already.is_set():
            starting.cancel()

    up_already = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    console = Console()
    try:
        async with LocalSystem(folder, clock_factor=factor, roles=roles, terminal=sys.stdout) as system:
            up_already.set()
            console.print(addresses(system.runtime, system.keys, system.folder.path))
            console.print("Ctrl-C stops it.", style="dim")
            await asked.wait()
            console.print("Stopping …", style="dim")
    except asyncio.CancelledError:
        if not asked.is_set():
            raise


def addresses(runtime: Runtime, keys: Keys, folder: Path) -> Table:
    """Where to look, and what a Segment client needs."""
    table = Table(title="Reis is up", show_header=False, title_style="bold", title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, url in runtime.urls.items():
        match name:
            case "sandbox":
                table.add_row("phone and inbox (sandbox)", url)
            case "worker" | "dispatcher":
                table.add_row(f"{name} (health)", f"{url}/readyz")
            case _:
                table.add_row(f"{name} (API)", f"{url}/docs")
    if runtime.temporal_ui:
        table.add_row("Temporal", runtime.temporal_ui)
    if "profiles" in runtime.urls:
        table.add_row("Segment client: host", runtime.urls["profiles"])
    table.add_row("Segment client: write key", keys.write_key)
    table.add_row("state", str(folder))
    return table
