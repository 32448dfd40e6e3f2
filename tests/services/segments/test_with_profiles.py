"""The segments service behind the real profiles service."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from pydantic import JsonValue

from contracts.feed import FeedItem, FeedPage
from contracts.segments import SEGMENT_ENTERED, Evaluated, MembershipChanged
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database, service_url
from infra.http import ServiceClient
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import schema_of, upgrade
from services.profiles.app import create_app as create_profiles
from services.segments.app import create_app as create_segments
from tests.services.segments.conftest import KEYRING

SHOP = KeyRing((ApiKey(name="shop", sha256=hashed("shop"), scopes=frozenset({Scope.TRACK, Scope.FEED_READ})),))


@pytest.fixture
def profiles_database(postgres: EmbeddedPostgres, database_url: str) -> Iterator[Database]:
    upgrade(schema_of("profiles"), database_url)
    name = service_url(database_url, "profiles")
    yield Database(name)
    postgres.drop_database(str(name.database))


async def test_what_a_shop_sends_becomes_a_membership_and_an_answer(
    profiles_database: Database, segments_url: str, clock: Clock
) -> None:
    profiles = create_profiles(database=profiles_database, keyring=SHOP, clock=clock)
    transport = httpx.ASGITransport(profiles)
    source = ServiceClient("profiles", "http://profiles", key="shop", transport=transport)
    segments = create_segments(database=Database(segments_url), profiles=source, keyring=KEYRING, clock=clock)
    async with (
        profiles.router.lifespan_context(profiles),
        segments.router.lifespan_context(segments),
        httpx.AsyncClient(transport=transport, base_url="http://profiles", headers={"authorization": "Bearer shop"}) as shop,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(segments), base_url="http://segments", headers={"authorization": "Bearer all"}
        ) as asker,
    ):
        readers: JsonValue = {
            "all": [
                {"trait": "address.country", "eq": "DE"},
                {"event": "Order Completed", "sum": {"property": "total", "gte": 50}},
            ]
        }
        put = await asker.put("/v1/segments/readers", json={"name": "Readers", "condition": readers})
        assert put.status_code == 200, put.text
        sent = (clock.now() - timedelta(hours=1)).isoformat()
        batch = [
            {"type": "track", "anonymousId": "phone", "event": "Order Completed", "properties": {"total": 20}, "timestamp": sent},
            {"type": "identify", "userId": "ada", "traits": {"address": {"country": "DE"}}},
            {"type": "track", "userId": "ada", "event": "Order Completed", "properties": {"total": 30.5}, "timestamp": sent},
            {"type": "identify", "userId": "ada", "anonymousId": "phone"},
        ]
        answer = await shop.post("/v1/batch", json={"writeKey": "shop", "batch": batch})
        assert answer.status_code == 200, answer.text
        heard: list[FeedItem] = []
        after: dict[str, str] = {}
        while not heard:
            page = FeedPage.model_validate_json((await asker.get("/v1/feed", params={"wait": "20", **after})).content)
            heard += page.items
            after = {"after": page.next}
        [entered] = heard
        assert entered.type == SEGMENT_ENTERED
        changed = MembershipChanged.model_validate(entered.data)
        assert (changed.segment, changed.number, changed.traits["address"]) == ("readers", 1, {"country": "DE"})
        head = FeedPage.model_validate_json((await shop.get("/v1/feed/head")).content).next
        item: JsonValue = {"profile_id": entered.subject, "condition": readers, "position": head}
        evaluated = Evaluated.model_validate_json((await asker.post("/v1/evaluate", json={"items": [item]})).content)
        assert evaluated.results[0].matches
        seen = evaluated.results[0].seen["events.Order Completed"]
        assert isinstance(seen, dict)
        assert (seen["count"], seen["sum"]) == (2, 50.5)
