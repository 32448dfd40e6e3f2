"""Waits and exit rules on memberships: the same rendezvous as events have, whatever the order."""

import asyncio
import random
from datetime import timedelta

import pytest

from journeys.outcome import Match
from services.journeys.event_ids import told_as
from tests.services.journeys.conftest import Service
from tests.services.journeys.watched import Watched, wait_for

JOINED = {"id": "joined", "segment_entered": "vip", "steps": []}
LEFT = {"id": "left", "segment_left": "vip", "steps": []}


@pytest.fixture
def watched(service: Service) -> Watched:
    service.neighbours.segments = [{"key": "vip"}]
    return Watched(service)


@pytest.mark.parametrize(("path", "member"), [(JOINED, True), (LEFT, False)])
async def test_a_change_before_the_registration_is_found_by_looking_back_and_not_told_again(
    watched: Watched, path: dict[str, object], *, member: bool
) -> None:
    await watched.service.publish(steps=wait_for(path, since="entry"))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.pass_time(timedelta(minutes=1))
    change = watched.joins(profile_id, "vip", member=member)
    assert (await watched.waiting(enrolment_id)).matched == Match(path=str(path["id"]), event_id=told_as(enrolment_id, change.id))
    assert await watched.hear(profile_id, change) == []


@pytest.mark.parametrize(("path", "member"), [(JOINED, True), (LEFT, False)])
async def test_a_change_after_the_registration_is_told_once(watched: Watched, path: dict[str, object], *, member: bool) -> None:
    await watched.service.publish(steps=wait_for(path))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    assert await watched.hear(profile_id, watched.joins(profile_id, "vip", member=not member)) == []
    change = watched.joins(profile_id, "vip", member=member)
    (signal,) = await watched.hear(profile_id, change)
    assert (signal.kind, signal.payload["path"]) == ("matched", path["id"])
    assert signal.payload["event_id"] == told_as(enrolment_id, change.id)
    assert await watched.hear(profile_id, change) == []


async def test_who_was_a_member_before_has_not_entered(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(JOINED))
    profile_id, enrolment_id = await watched.service.enter()
    watched.joins(profile_id, "vip", at=watched.service.clock.now() - timedelta(days=1))
    assert (await watched.waiting(enrolment_id)).matched is None


async def test_a_condition_on_a_membership_is_asked_when_it_changes(watched: Watched) -> None:
    condition = {"all": [{"segment": "vip"}, {"trait": "plan", "eq": "paid"}]}
    await watched.service.publish(steps=wait_for({"id": "both", "if": condition, "steps": []}))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"plan": "paid"}
    await watched.waiting(enrolment_id)
    assert await watched.hear(profile_id, watched.joins(profile_id, "vip")) == []
    (signal,) = await watched.look()
    assert signal.payload["path"] == "both"


@pytest.mark.parametrize("seed", range(6))
async def test_raced_changes_and_registrations_lose_and_repeat_none(watched: Watched, seed: int) -> None:
    """Some take memberships, some the same as a condition; the feed, the workers and two watchers all run at once."""
    chance = random.Random(seed)
    condition = {"id": "is", "if": {"segment": "vip"}, "steps": []}
    await watched.service.publish(steps=wait_for(JOINED))
    await watched.service.publish(
        key="other", entry={"event": "Signup2", "key": "event.properties.event_id"}, steps=wait_for(condition)
    )
    people = []
    for number in range(8):
        profile_id, enrolment_id = await watched.service.enter()
        if number % 2:
            (start,) = await watched.service.track(profile_id, "Signup2", event_id="x")
            enrolment_id = start.enrolment_id
        people.append((profile_id, enrolment_id))
    watched.service.pass_time(timedelta(seconds=1))
    met: list[tuple[object, str]] = []

    async def register(number: int) -> None:
        await asyncio.sleep(chance.random() / 20)
        outcome = await watched.waiting(people[number][1])
        if outcome.matched is not None:
            met.append((people[number][1], outcome.matched.path))

    async def change(number: int) -> None:
        await asyncio.sleep(chance.random() / 20)
        told = await watched.hear(people[number][0], watched.joins(people[number][0], "vip"))
        watched.told.extend(told)

    async def watch() -> None:
        watcher = watched.another()
        for _ in range(10):
            await watcher.step()
            await asyncio.sleep(chance.random() / 50)

    await asyncio.gather(*(each(number) for number in range(8) for each in (register, change)), watch(), watch())
    await watched.look()
    met += [(each.enrolment_id, str(each.payload["path"])) for each in watched.told if each.kind == "matched"]
    assert sorted(map(str, met)) == sorted(
        str((enrolment_id, "is" if number % 2 else "joined")) for number, (_, enrolment_id) in enumerate(people)
    )


async def look_back(watched: Watched, scope: object) -> list[str]:
    (enrolment,) = await watched.service.rows("SELECT id FROM enrolment")
    return [each.kind for each in await watched.service.look_back(enrolment.id, scope)]


@pytest.mark.parametrize(
    ("rule", "changes", "ended"),
    [
        ({"segment_entered": "vip"}, [(-1, True)], True),
        ({"segment_entered": "vip"}, [(-2, True), (-1, False)], False),
        ({"segment_entered": "vip"}, [(1, True), (2, False)], True),
        ({"segment_left": "vip"}, [(-1, True), (1, False)], True),
        ({"segment_left": "vip"}, [(-2, True), (-1, False)], False),
        ({"segment_left": "vip"}, [], False),
    ],
)
async def test_an_exit_rule_finds_the_memberships_that_were_there_before_it_listened(
    watched: Watched, rule: dict[str, object], changes: list[tuple[int, bool]], *, ended: bool
) -> None:
    """An event entered them; segments, whose feed is another, may have told long ago. Minutes are relative to entry."""
    await watched.service.publish(exit_when=[rule], steps=[{"id": "s", "type": "wait", "for": "P9D"}])
    profile_id, _ = await watched.service.enter()
    entered_at = watched.service.clock.now()
    watched.service.pass_time(timedelta(minutes=10))
    for minute, member in changes:
        watched.joins(profile_id, "vip", member=member, at=entered_at + timedelta(minutes=minute))
    ((start,),) = await watched.service.rows("SELECT payload FROM outgoing WHERE kind = 'start'")
    assert await look_back(watched, start["look_back"]) == (["interrupt"] if ended else [])
