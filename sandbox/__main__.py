"""Runs the sandbox: ``python -m sandbox``."""

import sys

import uvicorn
from pydantic import ValidationError

from sandbox.app import build
from sandbox.settings import SandboxSettings


def main() -> None:
    try:
        settings = SandboxSettings()
    except ValidationError as error:
        sys.exit("\n".join(_sentence(each["loc"], each["msg"]) for each in error.errors(include_input=False)))
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        # Longer than any client keeps an idle connection (a minute), else one is closed while a call is on its way over it.
        timeout_keep_alive=75,
        # Pages keep an event stream open and the fault `timeout` a request: neither may hold up a stop.
        timeout_graceful_shutdown=1,
    )


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    return f"setting SANDBOX_{'.'.join(map(str, place)).upper()}: {message.removeprefix('Value error, ')}"


if __name__ == "__main__":
    main()
