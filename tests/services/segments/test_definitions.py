"""Segments are defined, refused, defined anew and deleted; the population follows."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from sqlalchemy import text
from uuid_utils.compat import uuid7

from contracts.segments import SEGMENT_ENTERED, SEGMENT_LEFT
from infra.clock import Clock
from infra.db import Database
from infra.feed.outbox import Outbox
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import check, schema_of
from services.segments.definitions import DefinitionCache
from services.segments.membership import Memberships
from services.segments.rebuild import Rebuilder
from tests.services.segments.shop import NOW, Segments

REOPEN = text(
    "WITH bumped AS (UPDATE registry SET revision = revision + 1) UPDATE segment SET version = version + 1, computed = false, "
    """condition = '{"trait": "plan", "eq": "gold"}'"""
)
GOLD: JsonValue = {"trait": "plan", "eq": "gold"}


def somebody() -> UUID:
    return UUID(int=uuid7().int)


async def test_a_new_segment_takes_in_everybody_who_matches_already(segments: Segments) -> None:
    gold = {segments.feed.person(somebody(), plan="gold") for _ in range(3)}
    segments.feed.person(somebody(), plan="silver")
    await segments.settled()
    await segments.define("gold", GOLD)
    assert await segments.members("gold") == gold
    assert {(kind, who) for kind, who, _, _ in await segments.said(3)} == {(SEGMENT_ENTERED, who) for who in gold}


async def test_a_new_definition_moves_out_who_no_longer_matches_and_keeps_who_does(segments: Segments) -> None:
    ada = segments.feed.person(somebody(), plan="gold", country="DE")
    bob = segments.feed.person(somebody(), plan="gold", country="FR")
    eva = segments.feed.person(somebody(), plan="iron", country="DE")
    await segments.settled()
    await segments.define("target", GOLD)
    await segments.define("target", {"trait": "country", "eq": "DE"})
    assert await segments.members("target") == {ada, eva}
    assert set((await segments.said(4))[2:]) == {(SEGMENT_LEFT, bob, "target", 2), (SEGMENT_ENTERED, eva, "target", 1)}
    versions = (await segments.client.get("/v1/segments/target/versions")).json()["versions"]
    assert [(one["version"], one["condition"], one["created_by"]) for one in versions] == [
        (1, GOLD, "anna"),
        (2, {"trait": "country", "eq": "DE"}, "anna"),
    ]


async def test_a_definition_with_time_that_is_replaced_leaves_no_timer_behind(segments: Segments) -> None:
    ada = segments.feed.person(somebody(), born="2020-01-01")
    segments.feed.event(ada, "Page Viewed", NOW - timedelta(days=1))
    await segments.settled()
    await segments.define("target", {"event": "Page Viewed", "within": "P2D"})
    await segments.define("target", {"event": "Page Viewed"})
    members = (await segments.client.get("/v1/segments/target/members")).json()["members"]
    assert [(UUID(one["profile_id"]), one["number"]) for one in members] == [(ada, 1)]


async def test_the_same_definition_again_is_no_new_version(segments: Segments) -> None:
    await segments.define("gold", GOLD)
    await segments.define("gold", GOLD)
    assert (await segments.client.get("/v1/segments/gold")).json()["version"] == 1


async def test_those_who_depend_on_a_redefined_segment_follow(segments: Segments) -> None:
    ada = segments.feed.person(somebody(), plan="gold")
    bob = segments.feed.person(somebody(), plan="iron")
    await segments.settled()
    await segments.define("gold", GOLD)
    await segments.define("others", {"not": {"segment": "gold"}})
    assert await segments.members("others") == {bob}
    await segments.define("gold", {"trait": "plan", "eq": "iron"})
    assert await segments.members("others") == {ada}


async def test_a_deleted_segment_is_left_by_everybody_and_its_name_may_be_used_again(segments: Segments) -> None:
    ada = segments.feed.person(somebody(), plan="gold")
    await segments.settled()
    await segments.define("gold", GOLD)
    assert (await segments.client.delete("/v1/segments/gold")).status_code == 204
    assert (await segments.client.get("/v1/segments/gold")).status_code == 404
    assert (await segments.client.get("/v1/segments/gold/members")).status_code == 404
    assert (await segments.client.delete("/v1/segments/gold")).status_code == 404
    assert (await segments.said(2))[1] == (SEGMENT_LEFT, ada, "gold", 2)
    await segments.define("gold", GOLD)
    assert await segments.members("gold") == {ada}


async def test_a_segment_that_others_use_is_not_deleted(segments: Segments) -> None:
    await segments.define("gold", GOLD)
    await segments.define("others", {"not": {"segment": "gold"}})
    refused = await segments.client.delete("/v1/segments/gold")
    assert refused.status_code == 409
    assert "'others'" in refused.json()["detail"]


async def test_a_segment_cannot_depend_on_itself(segments: Segments) -> None:
    await segments.define("a", GOLD)
    await segments.define("b", {"segment": "a"})
    await segments.define("c", {"all": [{"segment": "b"}]})
    refused = await segments.put("a", {"any": [GOLD, {"not": {"segment": "c"}}]})
    assert refused.status_code == 422
    [flaw] = refused.json()["errors"]
    assert flaw["path"] == "$.condition.any[1].not.segment"
    assert "a → c → b → a" in flaw["message"]
    assert (await segments.put("a", {"segment": "a"})).status_code == 422
    assert (await segments.client.get("/v1/segments/a")).json()["version"] == 1


def _deep(levels: int) -> JsonValue:
    condition: JsonValue = GOLD
    for _ in range(levels):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"trait": "plan", "equals": "gold"}, "$.condition.equals"),
        ({"all": [GOLD, {}]}, "$.condition.all[1]"),
        ({"trait": "plan", "eq": {"ref": "entry.plan"}}, "$.condition.eq"),
        ({"event": "X", "where": {"property": "p", "eq": "a\0b"}}, "$.condition.where.eq"),
        ({"segment": "goldd"}, "$.condition.segment"),
        ({"event": "X", "within": "30 days"}, "$.condition.within"),
        (_deep(200), None),
    ],
)
async def test_a_malformed_condition_is_refused_with_its_place_and_a_remedy(
    segments: Segments, condition: JsonValue, path: str | None
) -> None:
    await segments.define("gold", GOLD)
    refused = await segments.put("x", condition)
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    flaw = refused.json()["errors"][0]
    assert path in (None, flaw["path"])
    assert flaw["message"]
    assert flaw["remedy"] or path == "$.condition.all[1]"
    assert (await segments.client.get("/v1/segments/x")).status_code == 404


async def test_a_key_that_is_no_key_is_refused(segments: Segments) -> None:
    assert (await segments.put("Not%20A%20Key", GOLD)).status_code == 422


async def test_members_are_served_in_pages(segments: Segments) -> None:
    people = sorted(segments.feed.person(somebody(), plan="gold") for _ in range(5))
    await segments.define("gold", GOLD)
    await segments.settled()
    found, after = [], None
    while True:
        parameters = {"limit": "2"} | ({"after": after} if after else {})
        page = (await segments.client.get("/v1/segments/gold/members", params=parameters)).json()
        found += [UUID(member["profile_id"]) for member in page["members"]]
        after = page["next"]
        if after is None:
            break
    assert found == people


async def test_a_population_is_computed_in_chunks_that_survive_a_restart(segments: Segments, segments_url: str) -> None:
    people = {segments.feed.person(somebody(), plan="gold") for _ in range(7)}
    await segments.settled()
    await segments.define("gold", GOLD)
    await segments.define("gold", {"trait": "plan", "eq": "iron"})
    database = Database(segments_url)
    memberships = Memberships(Outbox("segments", database))
    rebuilders = [
        Rebuilder(
            database=database, definitions=DefinitionCache(), memberships=memberships, clock=Clock(), wake=lambda: None, chunk=3
        )
        for _ in range(2)
    ]
    assert await segments.members("gold") == set()
    async with database.begin() as session:
        await session.execute(REOPEN)
    assert await rebuilders[0].step()
    first = await segments.members("gold")
    assert len(first) == 3
    assert await rebuilders[1].step()
    assert await rebuilders[1].step()
    assert not await rebuilders[1].step()
    assert await segments.members("gold") == people
    await database.close()


async def test_a_definition_made_while_people_change_agrees_with_the_population(segments: Segments) -> None:
    people = [segments.feed.person(somebody(), plan="gold") for _ in range(40)]
    await segments.settled()

    async def change() -> None:
        for version in range(2, 12):
            for number, who in enumerate(people):
                segments.feed.person(who, version, plan="gold" if (number + version) % 3 else "iron")
            await segments.settled()

    async def redefine() -> None:
        for number in range(5):
            await segments.define("target", {"trait": "plan", "eq": "gold" if number % 2 else "iron"})
            await segments.define("rest", {"not": {"segment": "target"}})

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(change())
        tasks.create_task(redefine())
    iron = (await segments.client.post("/v1/query", json={"condition": {"trait": "plan", "eq": "iron"}})).json()["profile_ids"]
    assert await segments.members("target") == set(map(UUID, iron))
    assert await segments.members("rest") == set(people) - set(map(UUID, iron))


def test_models_and_migrations_agree(postgres: EmbeddedPostgres, segments_template: str) -> None:
    check(schema_of("segments"), postgres.url(segments_template.removesuffix("_segments")))
