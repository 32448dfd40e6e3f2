"""Conditions asked of people and of the population, and computed traits."""

from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from uuid_utils.compat import uuid7

from infra.clock import Clock
from tests.services.segments.conftest import running
from tests.services.segments.shop import NOW, ProfilesFeed, Segments

BOUGHT: JsonValue = {"event": "Order Completed", "within": "P30D"}


def somebody() -> UUID:
    return UUID(int=uuid7().int)


async def test_answers_come_in_order_with_what_was_seen_and_when_they_may_change(segments: Segments) -> None:
    ada, bob = segments.feed.person(somebody(), plan="gold"), somebody()
    order = segments.feed.event(ada, "Order Completed", NOW - timedelta(days=2))
    segments.feed.event(ada, "Page Viewed")
    answers = (await segments.evaluate((ada, BOUGHT), (bob, BOUGHT), (ada, {"trait": "plan", "eq": "gold"}))).results
    assert [answer.matches for answer in answers] == [True, False, True]
    assert answers[0].seen == {"events.Order Completed": {"count": 1, "last": order}}
    assert answers[0].next_change == NOW + timedelta(days=28)
    assert answers[2].seen == {"traits.plan": "gold"}


async def test_an_answer_knows_memberships(segments: Segments) -> None:
    await segments.define("gold", {"trait": "plan", "eq": "gold"})
    ada, bob = segments.feed.person(somebody(), plan="gold"), segments.feed.person(somebody())
    answers = await segments.evaluate((ada, {"segment": "gold"}), (bob, {"segment": "gold"}))
    assert [answer.matches for answer in answers.results] == [True, False]


async def test_an_answer_waits_for_what_the_asker_has_seen_and_says_so_when_it_does_not_come(
    segments_url: str, feed: ProfilesFeed, clock: Clock
) -> None:
    body = {"items": [{"profile_id": str(somebody()), "condition": BOUGHT, "position": "profiles.7.0"}]}
    async with running(segments_url, feed, clock, patience=0.05) as segments:
        response = await segments.client.post("/v1/evaluate", json=body)
    assert response.status_code == 503
    assert response.json()["title"] == "Not caught up yet"
    assert response.headers["retry-after"]


