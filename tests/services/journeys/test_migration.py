"""Migrating people to another version, and moving one by hand; the workflow is played by the test."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.journeys import FinishItem
from infra.errors import BadInput, Conflict
from journeys.cursor import Cursor
from journeys.engine import Perform, plan, resume
from journeys.outcome import Deferred, Done, Ended, PastDue, Sleep, Waiting
from services.journeys.moves.migration_plans import CohortRule, MigrationRequest
from services.journeys.moves.migrations_desk import MigrationView
from services.journeys.reconciling.mending import Mender
from services.journeys.reconciling.suspects import Suspect, look
from tests.services.journeys.conftest import Service
from workflows.state import EnrolmentState

FIRST = {"id": "first", "type": "send", "template": "hello", "channels": ["email"]}
PAUSE = {"id": "pause", "type": "wait", "for": "P3D"}
LETTER = {"id": "letter", "type": "send", "template": "hello", "channels": ["email"]}
ORDER = {
    "id": "order",
    "type": "wait_for",
    "paths": [{"id": "ordered", "event": "Ordered"}],
    "timeout": {"after": "P3D"},
}


async def _publish(service: Service, *steps: dict[str, Any], **changes: object) -> str:
    service.neighbours.templates = [{"key": "hello", "variables": {}}]
    return await service.publish(steps=list(steps), **changes)


@dataclass
class Person:
    """Somebody, and the version that their workflow is in."""

    service: Service
    profile_id: UUID
    id: UUID
    version: str

    async def asks(self, step: str, visit: int = 1, **more: object) -> object:
        return await self.service.perform(self.id, step, visit, journey=self.version, **more)

    async def moves(self) -> dict[str, Any] | None:
        """The newest move that Temporal is told of; the workflow takes it."""
        rows = await self.service.rows(
            "SELECT payload FROM outgoing WHERE enrolment_id = :id AND kind = 'move' ORDER BY id DESC LIMIT 1", id=self.id
        )
        if rows:
            self.version = rows[0].payload["journey"]
        return rows[0].payload if rows else None

    async def row(self) -> Any:
        return (await self.service.rows("SELECT version, state, reason, moving FROM enrolment WHERE id = :id", id=self.id))[0]


async def _enters(service: Service, version: str, **properties: object) -> Person:
    profile_id, enrolment = await service.enter(**properties)
    return Person(service, profile_id, enrolment, version)


async def _migrate(service: Service, **request: object) -> MigrationView:
    view = await service.lifecycle.desk.start("signup", MigrationRequest.model_validate(request), by="ann")
    while await service.lifecycle.migrator.step():
        state = (await service.lifecycle.desk.progress("signup", view.id)).state
        if state != "running":
            break
    return await service.lifecycle.desk.progress("signup", view.id)


async def _finished(service: Service, view: MigrationView) -> MigrationView:
    await service.lifecycle.migrator.step()
    return await service.lifecycle.desk.progress("signup", view.id)


async def test_who_waits_is_moved_when_their_workflow_asks_and_the_wait_ends_as_the_new_version_says(service: Service) -> None:
    old = await _publish(service, FIRST, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("first")
    await person.asks("pause")
    service.pass_time(timedelta(days=1))
    new = await _publish(service, FIRST, PAUSE | {"for": "P2D"}, LETTER)
    view = await _migrate(service)
    refresh = await service.rows("SELECT payload->>'step' AS step FROM outgoing WHERE kind = 'refresh'")
    assert [row.step for row in refresh] == ["pause"]
    assert (await person.row()).version == old
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    assert await person.moves() == {"journey": new, "step": None, "offset": 1, "$journey": "signup"}
    answer = await person.asks("pause")
    assert isinstance(answer, Sleep)
    assert answer.wake_at == service.clock.now() + timedelta(days=1)
    assert (await person.row()).moving is None
    view = await _finished(service, view)
    assert (view.state, view.moved, view.stayed, view.ended) == ("done", 1, 0, 0)
    assert len(service.neighbours.sent) == 1


@pytest.mark.parametrize("policy", ["continue", "exit"])
async def test_a_wait_that_was_shortened_so_that_it_is_over_follows_its_policy(service: Service, policy: str) -> None:
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("pause")
    service.pass_time(timedelta(days=2))
    await _publish(service, PAUSE | {"for": "P1D", "if_past": policy, "late_by": "PT12H"}, LETTER)
    await _migrate(service)
    await person.asks("pause", confirm=True)
    await person.moves()
    answer = await person.asks("pause")
    assert isinstance(answer, PastDue)
    assert answer.action == policy


async def test_a_step_that_is_no_more_must_be_mapped_and_people_go_where_the_mapping_says(service: Service) -> None:
    old = await _publish(service, FIRST, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("first")
    await person.asks("pause")
    new = await _publish(service, FIRST, LETTER)
    with pytest.raises(BadInput) as refused:
        await _migrate(service)
    assert refused.value.flaws[0].path == "$.mapping.pause"
    with pytest.raises(BadInput, match="mapping"):
        await _migrate(service, mapping={"pause": "nowhere"})
    view = await _migrate(service, mapping={"pause": "letter"})
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    move = await person.moves()
    assert move is not None
    assert (move["journey"], move["step"], move["offset"]) == (new, "letter", 1)
    assert isinstance(await person.asks("letter", 2), Done)
    assert [each.step for each in service.neighbours.sent] == ["first", "letter"]
    assert (await _finished(service, view)).moved == 1


async def test_a_step_of_the_same_name_and_another_type_must_be_mapped(service: Service) -> None:
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, ORDER | {"id": "pause"}, LETTER)
    with pytest.raises(BadInput, match="another type"):
        await _migrate(service)


async def test_a_workflow_that_has_gone_on_meanwhile_is_moved_from_where_it_is_and_sends_nothing_twice(service: Service) -> None:
    """Its timer fired while the migration was written: it asks for a step that the new version has not."""
    old = await _publish(service, PAUSE, LETTER, {"id": "gone", "type": "wait", "for": "P1D"})
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, LETTER, {"id": "other", "type": "wait", "for": "P5D"})
    view = await _migrate(service, mapping={"gone": "other"})
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
    assert (await _finished(service, view)).state == "done"


async def test_from_a_step_that_leads_nowhere_people_go_on_until_one_that_does(service: Service) -> None:
    old = await _publish(service, PAUSE, FIRST, LETTER)
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, LETTER)
    view = await _migrate(service)
    service.pass_time(timedelta(days=3))
    await person.asks("pause", confirm=True)
    assert isinstance(await person.asks("first"), Done)  # in the old version, which has it
    assert (await service.lifecycle.desk.progress("signup", view.id)).on_their_way == 1
    assert isinstance(await person.asks("letter"), Deferred)
    await person.moves()
    assert isinstance(await person.asks("letter"), Done)
    assert [each.step for each in service.neighbours.sent] == ["first", "letter"]


async def test_until_it_has_begun_anew_a_workflow_is_told_to_wait(service: Service) -> None:
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, FIRST)
    await _migrate(service)
    await person.asks("pause", confirm=True)
    assert isinstance(await person.asks("letter"), Deferred)
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    requests = await service.rows("SELECT DISTINCT request_id FROM outgoing WHERE kind = 'move'")
    assert len(requests) == 1  # Temporal takes it once
    assert service.neighbours.sent == []


async def test_an_event_that_has_met_the_wait_counts_before_the_move(service: Service) -> None:
    old = await _publish(service, ORDER, LETTER)
    person = await _enters(service, old)
    await person.asks("order")
    await _publish(service, ORDER | {"timeout": {"after": "P1D"}}, LETTER)
    await _migrate(service)
    await service.track(person.profile_id, "Ordered")
    answer = await person.asks("order", confirm=True)
    assert isinstance(answer, Waiting)
    assert answer.matched is not None
    assert isinstance(await person.asks("letter"), Deferred)
    await person.moves()
    assert isinstance(await person.asks("letter"), Done)


async def test_a_wait_for_listens_as_the_new_version_says(service: Service) -> None:
    old = await _publish(service, ORDER, LETTER)
    person = await _enters(service, old)
    await person.asks("order")
    await _publish(service, ORDER | {"paths": [{"id": "ordered", "event": "Paid"}]}, LETTER)
    await _migrate(service)
    await person.asks("order", confirm=True)
    await person.moves()
    assert isinstance(await person.asks("order"), Waiting)
    assert await service.track(person.profile_id, "Ordered") == []
    (signal,) = await service.track(person.profile_id, "Paid")
    assert (signal.kind, signal.payload["visit"]) == ("matched", 1)


BOOKING = {"id": "booking", "type": "wait_for", "paths": [{"id": "booked", "event": "Booked"}]}
VISIT = {"id": "visit", "type": "wait", "until": {"ref": "event.properties.visit_at"}, "if_past": "exit"}


async def _books(person: Person, **properties: str) -> str:
    """What the workflow then refers to as the event."""
    await person.asks("booking")
    (signal,) = await person.service.track(person.profile_id, "Booked", at=None, **properties)
    return str(signal.payload["event_id"])


async def test_a_wait_until_a_date_of_the_event_that_woke_its_path_ends_at_that_date_after_a_move_too(service: Service) -> None:
    old = await _publish(service, BOOKING, VISIT, LETTER)
    person = await _enters(service, old)
    event = await _books(person, visit_at="2026-03-20T09:00:00Z")
    before = await person.asks("visit", event_id=event)
    await _publish(service, BOOKING, VISIT, LETTER | {"name": "After the visit"})
    preview = await service.lifecycle.desk.preview("signup", MigrationRequest())
    assert (preview.retiming.same, preview.retiming.due_now) == (1, 0)
    await _migrate(service)
    await person.asks("visit", event_id=event, confirm=True)
    await person.moves()
    assert isinstance(before, Sleep)
    assert await person.asks("visit", event_id=event) == before


async def test_a_wait_for_what_belongs_to_the_event_that_woke_its_path_still_finds_it_after_a_move(service: Service) -> None:
    where = {"property": "booking", "eq": {"ref": "event.properties.booking"}}
    paid = {"id": "paid", "type": "wait_for", "paths": [{"id": "paid", "event": "Paid", "where": where}]}
    old = await _publish(service, BOOKING, paid, LETTER)
    person = await _enters(service, old)
    event = await _books(person, booking="b-1")
    await person.asks("paid", event_id=event)
    await _publish(service, BOOKING, paid, LETTER | {"name": "Thanks"})
    await _migrate(service)
    await person.asks("paid", event_id=event, confirm=True)
    await person.moves()
    assert await service.track(person.profile_id, "Paid", booking="b-2") == []
    (signal,) = await service.track(person.profile_id, "Paid", booking="b-1")
    assert (signal.kind, signal.payload["step"]) == ("matched", "paid")


async def test_exit_criteria_are_those_of_the_new_version(service: Service) -> None:
    old = await _publish(service, PAUSE, exit_when=[{"event": "Bought"}])
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, exit_when=[{"event": "Cancelled"}])
    await _migrate(service)
    await person.asks("pause", confirm=True)
    assert await service.track(person.profile_id, "Bought") == []
    (signal,) = await service.track(person.profile_id, "Cancelled")
    assert signal.kind == "interrupt"


async def test_cohorts_stay_or_end(service: Service) -> None:
    old = await _publish(service, PAUSE, LETTER)
    early = await _enters(service, old, event_id="early")
    await early.asks("pause")
    service.pass_time(timedelta(days=1))
    late = await _enters(service, old, event_id="late")
    await late.asks("pause")
    day = service.clock.now() - timedelta(hours=1)
    cohorts = [{"entered_before": day.isoformat(), "action": "stay"}, {"steps": ["pause"], "action": "exit"}]
    await _publish(service, PAUSE, FIRST)
    view = await _migrate(service, cohorts=cohorts)
    assert (view.stayed, view.ended, view.moved) == (1, 1, 0)
    assert (await early.row()).state == "running"
    assert isinstance(await early.asks("pause"), Sleep)
    assert isinstance(await late.asks("pause"), Ended)
    await service.steps.finish([FinishItem(enrolment_id=late.id, reason="ended")])
    assert (await late.row()).reason == "migrated"


def test_a_cohort_that_names_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="names nobody"):
        CohortRule(action="stay")


async def test_who_is_held_is_migrated_on_the_spot_and_starts_in_the_new_version(service: Service) -> None:
    await _publish(service, PAUSE)
    await service.lifecycle.states.change("signup", "pause", by="ann")
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    await service.track(profile_id, "Signup", event_id="x")
    new = await _publish(service, LETTER)
    view = await _migrate(service)
    assert view.moved == 1
    await service.lifecycle.states.change("signup", "resume", by="ann")
    await service.lifecycle.starter.step()
    assert [each.payload["version"] for each in service.told if each.kind == "start"] == [new]


async def test_the_preview_tells_who_stands_where_and_what_becomes_of_their_waits(service: Service) -> None:
    old = await _publish(service, PAUSE, ORDER, LETTER)
    for number in range(3):
        await (await _enters(service, old, event_id=str(number))).asks("pause")
    other = await _enters(service, old, event_id="o")
    await other.asks("pause")
    service.pass_time(timedelta(days=3))
    await other.asks("order")
    await _publish(service, PAUSE | {"for": "P4D"}, LETTER)
    preview = await service.lifecycle.desk.preview("signup", MigrationRequest())
    assert {(each.step, each.count, each.becomes) for each in preview.positions} == {("pause", 3, "pause"), ("order", 1, None)}
    assert (preview.retiming.waiting, preview.retiming.longer, preview.retiming.due_now) == (3, 3, 0)
    assert [each.path for each in preview.problems] == ["$.mapping.order"]
    assert await service.rows("SELECT 1 FROM enrolment WHERE moving IS NOT NULL") == []


async def test_a_cancelled_migration_leaves_those_who_have_not_moved_where_they_are(service: Service) -> None:
    old = await _publish(service, PAUSE, LETTER)
    gone, left = await _enters(service, old, event_id="a"), await _enters(service, old, event_id="b")
    for person in (gone, left):
        await person.asks("pause")
    new = await _publish(service, PAUSE, FIRST)
    view = await _migrate(service)
    await gone.asks("pause", confirm=True)
    view = await service.lifecycle.desk.cancel("signup", view.id, by="ann")
    assert (view.state, view.moved, view.on_their_way) == ("cancelled", 1, 0)
    assert isinstance(await left.asks("pause", confirm=True), Sleep)
    assert ((await gone.row()).version, (await left.row()).version) == (new, old)


async def test_two_migrations_of_one_journey_do_not_run_at_once(service: Service) -> None:
    old = await _publish(service, PAUSE)
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, LETTER)
    await _migrate(service)
    with pytest.raises(Conflict, match="under way"):
        await _migrate(service)


async def test_a_wait_that_begins_while_the_migration_is_written_is_asked_again(service: Service) -> None:
    """The enrolment stood nowhere when it was told to move, so nobody could be signalled; its first wait tells."""
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    await _publish(service, PAUSE, FIRST)
    await _migrate(service)
    await service.perform(person.id, "pause")  # by its cohort, which has no workflow yet
    rows = await service.rows("SELECT payload->>'step' AS step FROM outgoing WHERE kind = 'refresh'")
    assert [row.step for row in rows] == ["pause"]


async def test_a_new_criterion_that_a_trait_meets_already_ends_the_enrolment_after_the_move(service: Service) -> None:
    old = await _publish(service, PAUSE, exit_when=[{"event": "Signup"}])
    person = await _enters(service, old)
    await person.asks("pause")
    service.neighbours.traits[person.profile_id] = {"staff": True}
    exits = [{"event": "Signup"}, {"trait": "staff", "eq": True}]
    await _publish(service, PAUSE, exit_when=exits)
    await _migrate(service)
    await person.asks("pause", confirm=True)
    ((payload,),) = await service.rows("SELECT payload FROM outgoing WHERE kind = 'look_back'")
    (signal,) = await service.look_back(person.id, payload["look_back"])
    assert signal.kind == "interrupt"
    assert (await person.row()).reason == "exit: trait 'staff'"  # not the event that they entered by


async def test_whom_a_migration_ends_is_in_the_audit_log(service: Service) -> None:
    old = await _publish(service, PAUSE)
    by_rule, by_map = await _enters(service, old, event_id="a"), await _enters(service, old, event_id="b")
    await by_map.asks("pause")
    new = await _publish(service, PAUSE, LETTER)
    rule = {"share": 100, "steps": ["pause"], "action": "map"}
    await _migrate(service, mapping={"pause": "exit"}, cohorts=[rule, {"share": 100, "action": "exit"}])
    assert isinstance(await by_map.asks("pause", confirm=True), Ended)
    noted = await service.rows("SELECT enrolment_id, who, detail FROM audit WHERE action = 'migrate'")
    assert {(each.enrolment_id, each.who) for each in noted} == {(by_rule.id, "ann"), (by_map.id, "ann")}
    assert {(each.detail["to_version"], each.detail["to_step"]) for each in noted} == {(new, "exit")}


async def test_a_cancel_and_a_move_at_the_same_time_do_not_stand_in_each_others_way(service: Service) -> None:
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    await person.asks("pause")
    await _publish(service, PAUSE, FIRST)
    view = await _migrate(service)
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
    old = await _publish(service, PAUSE, LETTER)
    person = await _enters(service, old)
    if step == "letter":
        await person.asks("pause")
    new = await _publish(service, PAUSE, LETTER, PAUSE | {"id": "more"})
    await _migrate(service)
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
    old = await _publish(service, BOOKING, monthly)
    person = await _enters(service, old)
    event = await _books(person)
    await person.asks("pause", 3, event_id=event, rounds={"monthly": 2})
    await _publish(service, BOOKING, monthly | {"name": "Every month"})
    await _migrate(service)
    await person.asks("pause", 3, event_id=event, rounds={"monthly": 2}, confirm=True)
    async with service.database.read() as session:
        (suspect,) = await look(session, [person.id], grace=timedelta(0), overdue=service.clock.now())
    cursor = await _begins_anew(service, suspect)
    assert (cursor.step, cursor.visit, cursor.loops, cursor.event_id) == ("pause", 3, {"monthly": 2}, event)
