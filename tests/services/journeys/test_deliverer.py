"""Telling Temporal, on a real server: every start and signal arrives, however often it is tried."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

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
from services.journeys import outgoing
from services.journeys.deliverer import MOST_IN_HAND, Deliverer, workflow_id
from services.journeys.outgoing import Outgoing
from tests.services.journeys.conftest import Service
from tests.services.journeys.delivery import delivering, nothing_left


@workflow.defn(name=WORKFLOW)
class Recorder:
    """Ends at the first interrupt with the signals it had."""

    def __init__(self) -> None:
        self.had: list[str] = []
        self.over = False

    @workflow.run
    async def run(self, enrolment: EnrolmentInput) -> list[str]:
        await workflow.wait_condition(lambda: self.over)
        return self.had

    @workflow.signal(name=SIGNAL_MATCHED)
    def matched(self, signal: MatchedSignal) -> None:
        self.had.append(signal.event_id)

    @workflow.signal(name=SIGNAL_INTERRUPT)
    def interrupt(self, signal: InterruptSignal) -> None:
        self.had.append(signal.reason)
        self.over = True

    @workflow.signal(name=SIGNAL_REFRESH)
    def refresh(self, signal: RefreshSignal) -> None:
        self.had.append(f"refresh {signal.step} {signal.visit}")

    @workflow.signal(name=SIGNAL_MOVE)
    def move(self, signal: MoveSignal) -> None:
        self.had.append(f"move {signal.journey} {signal.step} {signal.offset}")


def start(enrolment_id: UUID) -> Outgoing:
    return Outgoing(enrolment_id, "signup", "start", {"version": "v"}, str(enrolment_id))


def matched(enrolment_id: UUID, event: str) -> Outgoing:
    body = MatchedSignal(step="w", visit=1, path="p", event_id=event).model_dump(mode="json")
    return Outgoing(enrolment_id, "signup", "matched", body, event)


def interrupt(enrolment_id: UUID) -> Outgoing:
    body = InterruptSignal(reason="exit", event_id="x").model_dump(mode="json")
    return Outgoing(enrolment_id, "signup", "interrupt", body, "x:exit")


async def write(service: Service, *rows: Outgoing, leased: bool = True) -> list[Outgoing]:
    async with service.database.begin() as session:
        written = await outgoing.write(session, rows)
        if not leased:
            await session.execute(text("UPDATE outgoing SET leased_until = now()"))
    return written


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    name = f"deliverer-{uuid4()}"
    async with Worker(temporal_client, task_queue=name, workflows=[Recorder], workflow_runner=UnsandboxedWorkflowRunner()):
        yield name


async def test_rows_arrive_in_order_and_are_forgotten(service: Service, temporal_client: Client, queue: str) -> None:
    one = uuid4()
    async with delivering(service, temporal_client, queue) as deliverer:
        deliverer.deliver(await write(service, start(one), matched(one, "a"), matched(one, "b"), interrupt(one)))
        await nothing_left(service)
        assert await temporal_client.get_workflow_handle(workflow_id("signup", one)).result() == ["a", "b", "exit"]


async def test_what_is_delivered_twice_takes_effect_once(service: Service, temporal_client: Client, queue: str) -> None:
    """The process died between telling Temporal and forgetting the row."""
    one = uuid4()
    async with delivering(service, temporal_client, queue) as deliverer:
        rows = await write(service, start(one), matched(one, "a"))
        deliverer.deliver([*rows, *rows])
        deliverer.deliver(rows)
        await nothing_left(service)
        deliverer.deliver(await write(service, start(one), interrupt(one)))
        await nothing_left(service)
        assert await temporal_client.get_workflow_handle(workflow_id("signup", one)).result() == ["a", "exit"]
        deliverer.deliver(await write(service, start(one), matched(one, "late")))
        await nothing_left(service)
    description = await temporal_client.get_workflow_handle(workflow_id("signup", one)).describe()
    assert description.status == WorkflowExecutionStatus.COMPLETED


async def test_rows_of_a_dead_process_ask_again_and_move_just_the_same(
    service: Service, temporal_client: Client, queue: str
) -> None:
    one = uuid4()
    refresh = RefreshSignal(step="w", visit=2).model_dump(mode="json")
    move = MoveSignal(journey="hash", step="w", offset=3).model_dump(mode="json")
    rows = [Outgoing(one, "signup", "refresh", refresh, "r"), Outgoing(one, "signup", "move", move, "m")]
    await write(service, start(one), *rows, interrupt(one), leased=False)
    async with delivering(service, temporal_client, queue):
        await nothing_left(service)
        result = await temporal_client.get_workflow_handle(workflow_id("signup", one)).result()
        assert result == ["refresh w 2", "move hash w 3", "exit"]


async def test_a_row_in_hand_is_not_taken_in_again_and_a_backlog_stays_in_the_database(
    service: Service, temporal_client: Client, queue: str
) -> None:
    deliverer = Deliverer(database=service.database, temporal=temporal_client, task_queue=queue, first_look=service.first_look)
    rows = [replace(start(uuid4()), id=number) for number in range(1, MOST_IN_HAND + 100)]
    deliverer.deliver(rows[:10])
    deliverer.deliver(rows[:10])
    assert deliverer._queue.qsize() == 10
    deliverer.deliver(rows)
    assert deliverer._queue.qsize() == MOST_IN_HAND


async def test_a_signal_that_overtook_its_start_is_sent_again(service: Service, temporal_client: Client, queue: str) -> None:
    """The start lands between the signal's answer "not found" and the look for a start that waits."""
    one = uuid4()
    (first,) = await write(service, start(one))
    async with delivering(service, temporal_client, queue) as deliverer:
        no_start_waits = deliverer._no_start_waits

        async def after_the_start(enrolment_id: UUID) -> bool:
            deliverer.deliver([first])
            while await service.rows("SELECT 1 FROM outgoing WHERE kind = 'start'"):
                await asyncio.sleep(0.01)
            return await no_start_waits(enrolment_id)

        deliverer._no_start_waits = after_the_start  # type: ignore[method-assign]
        deliverer.deliver(await write(service, interrupt(one)))
        await nothing_left(service)
        assert await temporal_client.get_workflow_handle(workflow_id("signup", one)).result() == ["exit"]


