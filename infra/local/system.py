"""A whole local system: embedded PostgreSQL and Temporal, migrations and every role, under one supervisor."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

import httpx

from infra.clock import Clock
from infra.local.clockfile import continued, keep
from infra.local.console import Console
from infra.local.folder import DataFolder, Runtime
from infra.local.keys import Keys
from infra.local.leftovers import Leftovers
from infra.local.plan import Choices, Plan
from infra.local.ports import Ports
from infra.local.supervisor import ProcessState, Supervisor
from infra.roles import ROLES, Role

CLOCK_SECONDS = 1.0


class LocalSystem:
    """`async with LocalSystem(data_dir) as system:` inside, every role is ready; afterwards nothing of it runs.

    The state stays in `data_dir` and is there at the next start. `environ` (the caller's environment) is what the processes
    get beside what is planned for them, and nothing else; `infra.local.environment.ordinary` is the least. It decides what is
    embedded: with DATABASE_URL or TEMPORAL_ADDRESS set, the parts that they name are used; with provider credentials
    set, the real providers. `REIS_<ROLE>_PORT`, `REIS_TEMPORAL_PORT` and `REIS_TEMPORAL_UI_PORT` fix ports; the others
    are chosen, the last start's first. `extra_env` goes to every role and wins over everything. `terminal` shows what
    the processes say (`data_dir/logs` keeps it either way). `clock_factor` is virtual seconds per real second,
    `clock_start` the virtual instant to begin at instead of going on. `dynamic_config` goes to Temporal's dev server.
    `durable=False` (tests, never benchmarks) waits for no disk.

    Entering raises AlreadyRunningError, PortTakenError, StartError, and BadInput where a port is none. Use it on the main
    thread: the kernel ends the processes with the thread that started them.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        clock_factor: float = 1.0,
        clock_start: datetime | None = None,
        roles: Sequence[str] | None = None,
        extra_env: Mapping[str, str] = MappingProxyType({}),
        environ: Mapping[str, str] = os.environ,
        known_roles: Mapping[str, Role] = ROLES,
        terminal: IO[str] | None = None,
        dynamic_config: Mapping[str, object] = MappingProxyType({}),
        durable: bool = True,
    ) -> None:
        self.folder = DataFolder(data_dir)
        chosen = tuple(known_roles[name] for name in (known_roles if roles is None else roles))
        self._choices = Choices(chosen, environ, extra_env, dynamic_config, durable)
        self._factor, self._start = clock_factor, clock_start
        self._terminal = terminal
        self._stack = AsyncExitStack()

    keys: Keys
    clock: Clock
    runtime: Runtime
    env: Mapping[str, str]
    """What every role got beyond the caller's environment."""
    _supervisor: Supervisor

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(self.folder.locked())
            leftovers = Leftovers(self.folder.processes)
            leftovers.end()
            stack.callback(leftovers.forget)
            self.keys = Keys.kept_in(self.folder.keys)
            self.clock = continued(self.folder.clock, factor=self._factor, start=self._start, real_now=datetime.now(UTC))
            stack.callback(keep, self.folder.clock, self.clock)
            ports = Ports()
            stack.callback(ports.release)
            plan = Plan(self._choices, self.folder, ports, self.keys, self.clock)
            self.env, self.runtime = plan.env, plan.runtime(os.getpid())
            if plan.postgres is not None:
                stack.callback(plan.postgres.remove_socket_dir)
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=5, trust_env=False))
            programs = plan.programs(client)
            console = Console(
                self.folder.logs, [program.name for program in programs], terminal=self._terminal, quiet=("postgres", "temporal")
            )
            stack.callback(console.close)
            self._supervisor = await stack.enter_async_context(Supervisor(programs, console, changed=leftovers.record))
            stack.push_async_callback(_end, asyncio.create_task(self._keep_clock()))
            self.folder.write_runtime(self.runtime)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def url(self, role: str) -> str:
        """`http://host:port` of a role, without a slash at the end."""
        return self.runtime.urls[role]

    def processes(self) -> list[ProcessState]:
        """Every program: name, process id, whether it is ready, how often it was started again."""
        return self._supervisor.processes()

    def pid(self, name: str) -> int:
        """The process id of a role, of `postgres` or of `temporal`."""
        return self._supervisor.pid(name)

    def kill(self, name: str, sent: signal.Signals = signal.SIGKILL) -> None:
        """Signals a program; the supervisor starts it again, `wait_ready` waits for that."""
        self._supervisor.kill(name, sent)

    async def wait_ready(self, name: str) -> None:
        """Until the program answers that it is ready."""
        await self._supervisor.wait_ready(name)

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            keep(self.folder.clock, self.clock)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
