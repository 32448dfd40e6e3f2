"""Entering a journey."""

import asyncio
from uuid import uuid4

import pytest

from contracts.feed import FeedItem
from contracts.journeys import EnrolRequest, FinishItem
from contracts.profiles import EVENT_TRACKED, PROFILES_MERGED
from contracts.segments import MembershipChanged
from services.journeys.entry.entering import Entrant, enter
from services.journeys.steps.facts import bare_fact
from tests.services.journeys.conftest import NOW, Service
from tests.services.journeys.crowds import Crowd

ENTRY = {"event": "Signup", "key": "event.properties.event_id"}


async def test_an_event_enters_a_person_once_per_key(service: Service) -> None:
    await service.publish()
    profile_id = uuid4()
    first = await service.track(profile_id, "Signup", event_id="a")
    other = await service.track(profile_id, "Signup", event_id="b")
    again = await service.track(profile_id, "Signup", event_id="a")
    assert [row.kind for row in (*first, *other)] == ["start", "start"]
    assert again == []
    assert first[0].enrolment_id != other[0].enrolment_id


async def test_a_page_that_comes_twice_enters_nobody_twice(service: Service) -> None:
    await service.publish(entry=ENTRY | {"reentry": "always"})
    item = service.item(uuid4(), EVENT_TRACKED, service.event("Signup", event_id="a").model_dump(mode="json"))
    assert len(await service.feed(item)) == 1
    assert await service.feed(item) == []


@pytest.mark.parametrize(
    ("reentry", "while_running", "after_the_end"), [("never", 0, 0), ("when-finished", 0, 1), ("always", 1, 1)]
)
async def test_reentry_follows_its_rule(service: Service, reentry: str, while_running: int, after_the_end: int) -> None:
    await service.publish(entry=ENTRY | {"reentry": reentry})
    profile_id, enrolment_id = await service.enter()
    assert len(await service.track(profile_id, "Signup", event_id="x")) == while_running
    running = await service.rows("SELECT id FROM enrolment WHERE state = 'running'")
    await service.steps.finish([FinishItem(enrolment_id=row.id, reason="finished") for row in running])
    assert len(await service.track(profile_id, "Signup", event_id="x")) == after_the_end
    assert enrolment_id in {row.id for row in running}


async def test_who_may_not_enter_is_kept_with_the_reason(service: Service) -> None:
    await service.publish(entry=ENTRY | {"reentry": "never"})
    profile_id, _ = await service.enter()
    await service.track(profile_id, "Signup", event_id="x")
    await service.track(profile_id, "Signup", other=1)
    reasons = [row.reason for row in await service.rows("SELECT reason FROM refusal ORDER BY event_id")]
    assert reasons == ["entered before, and re-entry is 'never'", "there is no event.properties.event_id, the entry key"]


async def test_an_entry_key_too_long_to_be_one_is_refused(service: Service) -> None:
    await service.publish()
    assert await service.track(uuid4(), "Signup", event_id="x" * 5000) == []
    ((reason,),) = await service.rows("SELECT reason FROM refusal")
    assert "longer than" in reason


async def test_events_that_fail_the_where_enter_nobody(service: Service) -> None:
    await service.publish(entry=ENTRY | {"where": {"property": "starts_at", "exists": True}})
    assert await service.track(uuid4(), "Signup", event_id="x") == []
    assert len(await service.track(uuid4(), "Signup", event_id="x", starts_at="2026-04-01")) == 1


def _membership(service: Service, kind: str, *, number: int = 1) -> FeedItem:
    change = MembershipChanged(segment="puppies", at=NOW, number=number, traits={"dog": {"id": "rex"}})
    return service.item(uuid4(), kind, change.model_dump(mode="json"))


async def test_becoming_a_member_of_a_segment_enters_and_is_looked_back_for(service: Service) -> None:
    service.neighbours.segments = [{"key": "puppies"}]
    entry = {"segment_entered": "puppies", "key": "profile.traits.dog.id"}
    await service.publish(entry=entry, exit_when=[{"event": "Dog Deceased"}], steps=[{"id": "w", "type": "wait", "for": "P1D"}])
    (start,) = await service.feed(_membership(service, "segment.entered"), route="segments")
    assert start.kind == "start"
    assert start.payload["look_back"] is True
    assert [row.entry_key for row in await service.rows("SELECT entry_key FROM enrolment")] == ["rex"]
    assert await service.feed(_membership(service, "segment.left"), route="segments") == []


