"""Plays one role in this process: `python -m infra.cli.run ROLE MODULE` is what the supervisor starts."""

import asyncio
import runpy
import signal
import sys
from contextlib import suppress

import uvloop

from infra.cli.failures import told
from infra.roles import Role
from infra.settings import Settings
from infra.telemetry import configure_logging


def run_role(role: Role) -> None:
    """Until SIGTERM or SIGINT; both end it with exit code 0."""
    if role.standalone:
        runpy.run_module(role.module, run_name="__main__", alter_sys=True)
        return
    settings = Settings()
    configure_logging(settings, role.name)
    main = role.main()

    async def played() -> None:
        task = asyncio.ensure_future(main(settings))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not loop.add_signal_handler: that one is called besides the handler which uvicorn sets while it serves.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(task.cancel))
        with suppress(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(played())


if __name__ == "__main__":
    with told():
        run_role(Role(sys.argv[1], sys.argv[2], port=0))
