"""One program of a local system: how it is started, when it is ready, how it is asked to stop."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx


async def _always() -> bool:
    return True


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Program:
    """`command` is asked for at each start, on the main thread. `after` names the programs that are ready before it
    starts and stopped after it. A `once` program is ready when it has ended well, and does not run again. `env` is its whole
    environment: nothing of this process's own is added."""

    name: str
    command: Callable[[], Sequence[str]]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]] = _always
    prepare: Callable[[], None] = _nothing
    after: tuple[str, ...] = ()
    once: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    """How long it may take to stop before its group is killed."""


def answers(client: httpx.AsyncClient, url: str) -> Callable[[], Awaitable[bool]]:
    """A readiness probe: `url` answers 2xx."""

    async def probe() -> bool:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    return probe