async def test_the_api_enters_once_per_idempotency_key(service: Service) -> None:
    await service.publish(entry={"api": True, "reentry": "always"}, steps=[{"id": "w", "type": "wait", "for": "P1D"}])
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    first = await service.enroller.enrol("signup", EnrolRequest(profile_id=profile_id, idempotency_key="1"))
    again = await service.enroller.enrol("signup", EnrolRequest(profile_id=profile_id, idempotency_key="1"))
    other = await service.enroller.enrol("signup", EnrolRequest(profile_id=profile_id, idempotency_key="2"))
    assert first.enrolment_id == again.enrolment_id
    assert other.enrolment_id not in (None, first.enrolment_id)
    assert len(service.told) == 2


async def test_an_exit_in_the_same_page_as_the_entry_is_met(service: Service) -> None:
    await service.publish(exit_when=[{"event": "Cancelled"}])
    profile_id = uuid4()
    items = [
        service.item(profile_id, EVENT_TRACKED, service.event(name, event_id="x").model_dump(mode="json"))
        for name in ("Signup", "Cancelled")
    ]
    assert [row.kind for row in await service.feed(*items)] == ["start", "interrupt"]


async def look_back(service: Service, scope: object) -> list[str]:
    (enrolment,) = await service.rows("SELECT id FROM enrolment")
    return [each.kind for each in await service.look_back(enrolment.id, scope)]


@pytest.mark.parametrize(("alive", "ended"), [(True, []), (False, ["interrupt"])])
async def test_a_trait_that_is_so_already_ends_whoever_enters_by_an_event(
    service: Service, ended: list[str], *, alive: bool
) -> None:
    await service.publish(exit_when=[{"trait": "alive", "eq": False}])
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {"alive": alive}
    (start,) = await service.track(profile_id, "Signup", event_id="x")
    assert await look_back(service, start.payload["look_back"]) == ended


async def test_nobody_is_ended_by_the_event_that_they_entered_by(service: Service) -> None:
    only_if = {"trait": "vip", "eq": True}
    await service.publish(entry={"event": "Order", "only_if": only_if}, exit_when=[{"event": "Order"}])
    service.neighbours.holds = True
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    await service.track(profile_id, "Order")
    await Crowd(service).admitter.step()
    (start,) = service.told
    assert await look_back(service, start.payload["look_back"]) == []
    service.neighbours.track(profile_id, service.event("Order"))
    assert await look_back(service, start.payload["look_back"]) == ["interrupt"]


async def test_whoever_is_merged_while_others_are_asked_about_them_enters_as_who_they_are_now(service: Service) -> None:
    await service.publish(entry={"event": "Signup", "only_if": {"trait": "vip", "eq": True}})
    service.neighbours.holds = True
    old, survivor = uuid4(), uuid4()
    service.neighbours.traits[old] = {}

    async def merge() -> None:
        await service.feed(service.item(survivor, PROFILES_MERGED, {"merged": str(old), "traits": {}, "version": 2}))

    service.neighbours.meanwhile.append(merge)
    await service.track(old, "Signup", event_id="x")
    await Crowd(service).admitter.step()
    assert [row.profile_id for row in await service.rows("SELECT profile_id FROM enrolment")] == [survivor]


async def test_a_merge_waits_for_those_who_are_entering_and_takes_them_along(service: Service) -> None:
    version = await service.publish()
    journey = await service.versions.journey(version)
    old, survivor = uuid4(), uuid4()
    now = service.clock.now()
    async with service.database.begin() as session:
        await enter(session, [Entrant(journey, version, old, bare_fact("api:1", "api", now), now, {}, key="x")], now)
        item = service.item(survivor, PROFILES_MERGED, {"merged": str(old), "traits": {}, "version": 2})
        merging = asyncio.create_task(service.feed(item))
        while not await service.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") and not merging.done():
            await asyncio.sleep(0)
    await merging
    assert [row.profile_id for row in await service.rows("SELECT profile_id FROM enrolment")] == [survivor]