async def test_rows_of_a_process_that_died_are_taken_over(service: Service, temporal_client: Client, queue: str) -> None:
    one = uuid4()
    await write(service, start(one), interrupt(one), leased=False)
    async with delivering(service, temporal_client, queue):
        await nothing_left(service)
    assert await temporal_client.get_workflow_handle(workflow_id("signup", one)).result() == ["exit"]


async def test_a_signal_whose_start_is_still_waiting_is_kept(service: Service, temporal_client: Client, queue: str) -> None:
    one = uuid4()
    (held,) = await write(service, start(one))
    async with delivering(service, temporal_client, queue) as deliverer:
        deliverer.deliver(await write(service, interrupt(one)))
        deliverer.deliver(await write(service, start(uuid4())))
        while (await service.rows("SELECT count(*) AS n FROM outgoing"))[0].n > 2:
            await asyncio.sleep(0.05)
        assert {row.kind for row in await service.rows("SELECT kind FROM outgoing")} == {"start", "interrupt"}
        deliverer.deliver([held])
        async with service.database.begin() as session:
            await session.execute(text("UPDATE outgoing SET leased_until = now()"))
        await nothing_left(service)
    assert await temporal_client.get_workflow_handle(workflow_id("signup", one)).result() == ["exit"]


async def test_an_exit_before_a_segments_entry_was_registered_is_found_by_looking_back(
    service: Service, temporal_client: Client, queue: str, migrated_database: Callable[[str], str]
) -> None:
    service.neighbours.segments = [{"key": "puppies"}]
    await service.publish(
        entry={"segment_entered": "puppies"},
        exit_when=[{"event": "Dog Deceased"}],
        steps=[{"id": "w", "type": "wait", "for": "P1D"}],
    )
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    change = {"segment": "puppies", "at": service.clock.now().isoformat(), "number": 1, "traits": {}}
    service.pass_time(timedelta(seconds=1))
    await service.track(profile_id, "Dog Deceased")
    rows = await service.feed(service.item(profile_id, "segment.entered", change), route="segments")
    async with delivering(service, temporal_client, queue) as deliverer:
        deliverer.deliver(rows)
        handle = temporal_client.get_workflow_handle(workflow_id("signup", rows[0].enrolment_id))
        await nothing_left(service)
        assert await handle.result() == ["exit"]
