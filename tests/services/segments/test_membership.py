"""Memberships follow what people do, at once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from pydantic import JsonValue
from sqlalchemy import text
from uuid_utils.compat import uuid7

from contracts.segments import SEGMENT_ENTERED, SEGMENT_LEFT
from infra.clock import Clock
from infra.db import Database
from tests.services.segments.conftest import running
from tests.services.segments.shop import NOW, ProfilesFeed, Segments

BUYERS: JsonValue = {"event": "Order Completed", "where": {"property": "category", "eq": "books"}}
ACTIVE: JsonValue = {"event": "Page Viewed", "within": "P30D"}
PUPPIES: JsonValue = {
    "all": [{"trait": "dog.birthdate", "exists": True}, {"not": {"trait": "dog.birthdate", "older_than": "P12M"}}]
}


def somebody() -> UUID:
    return UUID(int=uuid7().int)


async def test_somebody_enters_by_an_event_and_the_feed_says_so_once(segments: Segments) -> None:
    await segments.define("buyers", BUYERS)
    ada = segments.feed.person(somebody(), name="Ada")
    segments.feed.event(ada, "Order Completed", category="toys")
    assert await segments.members("buyers") == set()
    segments.feed.event(ada, "Order Completed", category="books")
    segments.feed.event(ada, "Order Completed", category="books")
    assert await segments.members("buyers") == {ada}
    assert await segments.said(1) == [(SEGMENT_ENTERED, ada, "buyers", 1)]
    heard = await segments.heard(bool)
    assert heard[0].data["traits"] == {"name": "Ada"}


async def test_somebody_enters_and_leaves_by_a_trait_and_numbers_grow(segments: Segments) -> None:
    await segments.define("gold", {"trait": "plan", "eq": "gold"})
    ada = somebody()
    for version, plan in enumerate(["gold", "silver", "gold"], start=1):
        segments.feed.person(ada, version, plan=plan)
        await segments.settled()
    assert await segments.said(3) == [
        (SEGMENT_ENTERED, ada, "gold", 1),
        (SEGMENT_LEFT, ada, "gold", 2),
        (SEGMENT_ENTERED, ada, "gold", 3),
    ]
    assert await segments.history(ada) == {"gold": [True, False, True]}


async def test_an_older_version_of_a_profile_never_replaces_a_newer(segments: Segments) -> None:
    await segments.define("gold", {"trait": "plan", "eq": "gold"})
    ada = segments.feed.person(somebody(), 7, plan="gold")
    await segments.settled()
    segments.feed.person(ada, 6, plan="silver")
    assert await segments.members("gold") == {ada}


async def test_a_trait_that_turns_from_1_to_true_is_a_change(segments: Segments) -> None:
    await segments.define("yes", {"trait": "answer", "eq": True})
    ada = segments.feed.person(somebody(), 1, answer=1)
    assert await segments.members("yes") == set()
    segments.feed.person(ada, 2, answer=True)
    assert await segments.members("yes") == {ada}


async def test_somebody_of_whom_nothing_is_known_enters_what_holds_for_strangers(segments: Segments) -> None:
    await segments.define("never-bought", {"not": BUYERS})
    ada = somebody()
    segments.feed.event(ada, "Page Viewed")
    assert await segments.members("never-bought") == {ada}
    segments.feed.event(ada, "Order Completed", category="books")
    assert await segments.members("never-bought") == set()


async def test_a_segment_of_segments_follows_those_it_refers_to(segments: Segments) -> None:
    await segments.define("buyers", BUYERS)
    await segments.define("active", ACTIVE)
    await segments.define("loyal", {"all": [{"segment": "buyers"}, {"segment": "active"}]})
    await segments.define("lapsed", {"all": [{"segment": "buyers"}, {"not": {"segment": "active"}}]})
    ada, bob = segments.feed.person(somebody()), segments.feed.person(somebody())
    for who in (ada, bob):
        segments.feed.event(who, "Order Completed", category="books")
    segments.feed.event(ada, "Page Viewed")
    assert (await segments.members("loyal"), await segments.members("lapsed")) == ({ada}, {bob})


async def test_a_timed_membership_ends_by_the_clock_alone_at_the_exact_instant(segments_url: str, feed: ProfilesFeed) -> None:
    fast = Clock(factor=86_400.0, real_anchor=datetime.now(UTC), virtual_anchor=NOW)
    async with running(segments_url, feed, fast) as segments:
        await segments.define("active", ACTIVE)
        await segments.define("sleepers", {"not": {"segment": "active"}})
        ada = feed.person(somebody())
        await segments.settled()
        viewed = fast.now() - timedelta(days=28)
        feed.event(ada, "Page Viewed", viewed)
        heard = await segments.heard(
            lambda items: any(item.data["segment"] == "active" and item.type == SEGMENT_LEFT for item in items)
        )
        left = next(item for item in heard if item.data["segment"] == "active" and item.type == SEGMENT_LEFT)
        assert left.time == viewed + timedelta(days=30)
        assert await segments.history(ada) == {"active": [True, False], "sleepers": [True, False, True]}


async def test_a_dog_grows_up_by_the_calendar(segments_url: str, feed: ProfilesFeed) -> None:
    fast = Clock(factor=86_400.0, real_anchor=datetime.now(UTC), virtual_anchor=NOW)
    ada = feed.person(somebody(), dog={"birthdate": "2025-03-03"})
    async with running(segments_url, feed, fast) as segments:
        await segments.settled()
        await segments.define("puppy-owners", PUPPIES)
        heard = await segments.heard(lambda items: len(items) >= 2)
        assert [(item.type, item.subject) for item in heard] == [(SEGMENT_ENTERED, str(ada)), (SEGMENT_LEFT, str(ada))]
        assert heard[1].time == datetime(2026, 3, 3, tzinfo=UTC)


async def test_what_fell_due_while_the_service_was_down_happens_at_its_own_instant(segments_url: str, feed: ProfilesFeed) -> None:
    ada = feed.person(somebody())
    feed.event(ada, "Page Viewed", NOW)
    async with running(segments_url, feed, Clock(real_anchor=datetime.now(UTC), virtual_anchor=NOW)) as segments:
        await segments.define("active", ACTIVE)
        await segments.define("awake", {"segment": "active"})
        assert await segments.members("awake") == {ada}
    later = Clock(real_anchor=datetime.now(UTC), virtual_anchor=NOW + timedelta(days=90))
    async with running(segments_url, feed, later) as segments:
        heard = await segments.heard(lambda items: len(items) >= 4)
        assert {item.time for item in heard[2:]} == {NOW + timedelta(days=30)}
        assert (await segments.members("active"), await segments.members("awake")) == (set(), set())


async def test_a_service_that_was_away_catches_up_without_saying_anything_twice(
    segments_url: str, feed: ProfilesFeed, clock: Clock
) -> None:
    ada, bob = somebody(), somebody()
    async with running(segments_url, feed, clock) as segments:
        await segments.define("buyers", BUYERS)
        feed.event(ada, "Order Completed", category="books")
        assert await segments.members("buyers") == {ada}
    feed.event(bob, "Order Completed", category="books")
    for _ in range(1200):
        feed.event(ada, "Page Viewed")
    feed.event(ada, "Order Completed", category="books")
    async with running(segments_url, feed, clock) as segments:
        assert await segments.members("buyers") == {ada, bob}
        assert await segments.said(2) == [(SEGMENT_ENTERED, ada, "buyers", 1), (SEGMENT_ENTERED, bob, "buyers", 1)]


async def test_a_restarted_service_knows_how_far_it_has_got(segments_url: str, feed: ProfilesFeed, clock: Clock) -> None:
    ada = feed.person(somebody(), plan="gold")
    async with running(segments_url, feed, clock) as segments:
        await segments.settled()
    async with running(segments_url, feed, clock) as segments:
        assert (await segments.evaluate((ada, {"trait": "plan", "eq": "gold"}))).results[0].matches


async def test_a_malformed_item_is_kept_aside_and_the_rest_is_applied(
    segments_url: str, feed: ProfilesFeed, clock: Clock
) -> None:
    async with running(segments_url, feed, clock) as segments:
        await segments.define("gold", {"trait": "plan", "eq": "gold"})
        feed.open = False
        ada, bob = somebody(), somebody()
        feed.person(ada, plan="gold")
        feed.say("event.tracked", ada, {"name": "no id, no time"})
        feed.say("weather.changed", ada, {"sun": True})
        feed.person(bob, plan="gold")
        feed.resume()
        assert await segments.members("gold") == {ada, bob}
    database = Database(segments_url)
    async with database.read() as session:
        kept = (await session.execute(text("SELECT item -> 'data' ->> 'name' FROM feed_dead_letter"))).scalars().all()
    await database.close()
    assert kept == ["no id, no time"]


async def test_a_merge_moves_events_and_memberships_silently_to_the_survivor(segments: Segments) -> None:
    await segments.define("buyers", BUYERS)
    await segments.define("often", {"event": "Order Completed", "count": {"gte": 2}})
    known, anonymous = segments.feed.person(somebody(), name="Ada"), segments.feed.person(somebody())
    segments.feed.event(known, "Order Completed", category="toys")
    segments.feed.event(anonymous, "Order Completed", category="books")
    assert await segments.members("buyers") == {anonymous}
    segments.feed.merge(known, anonymous, 2, name="Ada")
    segments.feed.event(anonymous, "Order Completed", category="books")  # committed before the merge, served behind it
    segments.feed.person(anonymous, 9, name="a ghost")
    assert await segments.members("buyers") == {known}
    assert await segments.members("often") == {known}
    assert await segments.said(2) == [(SEGMENT_ENTERED, anonymous, "buyers", 1), (SEGMENT_ENTERED, known, "often", 1)]
    three: JsonValue = {"event": "Order Completed", "count": {"eq": 3}}
    answers = await segments.evaluate((anonymous, three), (known, three), (anonymous, {"trait": "name", "eq": "Ada"}))
    assert [answer.matches for answer in answers.results] == [True, True, True]
    assert await segments.history(anonymous) == await segments.history(known) == {"buyers": [True], "often": [True]}


async def test_a_chain_of_merges_in_one_page_ends_at_the_last_survivor(segments: Segments) -> None:
    await segments.define("often", {"event": "Order Completed", "count": {"gte": 3}})
    first, second, third = somebody(), somebody(), somebody()
    segments.feed.open = False
    for who in (first, second, third):
        segments.feed.event(who, "Order Completed")
    segments.feed.merge(second, first, 2)
    segments.feed.merge(third, second, 3)
    segments.feed.resume()
    assert await segments.members("often") == {third}
    assert [item for item in await segments.said(1) if item[0] == SEGMENT_ENTERED] == [(SEGMENT_ENTERED, third, "often", 1)]


async def test_a_survivor_who_no_longer_belongs_leaves(segments: Segments) -> None:
    await segments.define("one-order", {"event": "Order Completed", "count": {"eq": 1}})
    ada, ghost = somebody(), somebody()
    segments.feed.event(ada, "Order Completed")
    segments.feed.event(ghost, "Order Completed")
    await segments.settled()
    segments.feed.merge(ada, ghost, 2)
    assert await segments.members("one-order") == set()
    assert (await segments.said(3))[-1][:3] == (SEGMENT_LEFT, ada, "one-order")


async def test_a_key_that_only_reads_defines_nothing(segments: Segments) -> None:
    reader = {"authorization": "Bearer read"}
    refused: httpx.Response = await segments.client.put(
        "/v1/segments/x", json={"name": "X", "condition": {"all": []}}, headers=reader
    )
    assert refused.status_code == 403
    assert (await segments.client.get("/v1/segments", headers=reader)).json() == {"segments": []}
