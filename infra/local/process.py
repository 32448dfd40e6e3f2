"""A running program under supervision: started again with back-off when it dies, ended with its whole group."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from infra.local.child import signal_group
from infra.local.console import Console
from infra.local.errors import LocalSystemError, StartError
from infra.local.program import Program

PROBE_SECONDS = 0.05
START_SECONDS = 90.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""A program that ran this long is started again with the first, short pause."""
START_ATTEMPTS = 3
DRAIN_SECONDS = 1.0
_ENDING_SIGNALS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT})


class Supervised:
    """`run` is its life. `changed` is called whenever its process is another one."""

    def __init__(self, program: Program, console: Console, changed: Callable[[], None]) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.failure: StartError | None = None
        self._was_ready = False
        self.pid: int | None = None
        self.restarts = 0
        self.began = False
        self._console = console
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Starts it, again and again; ends when it is stopped, when a `once` program is done, or with `failure` set when
        it was never ready after START_ATTEMPTS."""
        self.began = True
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            ending = await self._run_once()
            if self._stopping.is_set() or (self.program.once and self.ready.is_set()):
                return
            self.ready.clear()
            self.restarts += 1
            if not self._was_ready and (self.program.once or self.restarts >= START_ATTEMPTS):
                self.failure = StartError(self.program.name, ending, self._console.tail(self.program.name))
                return
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > STEADY_SECONDS else pause
            self._console.notice(self.program.name, f"{ending}; starting it again in {pause:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def kill(self, sent: signal.Signals) -> None:
        """Signals its process group; whoever waits for it to be ready then waits for its next process."""
        if self.pid is not None:
            if sent in _ENDING_SIGNALS:
                self.ready.clear()
            signal_group(self.pid, sent)

    async def stop(self) -> None:
        """Asks it to stop, kills its group when it does not, and returns when the process is gone."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self.program.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.program.stop_seconds)
            except TimeoutError:
                self._console.notice(self.program.name, f"did not stop within {self.program.stop_seconds:g} s; killed")
                signal_group(process.pid, signal.SIGKILL)
                await process.wait()

    async def _run_once(self) -> str:
        """One process, from preparation to its end; answers how it ended."""
        try:
            await asyncio.to_thread(self.program.prepare)
            process = await asyncio.create_subprocess_exec(
                *self.program.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(self.program.env),
                start_new_session=True,
            )
        except (LocalSystemError, OSError) as error:
            return str(error)
        self._process, self.pid = process, process.pid
        self._changed()
        if self._stopping.is_set():  # asked to while it was being spawned
            signal_group(process.pid, signal.SIGKILL)
        reader = asyncio.create_task(self._read(process))
        prober = asyncio.create_task(self._probe(process))
        try:
            code = await process.wait()
            if self.program.once and code == 0:
                self.ready.set()
        finally:
            signal_group(process.pid, signal.SIGKILL)  # whatever it left behind in its group
            await _end(prober, 0)
            await _end(reader, DRAIN_SECONDS)
            self.pid = None
            self._changed()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _probe(self, process: asyncio.subprocess.Process) -> None:
        """Sets `ready`; a process that stays unready is killed, which counts as an attempt."""
        if self.program.once:
            return
        deadline = time.monotonic() + START_SECONDS
        while not await self.program.ready():
            if time.monotonic() > deadline:
                self._console.notice(self.program.name, f"not ready after {START_SECONDS:g} s; killed")
                signal_group(process.pid, signal.SIGKILL)
                return
            await asyncio.sleep(PROBE_SECONDS)
        if process.returncode is None:
            self._was_ready = True
            self.ready.set()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._console.line(self.program.name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._console.line(self.program.name, rest.decode(errors="replace"))


async def _end(task: asyncio.Task[None], seconds: float) -> None:
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