@pytest.mark.parametrize(
    ("item", "path"),
    [({"condition": {"trait": "x"}}, "$.items[0].condition"), ({"condition": BOUGHT, "position": "x"}, "$.items[0].position")],
)
async def test_a_malformed_question_is_refused_with_its_place(segments: Segments, item: dict[str, JsonValue], path: str) -> None:
    response = await segments.client.post("/v1/evaluate", json={"items": [{"profile_id": str(somebody()), **item}]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == path


async def test_the_population_is_asked_as_of_an_instant(segments: Segments) -> None:
    people = sorted(segments.feed.person(somebody()) for _ in range(3))
    for days, who in enumerate(people):
        segments.feed.event(who, "Order Completed", NOW - timedelta(days=10 * days + 1))
    await segments.settled()
    for at, expected in ((None, people), (NOW + timedelta(days=15), people[:2]), (NOW + timedelta(days=29, hours=1), [])):
        question: dict[str, JsonValue] = {"condition": BOUGHT} | ({"at": at.isoformat()} if at else {})
        answer = (await segments.client.post("/v1/query", json=question)).json()
        assert (answer["count"], [UUID(one) for one in answer["profile_ids"]]) == (len(expected), expected)
    limited = (await segments.client.post("/v1/query", json={"condition": BOUGHT, "limit": 1, "after": str(people[0])})).json()
    assert (limited["count"], limited["profile_ids"]) == (3, [str(people[1])])


async def test_members_are_counted_now_and_as_of_an_instant(segments: Segments) -> None:
    await segments.define("buyers", BOUGHT)
    segments.feed.event(somebody(), "Order Completed", NOW - timedelta(days=1))
    segments.feed.person(somebody())
    await segments.settled()
    now = (await segments.client.get("/v1/segments/buyers/count")).json()
    later = (await segments.client.get("/v1/segments/buyers/count", params={"at": "2026-06-01T00:00:00Z"})).json()
    assert (now["count"], now["population"]) == (1, 2)
    assert (later["count"], later["population"]) == (0, 2)


async def test_a_question_about_an_unknown_segment_is_refused(segments: Segments) -> None:
    response = await segments.client.post("/v1/query", json={"condition": {"segment": "nobody-defined-it"}})
    assert response.json()["errors"][0]["path"] == "$.condition.segment"


async def test_the_dog_food_runs_out_when_the_last_bag_lasts_no_longer(segments: Segments) -> None:
    definition: JsonValue = {
        "event": "Order Completed",
        "where": {"property": "category", "eq": "dog-food"},
        "take": "last",
        "add": {"property": "lasts_days", "unit": "days"},
    }
    assert (await segments.client.put("/v1/computed-traits/dog_food_runs_out_at", json=definition)).status_code == 200
    ada, bob = somebody(), somebody()
    segments.feed.event(ada, "Order Completed", NOW, category="dog-food", lasts_days=40)
    segments.feed.event(ada, "Order Completed", NOW - timedelta(days=9), category="dog-food", lasts_days=90)
    segments.feed.event(ada, "Order Completed", NOW + timedelta(days=1), category="books", lasts_days=1)
    answer = await segments.computed([ada, bob])
    assert answer.traits == {ada: {"dog_food_runs_out_at": "2026-04-10T12:00:00Z"}, bob: {}}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"take": "last"}, "2026-03-01T12:00:00Z"),
        ({"take": "first"}, "2026-02-27T12:00:00Z"),
        ({"take": "first", "add": "P1M"}, "2026-03-27T12:00:00Z"),
        ({"take": "last", "property": "topic"}, "dogs"),
        ({"take": "count"}, 3),
        ({"take": "sum", "property": "total"}, 0.3),
        ({"take": "min", "property": "total"}, 0.1),
        ({"take": "max", "property": "due"}, "2026-05-01T00:00:00Z"),
        ({"take": "max", "property": "due", "add": "-P1D"}, "2026-04-30T00:00:00Z"),
        ({"take": "last", "property": "nothing"}, None),
    ],
)
async def test_a_computed_trait_takes_one_value_from_the_events(
    segments: Segments, definition: dict[str, JsonValue], expected: JsonValue
) -> None:
    response = await segments.client.put("/v1/computed-traits/it", json={"event": "Order Completed", **definition})
    assert response.status_code == 200, response.text
    ada = somebody()
    segments.feed.event(ada, "Order Completed", NOW - timedelta(days=1), total=0.2, topic="dogs", due="2026-05-01")
    segments.feed.event(ada, "Order Completed", NOW - timedelta(days=2), total=0.1, topic="cats", due="2026-04-01")
    segments.feed.event(ada, "Order Completed", NOW, total="many")
    values = (await segments.computed([ada])).traits[ada]
    assert values == ({} if expected is None else {"it": expected})


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"take": "sum"}, "$.property"),
        ({"take": "count", "add": "P1D"}, "$.add"),
        ({"take": "last", "add": "a day"}, "$.add"),
        ({"take": "last", "where": {"property": "x"}}, "$.where"),
        ({"take": "often"}, "$.take"),
    ],
)
async def test_a_computed_trait_that_makes_no_sense_is_refused(
    segments: Segments, definition: dict[str, JsonValue], path: str
) -> None:
    refused = await segments.client.put("/v1/computed-traits/it", json={"event": "X", **definition})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == path
    assert (await segments.client.get("/v1/computed-traits")).json() == {"computed_traits": []}


async def test_computed_traits_can_be_read_and_deleted(segments: Segments) -> None:
    await segments.client.put("/v1/computed-traits/it", json={"event": "X", "take": "count"})
    assert (await segments.client.get("/v1/computed-traits/it")).json()["definition"]["take"] == "count"
    assert (await segments.client.delete("/v1/computed-traits/it")).status_code == 204
    assert (await segments.client.delete("/v1/computed-traits/it")).status_code == 404


async def test_a_clock_that_runs_fast_changes_the_answer(segments_url: str, feed: ProfilesFeed) -> None:
    later = Clock(virtual_anchor=NOW + timedelta(days=60), real_anchor=Clock().real_now())
    ada = feed.person(somebody())
    feed.event(ada, "Order Completed", NOW)
    async with running(segments_url, feed, later) as segments:
        assert not (await segments.evaluate((ada, BOUGHT))).results[0].matches
