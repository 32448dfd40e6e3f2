"""What becomes of waits and criteria when people move to another version; the workflow is played by the test."""

from datetime import timedelta

import pytest

from journeys.outcome import Deferred, Done, PastDue, Sleep, Waiting
from services.journeys.moves.migration_plans import MigrationRequest
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LETTER, PAUSE, publish
from tests.services.journeys.migrating import BOOKING, FIRST, ORDER, books, enters, finished, migrate


async def test_who_waits_is_moved_when_their_workflow_asks_and_the_wait_ends_as_the_new_version_says(service: Service) -> None:
    old = await publish(service, FIRST, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("first")
    await person.asks("pause")
    service.pass_time(timedelta(days=1))
    new = await publish(service, FIRST, PAUSE | {"for": "P2D"}, LETTER)
    view = await migrate(service)
    refresh = await service.rows("SELECT payload->>'step' AS step FROM outgoing WHERE kind = 'refresh'")
    assert [row.step for row in refresh] == ["pause"]
    assert (await person.row()).version == old
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    assert await person.moves() == {"journey": new, "step": None, "offset": 1, "$journey": "signup"}
    answer = await person.asks("pause")
    assert isinstance(answer, Sleep)
    assert answer.wake_at == service.clock.now() + timedelta(days=1)
    assert (await person.row()).moving is None
    view = await finished(service, view)
    assert (view.state, view.moved, view.stayed, view.ended) == ("done", 1, 0, 0)
    assert len(service.neighbours.sent) == 1


@pytest.mark.parametrize("policy", ["continue", "exit"])
async def test_a_wait_that_was_shortened_so_that_it_is_over_follows_its_policy(service: Service, policy: str) -> None:
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("pause")
    service.pass_time(timedelta(days=2))
    await publish(service, PAUSE | {"for": "P1D", "if_past": policy, "late_by": "PT12H"}, LETTER)
    await migrate(service)
    await person.asks("pause", confirm=True)
    await person.moves()
    answer = await person.asks("pause")
    assert isinstance(answer, PastDue)
    assert answer.action == policy


async def test_an_event_that_has_met_the_wait_counts_before_the_move(service: Service) -> None:
    old = await publish(service, ORDER, LETTER)
    person = await enters(service, old)
    await person.asks("order")
    await publish(service, ORDER | {"timeout": {"after": "P1D"}}, LETTER)
    await migrate(service)
    await service.track(person.profile_id, "Ordered")
    answer = await person.asks("order", confirm=True)
    assert isinstance(answer, Waiting)
    assert answer.matched is not None
    assert isinstance(await person.asks("letter"), Deferred)
    await person.moves()
    assert isinstance(await person.asks("letter"), Done)


async def test_a_wait_for_listens_as_the_new_version_says(service: Service) -> None:
    old = await publish(service, ORDER, LETTER)
    person = await enters(service, old)
    await person.asks("order")
    await publish(service, ORDER | {"paths": [{"id": "ordered", "event": "Paid"}]}, LETTER)
    await migrate(service)
    await person.asks("order", confirm=True)
    await person.moves()
    assert isinstance(await person.asks("order"), Waiting)
    assert await service.track(person.profile_id, "Ordered") == []
    (signal,) = await service.track(person.profile_id, "Paid")
    assert (signal.kind, signal.payload["visit"]) == ("matched", 1)


VISIT = {"id": "visit", "type": "wait", "until": {"ref": "event.properties.visit_at"}, "if_past": "exit"}


async def test_a_wait_until_a_date_of_the_event_that_woke_its_path_ends_at_that_date_after_a_move_too(service: Service) -> None:
    old = await publish(service, BOOKING, VISIT, LETTER)
    person = await enters(service, old)
    event = await books(person, visit_at="2026-03-20T09:00:00Z")
    before = await person.asks("visit", event_id=event)
    await publish(service, BOOKING, VISIT, LETTER | {"name": "After the visit"})
    preview = await service.lifecycle.desk.preview("signup", MigrationRequest())
    assert (preview.retiming.same, preview.retiming.due_now) == (1, 0)
    await migrate(service)
    await person.asks("visit", event_id=event, confirm=True)
    await person.moves()
    assert isinstance(before, Sleep)
    assert await person.asks("visit", event_id=event) == before


async def test_a_wait_for_what_belongs_to_the_event_that_woke_its_path_still_finds_it_after_a_move(service: Service) -> None:
    where = {"property": "booking", "eq": {"ref": "event.properties.booking"}}
    paid = {"id": "paid", "type": "wait_for", "paths": [{"id": "paid", "event": "Paid", "where": where}]}
    old = await publish(service, BOOKING, paid, LETTER)
    person = await enters(service, old)
    event = await books(person, booking="b-1")
    await person.asks("paid", event_id=event)
    await publish(service, BOOKING, paid, LETTER | {"name": "Thanks"})
    await migrate(service)
    await person.asks("paid", event_id=event, confirm=True)
    await person.moves()
    assert isinstance(await person.asks("paid", event_id=event), Waiting)
    assert await service.track(person.profile_id, "Paid", booking="b-2") == []
    (signal,) = await service.track(person.profile_id, "Paid", booking="b-1")
    assert (signal.kind, signal.payload["step"]) == ("matched", "paid")


async def test_exit_criteria_are_those_of_the_new_version(service: Service) -> None:
    old = await publish(service, PAUSE, exit_when=[{"event": "Bought"}])
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, exit_when=[{"event": "Cancelled"}])
    await migrate(service)
    await person.asks("pause", confirm=True)
    assert await service.track(person.profile_id, "Bought") == []
    (signal,) = await service.track(person.profile_id, "Cancelled")
    assert signal.kind == "interrupt"


async def test_a_wait_that_begins_while_the_migration_is_written_is_asked_again(service: Service) -> None:
    """The enrolment stood nowhere when it was told to move, so nobody could be signalled; its first wait tells."""
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    await publish(service, PAUSE, FIRST)
    await migrate(service)
    await service.perform(person.id, "pause")  # by its cohort, which has no workflow yet
    rows = await service.rows("SELECT payload->>'step' AS step FROM outgoing WHERE kind = 'refresh'")
    assert [row.step for row in rows] == ["pause"]


async def test_a_new_criterion_that_a_trait_meets_already_ends_the_enrolment_after_the_move(service: Service) -> None:
    old = await publish(service, PAUSE, exit_when=[{"event": "Signup"}])
    person = await enters(service, old)
    await person.asks("pause")
    service.neighbours.traits[person.profile_id] = {"staff": True}
    exits = [{"event": "Signup"}, {"trait": "staff", "eq": True}]
    await publish(service, PAUSE, exit_when=exits)
    await migrate(service)
    await person.asks("pause", confirm=True)
    ((payload,),) = await service.rows("SELECT payload FROM outgoing WHERE kind = 'look_back'")
    (signal,) = await service.look_back(person.id, payload["look_back"])
    assert signal.kind == "interrupt"
    assert (await person.row()).reason == "exit: trait 'staff'"  # not the event that they entered by
