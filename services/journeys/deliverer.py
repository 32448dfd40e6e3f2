"""Tells Temporal what was written: starts workflows and signals them, by name, each exactly once in effect."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts.base import Wire
from contracts.journeys import (
    SIGNAL_INTERRUPT,
    SIGNAL_MATCHED,
    SIGNAL_MOVE,
    SIGNAL_REFRESH,
    WORKFLOW,
    EnrolmentInput,
    InterruptSignal,
    MatchedSignal,
    MoveSignal,
    RefreshSignal,
)
from infra.db import Database
from infra.errors import CallFailed
from services.journeys import outgoing
from services.journeys.outgoing import Outgoing
from services.journeys.waits.first_look import FirstLook

log = structlog.get_logger(__name__)

_CONCURRENT = 32
_SCAN_SECONDS = 2.0
MOST_IN_HAND = 5000
_ATTEMPTS_PAUSE = 0.2

_SIGNALS: dict[str, tuple[str, type[Wire]]] = {
    "matched": (SIGNAL_MATCHED, MatchedSignal),
    "interrupt": (SIGNAL_INTERRUPT, InterruptSignal),
    "refresh": (SIGNAL_REFRESH, RefreshSignal),
    "move": (SIGNAL_MOVE, MoveSignal),
}


def workflow_id(journey: str, enrolment_id: UUID) -> str:
    """Readable in Temporal's own pages, and derived from profile, journey and entry key through the enrolment's id."""
    return f"{journey}/{enrolment_id}"


class Deliverer:
    """Delivers `outgoing` rows in order per enrolment. Rows stay until Temporal has them; a scan finds the left behind.

    A start is refused by Temporal when the workflow id was used before, a signal carries its request id: repeating
    either is harmless.
    """

    def __init__(self, *, database: Database, temporal: Client, task_queue: str, first_look: FirstLook) -> None:
        self._database = database
        self._temporal = temporal
        self._task_queue = task_queue
        self._first_look = first_look
        self._queue: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._in_hand: set[int] = set()
        self._identity = "reis-journeys"

    def deliver(self, rows: Sequence[Outgoing]) -> None:
        """Takes rows that were just committed or taken over, leased to this process; those it has in hand already it leaves.

        More than it can hold stay where they are written: the scan comes back to them.
        """
        for row in rows:
            if row.id not in self._in_hand and len(self._in_hand) < MOST_IN_HAND:
                self._in_hand.add(row.id)
                self._queue.put_nowait(row)

    async def run(self) -> None:
        """Delivers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scan())
            tasks.create_task(self._drain())

    async def _scan(self) -> None:
        """Takes over rows whose deliverer died or gave up."""
        while True:
            try:
                async with self._database.begin() as session:
                    rows = await outgoing.take_over(session, 500) if len(self._in_hand) < MOST_IN_HAND - 500 else []
                self.deliver(rows)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next scan tries again
                log.warning("deliverer.scan_failed", why=str(error).splitlines()[0])
                rows = []
            if len(rows) < 500:
                await asyncio.sleep(_SCAN_SECONDS)

    async def _drain(self) -> None:
        limit = asyncio.Semaphore(_CONCURRENT)
        running: set[asyncio.Task[None]] = set()
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty() and len(batch) < 200:
                batch.append(self._queue.get_nowait())
            await limit.acquire()
            task = asyncio.create_task(self._deliver_batch(batch))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: limit.release())

    async def _deliver_batch(self, rows: Sequence[Outgoing]) -> None:
        by_enrolment: dict[UUID, list[Outgoing]] = defaultdict(list)
        for row in rows:
            by_enrolment[row.enrolment_id].append(row)
        results = await asyncio.gather(*(self._deliver_in_order(group) for group in by_enrolment.values()))
        done = [number for numbers in results for number in numbers]
        self._in_hand.difference_update(row.id for row in rows)
        if not done:
            return
        try:
            async with self._database.begin() as session:
                await outgoing.delivered(session, done)
        except Exception as error:  # noqa: BLE001  # the rows stay and are delivered once more, which is harmless
            log.warning("deliverer.not_forgotten", rows=len(done), why=str(error).splitlines()[0])

    async def _deliver_in_order(self, rows: Sequence[Outgoing]) -> list[int]:
        """Delivers one enrolment's rows; stops at the first that fails, whose lease then runs out."""
        done: list[int] = []
        for row in rows:
            try:
                if not await self._deliver(row):
                    break
            except (RPCError, CallFailed, OSError) as error:
                log.warning("deliverer.later", kind=row.kind, enrolment=str(row.enrolment_id), why=str(error).splitlines()[0])
                break
            except Exception:
                log.exception("deliverer.failed", kind=row.kind, enrolment=str(row.enrolment_id))
                break
            done.append(row.id)
        return done

    async def _deliver(self, row: Outgoing) -> bool:
        if row.kind == "start":
            await self._start(row)
            return True
        if row.kind == "look_back":
            self.deliver(await self._first_look(row.enrolment_id, row.payload.get("look_back", True), exits=False))
            return True
        return await self._signal(row)

    async def _start(self, row: Outgoing) -> None:
        """An exit that is met already is known before the first step: nobody is written to whom it holds for."""
        look_back, exits = row.payload.get("look_back"), bool(row.payload.get("exits"))
        if look_back or exits:
            self.deliver(await self._first_look(row.enrolment_id, look_back, exits=exits))
        with suppress(WorkflowAlreadyStartedError):
            await self._temporal.start_workflow(
                WORKFLOW,
                EnrolmentInput(enrolment_id=row.enrolment_id, journey=row.payload["version"], carried=row.payload.get("carried")),
                id=workflow_id(row.journey, row.enrolment_id),
                task_queue=self._task_queue,
                id_reuse_policy=_reuse(row),
                rpc_timeout=timedelta(seconds=10),
            )

    async def _signal(self, row: Outgoing) -> bool:
        """Signals; False when the workflow does not run yet, so that the row is tried again.

        Where it is not found and no start is waiting, it is over, unless it was started between the two questions.
        """
        name, model = _SIGNALS[row.kind]
        body = model.model_validate(row.payload)
        payloads = await self._temporal.data_converter.encode([body])
        request = SignalWorkflowExecutionRequest(
            namespace=self._temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id(row.journey, row.enrolment_id)),
            signal_name=name,
            input=Payloads(payloads=payloads),
            identity=self._identity,
            request_id=row.request_id,
        )
        if await self._signalled(request):
            return True
        if not await self._no_start_waits(row.enrolment_id):
            return False
        await self._signalled(request)
        return True

    async def _signalled(self, request: SignalWorkflowExecutionRequest) -> bool:
        """Whether the workflow runs and has the signal."""
        try:
            await self._temporal.workflow_service.signal_workflow_execution(request, timeout=timedelta(seconds=10))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _no_start_waits(self, enrolment_id: UUID) -> bool:
        """Whether Temporal was told to start the workflow, so that one that is not found has ended."""
        async with self._database.read() as session:
            waiting = await session.execute(
                text("SELECT 1 FROM outgoing WHERE enrolment_id = :id AND kind = 'start'"), {"id": enrolment_id}
            )
            return waiting.first() is None


def _reuse(row: Outgoing) -> WorkflowIDReusePolicy:
    """Started once, whatever became of it, unless the reconciler found that it is gone."""
    again = row.payload.get("again")
    return WorkflowIDReusePolicy.ALLOW_DUPLICATE if again else WorkflowIDReusePolicy.REJECT_DUPLICATE
