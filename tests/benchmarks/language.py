"""What the interpreter costs in workflow tasks, against a workflow written by hand.

The same ten steps are walked in definitions of ten and of many more; all that differs is what lies on a path not taken.
Activities answer at once from memory, in the same process: what differs
between the two workflows is the interpreter and what it sends.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import uuid4

from pydantic import JsonValue
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.enrolments import EnrolmentActivities
from contracts.journeys import WORKFLOW, EnrolmentInput, FinishItem, StepItem
from infra.local.ports import any_free
from infra.local.temporal import TemporalServer
from journeys.outcome import Chose, Done, Outcome
from tests.benchmarks import history
from tests.benchmarks.result import Limit, Result, against
from workflows.converter import data_converter
from workflows.definitions import Definitions
from workflows.enrolment import EnrolmentWorkflow

SIZES = (10, 50, 200)
WALKED = 10
"""Steps that everybody walks, whatever the size of the definition."""
WORKFLOWS = 40
"""In one measurement."""
LENGTHS = (10, 50)
"""Walked steps of the two histories whose difference is what a step adds."""
ROUNDS = 7
GROWTH = 1.3
"""What a definition twenty times as large may cost, beyond which it is no noise."""
AT_ONCE = 5
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@activity.defn
async def nothing(step: str) -> str:
    """Sends nothing."""
    return step


@workflow.defn
class BareSteps:
    """So many sends, one after the other, written by hand."""

    @workflow.run
    async def run(self, steps: int) -> str:
        for number in range(steps):
            await workflow.execute_local_activity(nothing, f"s{number}", start_to_close_timeout=timedelta(seconds=10))
        return "completed"


class Instant(EnrolmentActivities):
    """Decides every step at once; nobody takes a path but `otherwise`."""

    def __init__(self) -> None:
        """Needs no service."""

    @activity.defn(name="perform_step")
    async def perform_step(self, item: StepItem) -> Outcome:
        return Chose(path="otherwise") if item.step == FORK else Done()

    @activity.defn(name="finish_enrolment")
    async def finish_enrolment(self, item: FinishItem) -> None:
        """Nothing is kept."""


FORK = "fork"


def straight(steps: int) -> dict[str, JsonValue]:
    """A journey of that many sends."""
    return {
        "key": f"long-{steps}",
        "name": "Long",
        "purpose": "transactional",
        "entry": {"api": True},
        "steps": [_send(f"s{number}") for number in range(steps)],
    }


def forked(size: int) -> dict[str, JsonValue]:
    """A journey of `size` steps, of which `WALKED` are walked: a branch, and sends behind it."""
    aside: list[JsonValue] = [_send(f"aside{number}") for number in range(size - WALKED)]
    fork: dict[str, JsonValue] = {
        "id": FORK,
        "type": "branch",
        "paths": [{"id": "aside", "if": {"trait": "plan", "eq": "gold"}, "steps": aside}],
        "otherwise": [],
    }
    sends: list[JsonValue] = [_send(f"s{number}") for number in range(WALKED - 1)]
    return {**straight(0), "key": f"forked-{size}", "steps": [fork, *sends]}


def _send(step_id: str) -> dict[str, JsonValue]:
    return {"id": step_id, "type": "send", "template": "t", "channels": ["email"]}


async def measure() -> list[Result]:
    """Everything of this module."""
    with TemporaryDirectory() as folder:
        server = TemporalServer(Path(folder), port=any_free(), durable=False)
        await asyncio.to_thread(server.start)
        try:
            async with _Both(server.address) as both:
                return [*await _tasks(both), await _history(both)]
        finally:
            await asyncio.to_thread(server.stop)


async def _tasks(both: _Both) -> list[Result]:
    """CPU seconds of worker and starter (this process) per walked step; every round visits every size."""
    await both.reis(SIZES[0], WORKFLOWS // 5)
    await both.bare(WALKED, WORKFLOWS // 5)
    pairs: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size in SIZES:
            pairs[size].append((await both.reis(size, WORKFLOWS), await both.bare(WALKED, WORKFLOWS)))
    found: list[Result] = []
    ratios: list[float] = []
    for size, costs in pairs.items():
        ratio = statistics.median(reis / bare for reis, bare in costs)
        reis, bare = min(costs, key=lambda pair: abs(pair[0] / pair[1] - ratio))
        name = f"workflow-task CPU per step, definition of {size} steps"
        note = f"{WALKED} steps walked, {WORKFLOWS} workflows, no service behind"
        found.append(against(name, reis * 1e6, "µs", bare * 1e6, note))
        ratios.append(reis / bare)
    note = f"{SIZES[-1]} steps against {SIZES[0]}, each as its ratio to the workflow by hand: must not grow"
    found.append(against("workflow-task CPU, growth with the definition", ratios[-1], "", ratios[0], note, Limit(GROWTH)))
    return found


async def _history(both: _Both) -> Result:
    few, many = LENGTHS
    reis = [await both.history_bytes(WORKFLOW, both.straight(length)) for length in LENGTHS]
    bare = [await both.history_bytes("BareSteps", length) for length in LENGTHS]
    per_step, plain = ((sizes[1] - sizes[0]) / (many - few) for sizes in (reis, bare))
    return against("history per step", per_step, "bytes", plain, "what one more step adds")


class _Both:
    """A worker for both workflows in this process."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._queue = f"language-{uuid4()}"
        self._definitions = Definitions(_unreachable)

    async def __aenter__(self) -> Self:
        self._forked = {size: self._definitions.add(forked(size)) for size in SIZES}
        self._straight = {length: self._definitions.add(straight(length)) for length in LENGTHS}
        self._client = await Client.connect(self._address, data_converter=data_converter(self._definitions))
        instant = Instant()
        self._worker = Worker(
            self._client,
            task_queue=self._queue,
            workflows=[EnrolmentWorkflow, BareSteps],
            activities=[instant.perform_step, instant.finish_enrolment, nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_local_activities=400,
            no_remote_activities=True,
        )
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._worker.__aexit__(None, None, None)

    async def reis(self, size: int, workflows: int) -> float:
        """CPU seconds per walked step in a definition of that size."""
        return await self._cost(WORKFLOW, [_enrolment(self._forked[size]) for _ in range(workflows)])

    async def bare(self, steps: int, workflows: int) -> float:
        """The same by hand."""
        return await self._cost("BareSteps", [steps] * workflows)

    def straight(self, length: int) -> EnrolmentInput:
        """Somebody who walks that many sends."""
        return _enrolment(self._straight[length])

    async def history_bytes(self, name: str, given: object) -> int:
        """The size of one whole history."""
        found = await history.history(self._client, await self._lived(name, given))
        return sum(event.ByteSize() for event in found.events)

    async def _cost(self, name: str, given: Sequence[object]) -> float:
        before = time.process_time()
        waiting = iter(given)

        async def lane() -> None:
            for each in waiting:
                await self._lived(name, each)

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
        return (time.process_time() - before) / (len(given) * WALKED)

    async def _lived(self, name: str, given: object) -> str:
        workflow_id = f"{name}-{uuid4()}"
        handle = await self._client.start_workflow(name, given, id=workflow_id, task_queue=self._queue, result_type=str)
        assert await handle.result() == "completed"
        return workflow_id


def _enrolment(digest: str) -> EnrolmentInput:
    return EnrolmentInput(enrolment_id=uuid4(), journey=digest)


async def _unreachable(digest: str) -> bytes:
    raise AssertionError(f"definition {digest} was not added")
