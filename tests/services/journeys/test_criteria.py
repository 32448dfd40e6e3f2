"""Exits, goals and merges: they hold wherever somebody stands."""

from datetime import timedelta
from uuid import uuid4

from contracts.channels import Status
from contracts.journeys import FinishItem
from journeys.outcome import Ended
from tests.services.journeys.conftest import Service


async def test_an_exit_ends_the_enrolment_at_once_and_takes_back_what_is_unsent(service: Service) -> None:
    await service.publish(
        exit_when=[{"event": "Cancelled", "where": {"property": "event_id", "eq": {"ref": "entry.properties.event_id"}}}]
    )
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "attend")
    assert await service.track(profile_id, "Cancelled", event_id="other") == []
    (signal,) = await service.track(profile_id, "Cancelled", event_id="x")
    assert signal.kind == "interrupt"
    assert await service.perform(enrolment_id, "attend") == Ended(reason="exit")
    await service.steps.finish([FinishItem(enrolment_id=enrolment_id, reason="exit")])
    assert service.neighbours.cancelled == [enrolment_id]
    ((state, reason, listeners),) = await service.rows("SELECT state, reason, (SELECT count(*) FROM listener) FROM enrolment")
    assert (state, reason, listeners) == ("ended", "exit: event 'Cancelled'", 0)


async def test_a_changed_trait_meets_an_exit_criterion(service: Service) -> None:
    await service.publish(exit_when=[{"trait": "dog.birthdate", "exists": False}])
    profile_id, _ = await service.enter()
    data = {"traits": {"dog": {"birthdate": "2026-01-01"}}, "version": 2, "created_at": "2026-01-01T00:00:00Z"}
    assert await service.feed(service.item(profile_id, "profile.changed", data)) == []
    (signal,) = await service.feed(service.item(profile_id, "profile.changed", data | {"traits": {}, "version": 3}))
    assert signal.kind == "interrupt"


async def test_a_goal_is_noted_even_after_the_journey_ended_while_its_term_lasts(service: Service) -> None:
    await service.publish(goal={"event": "Order", "within": "PT336H"})
    profile_id, enrolment_id = await service.enter()
    await service.steps.finish([FinishItem(enrolment_id=enrolment_id, reason="finished")])
    service.pass_time(timedelta(days=10))
    assert await service.track(profile_id, "Order") == []
    ((goal_at,),) = await service.rows("SELECT goal_at FROM enrolment")
    assert goal_at == service.clock.now()


async def test_a_goal_out_of_its_term_is_not_reached(service: Service) -> None:
    await service.publish(goal={"event": "Order", "within": "PT336H", "on_reached": "exit"})
    profile_id, _ = await service.enter()
    service.pass_time(timedelta(days=15))
    assert await service.track(profile_id, "Order") == []


async def test_a_merge_moves_enrolments_and_ends_the_younger_of_two(service: Service) -> None:
    await service.publish()
    survivor, older = await service.enter()
    service.pass_time(timedelta(hours=1))
    merged, younger = await service.enter()
    item = service.item(survivor, "profiles.merged", {"merged": str(merged), "traits": {}, "version": 2})
    (signal,) = await service.feed(item)
    assert (signal.kind, signal.enrolment_id) == ("interrupt", younger)
    assert {row.profile_id for row in await service.rows("SELECT profile_id FROM enrolment")} == {survivor}
    await service.perform(older, "attend")
    assert len(await service.track(survivor, "Attended", event_id="x")) == 1


async def test_after_a_merge_other_feeds_still_reach_the_person_by_the_old_id(service: Service) -> None:
    service.neighbours.templates = [{"key": "question"}]
    service.neighbours.segments = [{"key": "puppies"}]
    steps = [
        {"id": "ask", "type": "send", "template": "question", "channels": ["sms"]},
        {"id": "answer", "type": "wait_for", "paths": [{"id": "replied", "message": "ask", "status": "replied"}]},
    ]
    await service.publish(steps=steps)
    await service.publish(key="puppy", entry={"segment_entered": "puppies", "reentry": "never"}, steps=steps)
    old, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "ask")
    await service.perform(enrolment_id, "answer")
    survivor = uuid4()
    await service.feed(service.item(survivor, "profiles.merged", {"merged": str(old), "traits": {}, "version": 2}))
    assert len(await service.receive(old, service.receipt(enrolment_id, Status.REPLIED))) == 1
    change = {"segment": "puppies", "at": service.clock.now().isoformat(), "number": 1, "traits": {}}
    assert len(await service.feed(service.item(old, "segment.entered", change), route="segments")) == 1
    assert await service.feed(service.item(survivor, "segment.entered", change), route="segments") == []
