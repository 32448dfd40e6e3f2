"""Runs the sandbox: ``python -m sandbox``."""

import uvicorn

from sandbox.app import build
from sandbox.settings import SandboxSettings


def main() -> None:
    settings = SandboxSettings()
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        # Pages keep an event stream open and the fault `timeout` a request: neither may hold up a stop.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
