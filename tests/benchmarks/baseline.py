"""What Reis is measured against: journey R written by hand on bare Temporal, well tuned, its sends doing nothing.

`python -m tests.benchmarks.baseline [JOURNEYS]` runs it on a dev server of its own; `Baseline(address, pids=[…])` on the server
that Reis runs on.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import uuid4

import psutil
import uvloop
from temporalio import activity, workflow
from temporalio.client import Client, GrpcCompression
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from infra.local.ports import any_free
from infra.local.temporal import TemporalServer
from tests.benchmarks import history
from tests.benchmarks.meters import cpu_seconds

ROOT = Path(__file__).parents[2]
AT_ONCE = 50
SETTLE = 0.5
"""Seconds from the last first send to the events: by then its workflow task is over."""
THREE_DAYS = timedelta(days=3)


@activity.defn
async def send(step: str) -> str:
    """Sends nothing, at once; says so once per journey, so that the event can come when the journey waits for it."""
    if step == "first":
        os.write(1, b"1\n")
    return "accepted"


@workflow.defn
class BareR:
    """Send, wait for an event or three days, send, wait, send."""

    def __init__(self) -> None:
        self._event: str | None = None

    @workflow.run
    async def run(self, rest: float) -> str:
        await self._send("first")
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._event is not None, timeout=THREE_DAYS)
        await self._send("second")
        await workflow.sleep(rest)
        await self._send("third")
        return "completed"

    @workflow.signal
    def happened(self, event_id: str) -> None:
        self._event = event_id

    async def _send(self, step: str) -> None:
        await workflow.execute_local_activity(send, step, start_to_close_timeout=timedelta(seconds=10))


@dataclass(frozen=True, slots=True)
class BareCost:
    """One round. `cpu_per_journey` counts the worker, the starter (this process) and the processes named to `Baseline`."""

    cpu_per_journey: float
    journeys_per_second: float
    history_events: int


class Baseline:
    """The bare workflow with a worker process of its own. `pids` are metered too, such as the server's."""

    def __init__(self, address: str, *, pids: Iterable[int] = ()) -> None:
        self._address = address
        self._pids = tuple(pids)
        self._queue = f"bare-{uuid4()}"

    async def __aenter__(self) -> Self:
        command = (sys.executable, "-m", "tests.benchmarks.baseline", "worker", self._address, self._queue)
        self._worker = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert self._worker.stdout is not None
        assert await self._worker.stdout.readline(), "the worker ended before it was ready"
        self._client = await _connect(self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._worker.send_signal(signal.SIGTERM)
        await self._worker.wait()

    async def round(self, journeys: int, *, rest: float = 1.0) -> BareCost:
        """`journeys` people live R; the last wait takes `rest` seconds."""
        mark = uuid4().hex[:8]
        ids = [f"{mark}/{number}" for number in range(journeys)]
        before, started = self._cpu(), time.perf_counter()
        await _each(ids, lambda one: self._client.start_workflow(BareR.run, rest, id=one, task_queue=self._queue))
        assert self._worker.stdout is not None
        for _ in ids:
            await self._worker.stdout.readline()
        await asyncio.sleep(SETTLE)
        await _each(ids, lambda one: self._client.get_workflow_handle(one).signal(BareR.happened, f"e-{one}"))
        ended = f"TaskQueue = '{self._queue}' AND WorkflowId STARTS_WITH '{mark}/' AND ExecutionStatus = 'Completed'"
        while (await self._client.count_workflows(ended)).count < journeys:
            await asyncio.sleep(0.2)
        seconds, cpu = time.perf_counter() - started, self._cpu() - before
        return BareCost(cpu / journeys, journeys / seconds, await history.events(self._client, ids[0]))

    def _cpu(self) -> float:
        own = os.times()
        return cpu_seconds((self._worker.pid, *self._pids)) + own.user + own.system


async def _each(ids: Sequence[str], call: Callable[[str], Awaitable[object]]) -> None:
    waiting = iter(ids)

    async def lane() -> None:
        for one in waiting:
            await call(one)

    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


async def _connect(address: str) -> Client:
    return await Client.connect(address, grpc_compression=GrpcCompression.NONE)


async def _work(address: str, queue: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = Worker(
        await _connect(address),
        task_queue=queue,
        workflows=[BareR],
        activities=[send],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=2500,
        max_concurrent_workflow_tasks=100,
        max_concurrent_local_activities=400,
        no_remote_activities=True,
    )
    async with worker:
        print("ready", flush=True)
        await stop.wait()


async def _alone(address: str, journeys: int) -> None:
    server = [child.pid for child in psutil.Process().children()]
    async with Baseline(address, pids=server) as bare:
        await bare.round(journeys // 5 or 1)
        cost = await bare.round(journeys)
    print(
        f"bare Temporal, R: {cost.cpu_per_journey:.4f} CPU s per journey, {cost.journeys_per_second:.1f} journeys/s, "
        f"{cost.history_events} history events"
    )


def main(arguments: Sequence[str]) -> None:
    """`worker ADDRESS QUEUE`, or how many journeys to run on a server of its own."""
    if arguments and arguments[0] == "worker":
        uvloop.run(_work(arguments[1], arguments[2]))
        return
    journeys = int(arguments[0]) if arguments else 1000
    with TemporaryDirectory() as folder, TemporalServer(Path(folder), port=any_free()) as server:
        uvloop.run(_alone(server.address, journeys))


if __name__ == "__main__":
    main(sys.argv[1:])
