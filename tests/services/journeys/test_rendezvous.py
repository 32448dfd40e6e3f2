"""Register, then look back: whatever the order, a wait meets its event exactly once."""

import asyncio
import random
from datetime import timedelta
from uuid import UUID

import pytest

from contracts.profiles import EVENT_TRACKED, EventFilter
from journeys.outcome import Done, Match, Waiting
from services.journeys.event_ids import told_as
from tests.services.journeys.conftest import NOW, Service


async def test_an_event_before_the_registration_is_found_by_looking_back(service: Service) -> None:
    await service.publish()
    profile_id, enrolment_id = await service.enter()
    assert await service.track(profile_id, "Attended", event_id="x") == []
    outcome = await service.perform(enrolment_id, "attend")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    assert outcome.matched.path == "came"


async def test_an_event_after_the_registration_is_signalled_once(service: Service) -> None:
    await service.publish()
    profile_id, enrolment_id = await service.enter()
    outcome = await service.perform(enrolment_id, "attend")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is None
    assert outcome.wake_at == service.clock.now() + timedelta(days=3)
    (signal,) = await service.track(profile_id, "Attended", event_id="x")
    assert (signal.kind, signal.payload["path"], signal.payload["visit"]) == ("matched", "came", 1)
    assert await service.track(profile_id, "Attended", event_id="x") == []


async def test_an_event_that_came_before_the_time_was_up_wins_over_the_timer(service: Service) -> None:
    """The timer fires while the event is still on its way through the feed."""
    await service.publish()
    profile_id, enrolment_id = await service.enter()
    waiting = await service.perform(enrolment_id, "attend")
    assert isinstance(waiting, Waiting)
    assert waiting.confirm
    service.pass_time(timedelta(days=2, hours=23))
    service.neighbours.track(profile_id, service.event("Attended", event_id="x"))
    service.pass_time(timedelta(hours=1))
    late = await service.perform(enrolment_id, "attend", confirm=True)
    assert isinstance(late, Waiting)
    assert late.matched is not None


async def test_a_wait_whose_time_is_up_without_its_event_is_over(service: Service) -> None:
    await service.publish()
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "attend")
    assert isinstance(await service.perform(enrolment_id, "attend", confirm=True), Waiting)
    service.pass_time(timedelta(days=3))
    assert await service.perform(enrolment_id, "attend", confirm=True) == Done()


async def test_an_event_of_another_key_meets_nothing(service: Service) -> None:
    await service.publish()
    profile_id, enrolment_id = await service.enter(event_id="mine")
    await service.perform(enrolment_id, "attend")
    assert await service.track(profile_id, "Attended", event_id="other") == []


async def test_a_repeated_call_answers_the_match_that_a_signal_may_have_lost(service: Service) -> None:
    await service.publish()
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "attend")
    (signal,) = await service.track(profile_id, "Attended", event_id="x")
    again = await service.perform(enrolment_id, "attend")
    assert isinstance(again, Waiting)
    assert again.matched == Match(path="came", event_id=signal.payload["event_id"])


async def test_what_looking_back_found_is_not_signalled_when_the_feed_brings_it(service: Service) -> None:
    await service.publish()
    profile_id, enrolment_id = await service.enter()
    event = service.event("Attended", event_id="x")
    service.neighbours.track(profile_id, event)
    outcome = await service.perform(enrolment_id, "attend")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    assert await service.feed(service.item(profile_id, EVENT_TRACKED, event.model_dump(mode="json"))) == []


@pytest.mark.parametrize("since", ["entry", "step"])
async def test_the_event_that_somebody_entered_by_meets_no_wait(service: Service, since: str) -> None:
    path = {"id": "again", "event": "Signup"}
    wait = {"id": "more", "type": "wait_for", "since": since, "paths": [path], "timeout": {"after": "P3D"}}
    await service.publish(steps=[wait])
    profile_id, enrolment_id = await service.enter()
    first = await service.perform(enrolment_id, "more")
    assert isinstance(first, Waiting)
    assert first.matched is None
    service.neighbours.track(profile_id, service.event("Signup", event_id="y"))
    asked_again = await service.perform(enrolment_id, "more")
    assert isinstance(asked_again, Waiting)
    assert asked_again.matched is not None


async def test_what_one_wait_took_meets_another_that_counts_from_entry_and_each_once(service: Service) -> None:
    def order(step: str) -> dict[str, object]:
        return {
            "id": step,
            "type": "wait_for",
            "since": "entry",
            "paths": [{"id": "p", "event": "Order"}],
            "timeout": {"after": "P9D"},
        }

    await service.publish(steps=[{"id": "loop", "type": "repeat", "max": 5, "steps": [order("one"), order("two")]}])
    profile_id, enrolment_id = await service.enter()
    event = service.event("Order")
    service.neighbours.track(profile_id, event)
    found = [await service.perform(enrolment_id, step, visit) for visit in (1, 2) for step in ("one", "two")]
    taken = [outcome.matched.event_id if outcome.matched else None for outcome in found if isinstance(outcome, Waiting)]
    assert taken == [told_as(enrolment_id, event.id)] * 2 + [None] * 2


async def test_the_event_of_one_round_is_not_taken_again_by_the_next(service: Service) -> None:
    steps = [
        {
            "id": "loop",
            "type": "repeat",
            "max": 5,
            "steps": [{"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Order"}], "timeout": {"after": "P9D"}}],
        }
    ]
    await service.publish(steps=steps)
    profile_id, enrolment_id = await service.enter()
    event = service.event("Order")
    await service.perform(enrolment_id, "w")
    service.neighbours.track(profile_id, event)
    item = service.item(profile_id, EVENT_TRACKED, event.model_dump(mode="json"))
    assert len(await service.feed(item)) == 1
    service.pass_time(timedelta(minutes=1))
    second = await service.perform(enrolment_id, "w", visit=2)
    assert isinstance(second, Waiting)
    assert second.matched is None
    assert await service.feed(item) == []


