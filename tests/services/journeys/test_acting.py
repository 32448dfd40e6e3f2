"""Events that journeys tell of, and journeys that start and await each other."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.profiles import EVENT_TRACKED, EmittedEvent
from infra.errors import BadInput
from journeys.outcome import Chose, Deferred, Done, Later, Match, Waiting
from services.journeys.outgoing import Outgoing
from tests.services.journeys.conftest import Service
from tests.services.journeys.crowds import Crowd

SCORE: dict[str, Any] = {"score": {"ref": "profile.traits.score"}, "by": "us"}
EMIT: dict[str, Any] = {"id": "tell", "type": "emit_event", "event": "Scored", "properties": SCORE}
START = {"id": "sub", "type": "start_journey", "journey": "other", "wait": True}


async def other(service: Service, **changes: Any) -> None:
    """The journey that others start."""
    steps = [{"id": "w", "type": "wait", "for": "P1D"}]
    await service.publish(**{"key": "other", "entry": {"event": "Never"}, "steps": steps, **changes})


async def told(service: Service, event: EmittedEvent) -> list[Outgoing]:
    """What the feed of profiles tells of an emitted event."""
    found = next(each for each in service.neighbours.events[event.profile_id] if each.id == event.message_id)
    return await service.feed(service.item(event.profile_id, EVENT_TRACKED, found.model_dump(mode="json")))


async def children(service: Service) -> list[UUID]:
    return [row[0] for row in await service.rows("SELECT id FROM enrolment WHERE journey = 'other' ORDER BY number")]


async def result(service: Service, enrolment_id: UUID, step: str = "sub") -> dict[str, Any]:
    ((body,),) = await service.rows(
        "SELECT body FROM result WHERE enrolment_id = :id AND step = :step", id=enrolment_id, step=step
    )
    return dict(body)


async def test_an_event_is_told_of_once_with_its_values(service: Service) -> None:
    await service.publish(steps=[EMIT | {"properties": {**SCORE, "none": {"ref": "profile.traits.none"}}}])
    profile_id, enrolment_id = await service.enter()
    service.neighbours.traits[profile_id] = {"score": 7}
    assert await service.perform(enrolment_id, "tell") == Done()
    assert await service.perform(enrolment_id, "tell") == Done()
    (event,) = service.neighbours.emitted
    assert (event.profile_id, event.message_id) == (profile_id, f"{enrolment_id}:tell:1")
    assert (event.event, event.properties, event.depth) == ("Scored", {"score": 7, "by": "us"}, 1)


async def test_while_profiles_is_down_nothing_is_decided(service: Service) -> None:
    await service.publish(steps=[EMIT])
    _, enrolment_id = await service.enter()
    service.neighbours.down.add("profiles")
    assert isinstance(await service.perform(enrolment_id, "tell"), Later)
    service.neighbours.down.clear()
    assert await service.perform(enrolment_id, "tell") == Done()


async def test_an_event_that_was_just_told_of_counts_for_the_next_wait(service: Service) -> None:
    wait = {"id": "w", "type": "wait_for", "paths": [{"id": "scored", "event": "Scored"}]}
    await service.publish(steps=[EMIT, wait])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "tell")
    found = await service.perform(enrolment_id, "w")
    assert isinstance(found, Waiting)
    assert found.matched == Match(path="scored", event_id=f"{enrolment_id}:tell:1")


async def test_journeys_that_tell_each_other_of_events_in_a_circle_are_stopped(service: Service) -> None:
    await service.publish(entry={"event": "Scored", "reentry": "always"}, steps=[EMIT])
    profile_id = UUID(int=7)
    service.neighbours.traits[profile_id] = {}
    (start,) = await service.track(profile_id, "Scored")
    rounds = 0
    while True:
        rounds += 1
        await service.perform(start.enrolment_id, "tell")
        if len(service.neighbours.emitted) < rounds:
            break
        (start,) = await told(service, service.neighbours.emitted[-1])
    assert [event.depth for event in service.neighbours.emitted] == list(range(1, 11))
    ((kind, seen),) = await service.rows("SELECT kind, seen FROM decision WHERE kind <> 'emitted'")
    assert (kind, seen["event"]) == ("skipped", "Scored")
    assert "10 times in a row" in seen["reason"]


async def test_a_journey_that_tells_of_the_event_it_waits_for_is_stopped_too(service: Service) -> None:
    wait = {"id": "w", "type": "wait_for", "paths": [{"id": "scored", "event": "Scored"}]}
    await service.publish(steps=[{"id": "loop", "type": "repeat", "max": 100, "steps": [EMIT, wait]}])
    _, enrolment_id = await service.enter()
    event_id = None
    for visit in range(1, 12):
        await service.perform(enrolment_id, "tell", visit, event_id=event_id)
        found = await service.perform(enrolment_id, "w", visit, event_id=event_id)
        assert isinstance(found, Waiting)
        event_id = found.matched.event_id if found.matched else None
    assert event_id is None
    assert len(service.neighbours.emitted) == 10


async def test_a_rhythm_is_no_circle(service: Service) -> None:
    await service.publish(entry={"event": "Scored", "reentry": "always"}, steps=[EMIT])
    profile_id = UUID(int=8)
    service.neighbours.traits[profile_id] = {}
    (start,) = await service.track(profile_id, "Scored")
    for _ in range(15):
        service.pass_time(timedelta(days=1))
        await service.perform(start.enrolment_id, "tell")
        (start,) = await told(service, service.neighbours.emitted[-1])
    assert {event.depth for event in service.neighbours.emitted} == {1}


async def test_another_journey_sees_the_properties_it_is_given(service: Service) -> None:
    await other(service, entry={"event": "Never", "key": "entry.properties.order"})
    step = START | {"properties": {"order": {"ref": "entry.properties.event_id"}, "n": 1}, "wait": False}
    await service.publish(steps=[step])
    _, enrolment_id = await service.enter(event_id="o-1", more="x")
    assert await service.perform(enrolment_id, "sub") == Done()
    ((entry, key, parent),) = await service.rows("SELECT entry, entry_key, parent_id FROM enrolment WHERE journey = 'other'")
    assert (entry["properties"], key, parent) == ({"order": "o-1", "n": 1}, "o-1", None)


async def test_who_waits_for_another_journey_hears_how_it_ended(service: Service) -> None:
    await other(service, goal={"event": "Paid"})
    paid = {"id": "paid", "if": {"value": {"ref": "results.sub.goal_reached"}, "eq": True}}
    await service.publish(steps=[START, {"id": "b", "type": "branch", "paths": [paid]}])
    profile_id, enrolment_id = await service.enter()
    assert await service.perform(enrolment_id, "sub") == Waiting(confirm=True)
    (child,) = await children(service)
    await service.track(profile_id, "Paid")
    service.told.clear()
    await service.finish(child)
    (signal,) = service.told
    assert (signal.enrolment_id, signal.kind, signal.payload["path"]) == (enrolment_id, "matched", "ended")
    assert await result(service, enrolment_id) == {"reason": "completed", "goal_reached": True}
    again = await service.perform(enrolment_id, "sub")
    assert again == Waiting(confirm=True, matched=Match(path="ended", event_id=str(child)))
    assert await service.perform(enrolment_id, "b") == Chose(path="paid")
    service.told.clear()
    await service.finish(child)
    assert service.told == []


async def test_an_exit_rule_that_ends_the_other_journey_is_the_reason_that_is_heard(service: Service) -> None:
    await other(service, exit_when=[{"event": "Left"}])
    await service.publish(steps=[START])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "sub")
    (child,) = await children(service)
    await service.track(profile_id, "Left")
    await service.finish(child, "exit")
    assert await result(service, enrolment_id) == {"reason": "exit: event 'Left'", "goal_reached": False}


async def test_who_was_held_back_and_left_before_it_began_is_heard_of_as_well(service: Service) -> None:
    await other(service, exit_when=[{"event": "Left"}])
    await service.publish(steps=[START])
    await service.write("UPDATE journey SET state = 'paused' WHERE key = 'other'")
    profile_id, enrolment_id = await service.enter()
    assert await service.perform(enrolment_id, "sub") == Waiting(confirm=True)
    await service.track(profile_id, "Left")
    assert (await result(service, enrolment_id))["reason"] == "exit: event 'Left'"


@pytest.mark.parametrize("state", ["draining", "archived"])
async def test_a_journey_that_cannot_be_entered_holds_nobody_up(service: Service, state: str) -> None:
    await other(service)
    await service.publish(steps=[START])
    await service.write("UPDATE journey SET state = :state WHERE key = 'other'", state=state)
    _, enrolment_id = await service.enter()
    found = await service.perform(enrolment_id, "sub")
    assert isinstance(found, Waiting)
    assert found.matched is not None
    assert (await result(service, enrolment_id))["reason"].startswith("refused: the journey is ")


async def test_a_refused_entry_holds_nobody_up(service: Service) -> None:
    await other(service, entry={"event": "Never", "reentry": "never"})
    await service.publish(steps=[START, {**START, "id": "again"}])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "sub")
    (child,) = await children(service)
    await service.finish(child)
    found = await service.perform(enrolment_id, "again")
    assert isinstance(found, Waiting)
    assert found.matched == Match(path="ended", event_id=f"{enrolment_id}:again:1")
    heard = await result(service, enrolment_id, "again")
    assert heard == {"reason": "refused: entered before, and re-entry is 'never'", "goal_reached": False}


async def test_a_journey_that_is_no_more_holds_nobody_up(service: Service) -> None:
    await other(service)
    await service.publish(steps=[START])
    _, enrolment_id = await service.enter()
    await service.write("UPDATE journey SET current = NULL WHERE key = 'other'")
    found = await service.perform(enrolment_id, "sub")
    assert isinstance(found, Waiting)
    assert found.matched == Match(path="ended", event_id=f"{enrolment_id}:sub:1")
    assert (await result(service, enrolment_id))["reason"] == "refused: there is no journey 'other' to enter"


async def test_the_other_journey_goes_on_when_whoever_waited_has_left(service: Service) -> None:
    await other(service)
    await service.publish(steps=[START], exit_when=[{"event": "Left"}])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "sub")
    (child,) = await children(service)
    await service.track(profile_id, "Left")
    await service.finish(enrolment_id, "exit")
    service.told.clear()
    assert not isinstance(await service.perform(child, "w"), Deferred)
    await service.finish(child)
    assert service.told == []
    assert await service.rows("SELECT 1 FROM result") == []


async def test_journeys_that_wait_for_themselves_end(service: Service) -> None:
    """Each start is an enrolment of its own, so nobody waits for himself; the chain is bounded, however slowly it grows."""
    await other(service, entry={"event": "Begin", "reentry": "always"}, steps=[{"id": "w", "type": "wait", "for": "P1D"}, START])
    profile_id = UUID(int=9)
    service.neighbours.traits[profile_id] = {}
    (start,) = await service.track(profile_id, "Begin")
    chain = [start.enrolment_id]
    for _ in range(20):
        service.pass_time(timedelta(days=2))
        found = await service.perform(chain[-1], "sub")
        assert isinstance(found, Waiting)
        if found.matched is not None:
            break
        chain.append(next(each for each in await children(service) if each not in chain))
    assert len(chain) == 11
    reason = (await result(service, chain[-1]))["reason"]
    assert reason == "refused: journeys have been starting each other 10 times in a row: this looks like a circle"
    for enrolment_id in reversed(chain):
        await service.finish(enrolment_id)
    assert len(await service.rows("SELECT 1 FROM result")) == 11


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_somebody_about_whom_another_service_is_asked_first_is_waited_for(service: Service, answer: str) -> None:
    await other(service, entry={"event": "Never", "only_if": {"event": "Order"}})
    await service.publish(steps=[START])
    _, enrolment_id = await service.enter()
    assert await service.perform(enrolment_id, "sub") == Waiting(confirm=True)
    service.neighbours.holds = answer == "yes"
    await Crowd(service).admitter.step()
    if answer == "yes":
        (child,) = await children(service)
        await service.finish(child)
        assert await result(service, enrolment_id) == {"reason": "completed", "goal_reached": False}
    else:
        assert (await result(service, enrolment_id))["reason"].startswith("refused: ")
    assert service.told[-1].payload["path"] == "ended"


async def test_a_result_that_nothing_comes_to_is_refused_at_publishing(service: Service) -> None:
    nothing = {"id": "x", "if": {"value": {"ref": "results.sub.reason"}, "exists": True}}
    await other(service)
    with pytest.raises(BadInput):
        await service.publish(steps=[START | {"wait": False}, {"id": "b", "type": "branch", "paths": [nothing]}])


async def test_a_started_journey_knows_the_profile_in_its_key_and_its_criteria(service: Service) -> None:
    where = {"property": "dog", "eq": {"ref": "profile.computed.dog"}}
    await other(service, entry={"event": "Never", "key": "profile.traits.dog"}, exit_when=[{"event": "Fed", "where": where}])
    await service.publish(steps=[START])
    service.neighbours.computed = {"dog": "rex"}
    profile_id, enrolment_id = await service.enter()
    service.neighbours.traits[profile_id] = {"dog": "rex"}
    assert isinstance(await service.perform(enrolment_id, "sub"), Waiting)
    await Crowd(service).admitter.step()
    ((key,),) = await service.rows("SELECT entry_key FROM enrolment WHERE journey = 'other'")
    (signal,) = await service.track(profile_id, "Fed", dog="rex")
    assert (key, signal.kind, signal.journey) == ("rex", "interrupt", "other")
