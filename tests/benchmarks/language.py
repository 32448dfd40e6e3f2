"""What the interpreter costs: `plan` and `advance` per step, validation, and workflow tasks against a workflow written by hand.

`python -m tests.benchmarks.language` runs only this. Activities answer at once from memory, in the same process: what differs
between the two workflows is the interpreter and what it sends.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import uuid4

import uvloop
from pydantic import JsonValue
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.enrolments import EnrolmentActivities
from contracts.journeys import WORKFLOW, EnrolmentInput, FinishItem, StepItem
from infra.local.ports import any_free
from infra.local.temporal import TemporalServer
from journeys import Catalog, Journey, check, parse_journey
from journeys.engine import Perform, advance, plan, start
from journeys.outcome import Done, Outcome
from tests.benchmarks import history
from tests.benchmarks.result import Result
from workflows.converter import data_converter
from workflows.definitions import Definitions
from workflows.enrolment import EnrolmentWorkflow

SIZES = (10, 50, 200)
STEPS_IN_ALL = 400
"""Executed per measurement, whatever the size."""
ROUNDS = 3
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
    """Decides every step at once."""

    def __init__(self) -> None:
        """Needs no service."""

    @activity.defn(name="perform_step")
    async def perform_step(self, item: StepItem) -> Outcome:
        return Done()

    @activity.defn(name="finish_enrolment")
    async def finish_enrolment(self, item: FinishItem) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds per executed step of worker and starter (this process), and the size of one history."""

    cpu_per_step: float
    history_bytes: int


def definition(steps: int) -> dict[str, JsonValue]:
    """A journey of that many sends."""
    return {
        "key": f"long-{steps}",
        "name": "Long",
        "purpose": "transactional",
        "entry": {"api": True},
        "steps": [{"id": f"s{number}", "type": "send", "template": "t", "channels": ["email"]} for number in range(steps)],
    }


def mixed(steps: int) -> dict[str, JsonValue]:
    """A journey of that many steps (a multiple of five): sends, waits, waits for events, branches with a send inside."""
    listed: list[JsonValue] = []
    for number in range(0, steps, 5):
        listed += [
            {"id": f"a{number}", "type": "send", "template": "t", "channels": ["email"]},
            {"id": f"b{number}", "type": "wait", "for": "P1D", "window": {"from": "09:00", "to": "18:00"}},
            {
                "id": f"c{number}",
                "type": "wait_for",
                "paths": [{"id": "bought", "event": "Order Completed", "where": {"property": "total", "gt": 10}}],
                "timeout": {"after": "P7D"},
            },
            {
                "id": f"d{number}",
                "type": "branch",
                "paths": [
                    {
                        "id": "yes",
                        "if": {"trait": "plan", "eq": "gold"},
                        "steps": [{"id": f"e{number}", "type": "send", "template": "t", "channels": ["email"]}],
                    }
                ],
                "otherwise": [],
            },
        ]
    return {**definition(0), "key": "mixed", "steps": listed}


def core() -> list[Result]:
    """The pure parts, in this process."""
    text = json.dumps(mixed(200))
    parsing = _timed(lambda: parse_journey(json.loads(text)))
    catalog = Catalog(templates=frozenset({"t"}), segments=frozenset(), journeys=frozenset())
    validating = _timed(lambda: check(parse_journey(json.loads(text)), catalog))
    journey = parse_journey(definition(200))
    walking = _timed(lambda: _walk(journey)) / 200
    return [
        Result("plan and advance, per step", walking * 1e6, "µs", None, None, "200 sends in a row, median"),
        Result(
            "validation of a 200-step journey",
            validating * 1000,
            "ms",
            parsing * 1000,
            validating / parsing,
            "baseline: json.loads and the models alone",
        ),
    ]


def _walk(journey: Journey) -> None:
    cursor = start(journey)
    while isinstance(plan(journey, cursor), Perform):
        cursor = advance(journey, cursor, Done(), NOW)


async def measure() -> list[Result]:
    """Everything of this module; below a minute."""
    results = core()
    with TemporaryDirectory() as folder:
        server = TemporalServer(Path(folder), port=any_free(), durable=False)
        await asyncio.to_thread(server.start)
        reis: dict[int, Cost] = {}
        bare: dict[int, Cost] = {}
        try:
            async with _Both(server.address) as both:
                await both.reis(10)
                await both.bare(10)
                for size in SIZES:
                    pairs = [(await both.reis(size), await both.bare(size)) for _ in range(ROUNDS)]
                    ratio = statistics.median(one.cpu_per_step / other.cpu_per_step for one, other in pairs)
                    reis[size], bare[size] = min(pairs, key=lambda pair: abs(pair[0].cpu_per_step / pair[1].cpu_per_step - ratio))
                    results.append(
                        Result(
                            f"workflow-task CPU per executed step, {size} steps",
                            reis[size].cpu_per_step * 1e6,
                            "µs",
                            bare[size].cpu_per_step * 1e6,
                            ratio,
                            "worker and starter, no service behind; must not grow with the definition",
                        )
                    )
        finally:
            await asyncio.to_thread(server.stop)
    low, high = SIZES[0], SIZES[-1]
    per_step, plain = ((found[high].history_bytes - found[low].history_bytes) / (high - low) for found in (reis, bare))
    results.append(Result("history per step", per_step, "bytes", plain, per_step / plain, "what one more step adds"))
    return results


class _Both:
    """A worker for both workflows in this process."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._queue = f"language-{uuid4()}"
        self._definitions = Definitions(_unreachable)

    async def __aenter__(self) -> Self:
        self._hashes = {size: self._definitions.add(definition(size)) for size in SIZES}
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

    async def reis(self, size: int) -> Cost:
        given = EnrolmentInput(enrolment_id=uuid4(), journey=self._hashes[size])
        return await self._run(size, WORKFLOW, given)

    async def bare(self, size: int) -> Cost:
        return await self._run(size, "BareSteps", size)

    async def _run(self, size: int, name: str, given: object) -> Cost:
        number = STEPS_IN_ALL // size
        before = time.process_time()
        ids = [f"{name}-{uuid4()}" for _ in range(number)]
        waiting = iter(ids)

        async def lane() -> None:
            for each in waiting:
                handle = await self._client.start_workflow(name, given, id=each, task_queue=self._queue, result_type=str)
                assert await handle.result() == "completed"

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
        spent = time.process_time() - before
        found = await history.history(self._client, ids[0])
        return Cost(spent / (number * size), sum(event.ByteSize() for event in found.events))


async def _unreachable(digest: str) -> bytes:
    raise AssertionError(f"definition {digest} was not added")


def _timed(work: Callable[[], object]) -> float:
    """Median CPU seconds of one call."""
    taken: list[float] = []
    for _ in range(15):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return statistics.median(taken)


def _show(results: Sequence[Result]) -> None:
    for each in results:
        against = "" if each.baseline is None else f" (baseline {each.baseline:.4g}, ratio {each.ratio:.2f})"
        print(f"{each.name}: {each.value:.4g} {each.unit}{against}")


if __name__ == "__main__":
    _show(core() if sys.argv[1:] == ["core"] else uvloop.run(measure()))