@pytest.mark.parametrize("seed", range(4))
async def test_no_order_of_registration_storing_and_routing_loses_or_doubles_an_event(service: Service, seed: int) -> None:
    """Forty people; for each, the wait registers while the event is stored and routed, all at once."""
    await service.publish()
    people = [await service.enter() for _ in range(40)]
    chance = random.Random(seed)
    signalled: list[UUID] = []
    answered: list[UUID] = []
    routing = asyncio.Lock()

    async def happen(profile_id: UUID) -> None:
        await asyncio.sleep(chance.random() * 0.05)
        event = service.event("Attended", event_id="x")
        service.neighbours.track(profile_id, event)
        await asyncio.sleep(chance.random() * 0.02)
        async with routing:
            told = await service.feed(service.item(profile_id, EVENT_TRACKED, event.model_dump(mode="json")))
        signalled.extend(row.enrolment_id for row in told)

    async def register(enrolment_id: UUID) -> None:
        await asyncio.sleep(chance.random() * 0.07)
        outcome = await service.perform(enrolment_id, "attend")
        assert isinstance(outcome, Waiting)
        if outcome.matched is not None:
            answered.append(enrolment_id)

    await asyncio.gather(*(happen(profile) for profile, _ in people), *(register(enrolment) for _, enrolment in people))
    everybody = {enrolment for _, enrolment in people}
    assert set(signalled) | set(answered) == everybody
    assert len(signalled) == len(set(signalled))


async def test_an_event_between_a_send_and_a_late_registration_counts(service: Service) -> None:
    """No worker ran for an hour between the two: the order that came meanwhile is not lost."""
    service.neighbours.templates = [{"key": "offer"}]
    wait = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Order"}], "timeout": {"after": "P9D"}}
    await service.publish(steps=[{"id": "s", "type": "send", "template": "offer", "channels": ["email"]}, wait])
    profile_id, enrolment_id = await service.enter()
    await service.track(profile_id, "Order")
    service.pass_time(timedelta(minutes=10))
    await service.perform(enrolment_id, "s")
    service.pass_time(timedelta(minutes=30))
    await service.track(profile_id, "Order")
    service.pass_time(timedelta(minutes=30))
    outcome = await service.perform(enrolment_id, "w")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    assert outcome.matched.event_id == told_as(enrolment_id, service.neighbours.events[profile_id][-1].id)


@pytest.mark.parametrize("before", [True, False], ids=["looked back for", "signalled"])
async def test_no_id_that_a_shop_has_chosen_goes_into_a_workflow_and_the_event_is_known_all_the_same(
    service: Service, *, before: bool
) -> None:
    note = {"id": "note", "type": "update_profile", "set": {"size": {"ref": "event.properties.size"}}}
    wait = {"id": "w", "type": "wait_for", "since": "entry", "paths": [{"id": "p", "event": "Order"}]}
    await service.publish(steps=[wait, note])
    profile_id, enrolment_id = await service.enter()
    chosen = "order-ada@example.com-7"
    order = service.event("Order", size="L").model_copy(update={"id": chosen})
    item = service.item(profile_id, EVENT_TRACKED, order.model_dump(mode="json"))
    service.neighbours.track(profile_id, order)
    if not before:
        service.neighbours.events[profile_id].clear()
        await service.perform(enrolment_id, "w")
        await service.feed(item)
    outcome = await service.perform(enrolment_id, "w")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    told = await service.rows("SELECT payload, request_id FROM outgoing WHERE kind = 'matched'")
    assert chosen not in f"{outcome!r} {told}"
    assert "@" not in f"{outcome!r} {told}"
    assert [row.payload["event_id"] for row in told] == [outcome.matched.event_id] * (not before)
    await service.perform(enrolment_id, "note", event_id=outcome.matched.event_id)
    await service.perform(enrolment_id, "note", 2, event_id=chosen)  # as those know it who were told of it by its own id
    assert [update.set for update in service.neighbours.updates] == [{"size": "L"}, {"size": "L"}]


async def test_two_waits_in_a_row_do_not_share_one_event(service: Service) -> None:
    path = {"id": "p", "event": "Order"}
    steps = [
        {"id": "one", "type": "wait_for", "paths": [path], "timeout": {"after": "P9D"}},
        {"id": "two", "type": "wait_for", "paths": [path | {"id": "q"}], "timeout": {"after": "P9D"}},
    ]
    await service.publish(steps=steps)
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "one")
    service.pass_time(timedelta(minutes=1))
    assert len(await service.track(profile_id, "Order")) == 1
    outcome = await service.perform(enrolment_id, "two")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is None


async def test_a_condition_behind_a_wait_is_asked_as_of_the_event_that_was_found_looking_back(service: Service) -> None:
    """Profiles know it before segments do: an answer from before it would choose the path of somebody who has not ordered."""
    ordered = {"id": "ordered", "if": {"event": "Attended"}, "steps": []}
    wait = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Attended"}]}
    await service.publish(steps=[wait, {"id": "b", "type": "branch", "paths": [ordered]}])
    profile_id, enrolment_id = await service.enter()
    service.neighbours.track(profile_id, service.event("Attended"))
    outcome = await service.perform(enrolment_id, "w")
    assert isinstance(outcome, Waiting)
    assert outcome.matched is not None
    await service.perform(enrolment_id, "b", event_id=outcome.matched.event_id)
    attended = EventFilter(profile_id=profile_id, names=("Attended",), since=NOW)
    (found,) = await service.neighbours.world().events(attended)
    assert [item.position for item in service.neighbours.asked] == [found.cursor]
