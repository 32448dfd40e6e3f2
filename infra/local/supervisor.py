"""Runs programs in the order of their dependencies and stops them in the reverse order."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from infra.local.console import Console
from infra.local.errors import LocalSystemError
from infra.local.process import Supervised
from infra.local.program import Program


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A program as it is now; `pid` is None between two processes."""

    name: str
    pid: int | None
    ready: bool
    restarts: int


class UnknownProgramError(LocalSystemError):
    """A name that no program has."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no program {name!r}; there are {', '.join(known)}")


class Supervisor:
    """`async with Supervisor(programs, console)`: inside, all of them are ready; afterwards none of them runs.

    Entering raises StartError when one cannot be started; the others are stopped then. `changed` is called with the
    process ids whenever one changes. Use it on the main thread: children live as long as the thread that spawned them.
    """

    def __init__(
        self, programs: Sequence[Program], console: Console, *, changed: Callable[[Mapping[str, int]], None] = lambda _: None
    ) -> None:
        self._console = console
        self._all = {program.name: Supervised(program, console, self._report) for program in programs}
        self._changed = changed
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._stopped = {name: asyncio.Event() for name in self._all}
        self._failed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._lives = {name: asyncio.create_task(self._live(each), name=name) for name, each in self._all.items()}
        try:
            for name in self._all:
                await self.wait_ready(name)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def processes(self) -> list[ProcessState]:
        """All programs in the order they were given."""
        return [ProcessState(name, each.pid, each.ready.is_set(), each.restarts) for name, each in self._all.items()]

    def pid(self, name: str) -> int:
        """The process id of a program; raises LocalSystemError when it has none at the moment."""
        pid = self._find(name).pid
        if pid is None:
            raise LocalSystemError(f"{name} has no process at the moment")
        return pid

    def kill(self, name: str, sent: signal.Signals = signal.SIGKILL) -> None:
        """Signals a program's process group; it is started again when it ends."""
        self._find(name).kill(sent)

    async def wait_ready(self, name: str) -> None:
        """Until the program is ready; raises StartError when a program could not be started."""
        ready = asyncio.create_task(self._find(name).ready.wait())
        failed = asyncio.create_task(self._failed.wait())
        try:
            await asyncio.wait({ready, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            failed.cancel()
        if not self._find(name).ready.is_set():
            self._raise_failure()

    async def stop(self) -> None:
        """Each after those that depend on it; returns when nothing is left."""
        self._failed.set()
        async with asyncio.TaskGroup() as group:
            for name in self._all:
                group.create_task(self._stop(name))

    def _raise_failure(self) -> None:
        for name, each in self._all.items():
            if each.failure is not None:
                raise each.failure
            life = self._lives[name]
            if life.done() and not life.cancelled() and (error := life.exception()) is not None:
                raise error
        raise LocalSystemError("the system was stopped")

    async def _live(self, each: Supervised) -> None:
        try:
            for name in each.program.after:
                await self._find(name).ready.wait()
            await each.run()
        except Exception:
            self._failed.set()
            raise
        if each.failure is not None:
            self._failed.set()

    async def _stop(self, name: str) -> None:
        for other, each in self._all.items():
            if name in each.program.after:
                await self._stopped[other].wait()
        await self._all[name].stop()
        life = self._lives.get(name)
        if life is not None:
            if not self._all[name].began:
                life.cancel()
            await asyncio.wait({life})
        self._stopped[name].set()

    def _find(self, name: str) -> Supervised:
        try:
            return self._all[name]
        except KeyError:
            raise UnknownProgramError(name, list(self._all)) from None

    def _report(self) -> None:
        self._changed({name: each.pid for name, each in self._all.items() if each.pid is not None})
