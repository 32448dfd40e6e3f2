"""A workflow that is to move: until it has begun anew, and when it is lost on the way; it is played by the test."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from journeys.cursor import Cursor
from journeys.engine import Perform, plan, resume
from journeys.outcome import Deferred, Done, Sleep
from services.journeys.reconciling.mending import Mender
from services.journeys.reconciling.suspects import Suspect, look
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LETTER, PAUSE, publish
from tests.services.journeys.migrating import BOOKING, FIRST, books, enters, finished, migrate
from workflows.state import EnrolmentState


async def test_a_workflow_that_has_gone_on_meanwhile_is_moved_from_where_it_is_and_sends_nothing_twice(service: Service) -> None:
    """Its timer fired while the migration was written: it asks for a step that the new version has not."""
    old = await publish(service, PAUSE, LETTER, {"id": "gone", "type": "wait", "for": "P1D"})
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, LETTER, {"id": "other", "type": "wait", "for": "P5D"})
    view = await migrate(service, mapping={"gone": "other"})
    service.pass_time(timedelta(days=3))
    assert isinstance(await person.asks("pause", confirm=True), Done)  # its time was up: it goes on as it was
    service.neighbours.down.add("channels")
    assert isinstance(await person.asks("letter"), Deferred)  # undecided: here it is moved
    service.neighbours.down.clear()
    move = await person.moves()
    assert move is not None
    assert move["step"] is None
    assert isinstance(await person.asks("letter"), Done)
    assert len(service.neighbours.sent) == 1
    assert (await finished(service, view)).state == "done"


async def test_from_a_step_that_leads_nowhere_people_go_on_until_one_that_does(service: Service) -> None:
    old = await publish(service, PAUSE, FIRST, LETTER)
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, LETTER)
    view = await migrate(service)
    service.pass_time(timedelta(days=3))
    await person.asks("pause", confirm=True)
    assert isinstance(await person.asks("first"), Done)  # in the old version, which has it
    assert (await service.lifecycle.desk.progress("signup", view.id)).on_their_way == 1
    assert isinstance(await person.asks("letter"), Deferred)
    await person.moves()
    assert isinstance(await person.asks("letter"), Done)
    assert [each.step for each in service.neighbours.sent] == ["first", "letter"]


async def test_until_it_has_begun_anew_a_workflow_is_told_to_wait(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, FIRST)
    await migrate(service)
    await person.asks("pause", confirm=True)
    assert isinstance(await person.asks("letter"), Deferred)
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    requests = await service.rows("SELECT DISTINCT request_id FROM outgoing WHERE kind = 'move'")
    assert len(requests) == 1  # Temporal takes it once
    assert service.neighbours.sent == []


async def test_a_cancel_and_a_move_at_the_same_time_do_not_stand_in_each_others_way(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, FIRST)
    view = await migrate(service)
    async with service.database.begin() as session:  # as a cancel does it, one statement after the other
        await session.execute(text("UPDATE migration SET state = 'cancelled' WHERE id = :id"), {"id": view.id})
        asking = asyncio.create_task(person.asks("pause", confirm=True))
        while not await service.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await session.execute(text("UPDATE enrolment SET moving = NULL WHERE id = :id"), {"id": person.id})
    assert isinstance(await asking, Sleep)
    assert (await person.row()).version == old


@pytest.mark.parametrize("step", ["pause", "letter"])
async def test_a_workflow_that_is_lost_after_a_move_begins_anew_where_it_was_moved(service: Service, step: str) -> None:
    """Also where nothing had been decided at that step: it neither ends there nor decides, and sends, anew what was sent."""
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    if step == "letter":
        await person.asks("pause")
    new = await publish(service, PAUSE, LETTER, PAUSE | {"id": "more"})
    await migrate(service)
    service.pass_time(timedelta(days=4))
    await person.asks(step)
    assert await person.moves() is not None
    await person.asks("pause", confirm=True)  # once more before it begins anew: it is told again
    async with service.database.read() as session:
        (suspect,) = await look(session, [person.id], grace=timedelta(0), overdue=service.clock.now())
    cursor = await _begins_anew(service, suspect)
    there = await service.versions.journey(new)
    assert plan(there, cursor) == Perform(step, 1)


async def _begins_anew(service: Service, suspect: Suspect) -> Cursor:
    """Where a workflow that is gone is started again, as it finds out itself."""
    start = Mender._start(suspect)
    state = EnrolmentState.model_validate(start["carried"])
    assert state.move_to is not None
    there = await service.versions.journey(start["version"])
    return resume(there, state.cursor, state.move_to.step, state.move_to.offset)


async def test_a_workflow_that_is_lost_after_a_move_knows_its_rounds_and_the_event_that_woke_its_path(service: Service) -> None:
    monthly = {"id": "monthly", "type": "repeat", "max": 3, "steps": [PAUSE, LETTER]}
    old = await publish(service, BOOKING, monthly)
    person = await enters(service, old)
    event = await books(person)
    await person.asks("pause", 3, event_id=event, rounds={"monthly": 2})
    await publish(service, BOOKING, monthly | {"name": "Every month"})
    await migrate(service)
    await person.asks("pause", 3, event_id=event, rounds={"monthly": 2}, confirm=True)
    async with service.database.read() as session:
        (suspect,) = await look(session, [person.id], grace=timedelta(0), overdue=service.clock.now())
    cursor = await _begins_anew(service, suspect)
    assert (cursor.step, cursor.visit, cursor.loops, cursor.event_id) == ("pause", 3, {"monthly": 2}, event)
