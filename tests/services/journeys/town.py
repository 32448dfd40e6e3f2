"""Journeys over the real profiles and segments services and their real feeds: what a shop sends, and what Temporal is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import orjson
from pydantic import SecretStr

from contracts.journeys import StepItem
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from infra.feed.consumer import FeedConsumer
from infra.http import ServiceClient
from journeys.outcome import ServiceOutcome
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.routing import ProfileRoute, SegmentRoute
from services.journeys.steps.performing import Steps
from services.journeys.steps.requests import Secrets
from services.journeys.waits.looking import Looker
from services.journeys.waits.watching import Watcher
from services.journeys.world import World
from services.profiles.app import create_app as create_profiles
from services.segments.app import create_app as create_segments
from tests.services.journeys.neighbours import Neighbours
from tests.services.journeys.wiring import steps_of

KEYS = KeyRing((ApiKey(name="all", sha256=hashed("all"), scopes=frozenset(Scope)),))


class Counting(httpx.AsyncBaseTransport):
    """Passes on to an app, and counts the events that it finds."""

    def __init__(self, app: Any) -> None:
        self._to = httpx.ASGITransport(app)
        self.found = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._to.handle_async_request(request)
        if request.url.path == "/v1/events/search":
            self.found += sum(map(len, orjson.loads(await answer.aread())["events"]))
        return answer


@dataclass
class Town:
    """Three services, and what Temporal would be told."""

    shop: httpx.AsyncClient
    asker: httpx.AsyncClient
    database: Database
    clock: Clock
    steps: Steps
    versions: Versions
    world: World
    told: list[Outgoing]
    profiles: Counting

    async def publish(self, **changes: object) -> None:
        journey: dict[str, object] = {
            "key": "town",
            "name": "Town",
            "purpose": "marketing",
            "entry": {"event": "Signup", "key": "event.properties.key"},
        } | changes
        await self.versions.publish(journey, by="test", now=self.clock.now(), world=self.world)

    async def send(self, *batch: dict[str, Any]) -> None:
        body = {"writeKey": "all", "batch": [{"userId": "ada", "timestamp": self.clock.now().isoformat()} | one for one in batch]}
        assert (await self.shop.post("/v1/batch", json=body)).status_code == 200

    async def heard(self, kind: str) -> Outgoing:
        """The next thing told of this kind."""
        while True:
            for one in self.told:
                if one.kind == kind:
                    self.told.remove(one)
                    return one
            await asyncio.sleep(0.02)

    async def enter(self, **more: Any) -> UUID:
        await self.send({"type": "track", "event": "Signup", "properties": {"key": "x"}, **more})
        return (await self.heard("start")).enrolment_id

    async def perform(self, enrolment_id: UUID, step: str = "w", visit: int = 1, event_id: str | None = None) -> ServiceOutcome:
        item = StepItem(enrolment_id=enrolment_id, step=step, visit=visit, event_id=event_id)
        (outcome,) = await self.steps.perform([item])
        return outcome

    async def define(self, path: str, definition: dict[str, Any]) -> None:
        answer = await self.asker.put(path, json=definition)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def town_of(migrated_database: Callable[[str], str]) -> AsyncIterator[Town]:
    """Three services with their feeds, on fresh databases."""
    clock = Clock(real_anchor=datetime.now(UTC), virtual_anchor=datetime.now(UTC))
    profiles = create_profiles(database=Database(migrated_database("profiles")), keyring=KEYS, clock=clock)

    def client(name: str, app: Any) -> ServiceClient:
        return ServiceClient(name, f"http://{name}", key="all", transport=httpx.ASGITransport(app))

    segments = create_segments(
        database=Database(migrated_database("segments")), profiles=client("profiles", profiles), keyring=KEYS, clock=clock
    )
    database, told = Database(migrated_database("journeys")), list[Outgoing]()
    counting = Counting(profiles)
    world = World(
        profiles=ServiceClient("profiles", "http://profiles", key="all", transport=counting),
        segments=client("segments", segments),
        channels=Neighbours().client("channels"),
    )
    versions = Versions(database)
    steps, _ = steps_of(
        database=database,
        versions=versions,
        world=world,
        clock=clock,
        zone="UTC",
        secrets=Secrets.parse(SecretStr("{}")),
        deliver=told.extend,
    )
    looker = Looker(database=database, versions=versions, world=world, clock=clock, workspace_zone="UTC")
    watcher = Watcher(database=database, looker=looker, clock=clock, deliver=told.extend)
    effects: dict[str, ProfileRoute | SegmentRoute] = {
        "profiles": ProfileRoute(versions, told.extend, clock, watcher.wake),
        "segments": SegmentRoute(versions, told.extend, clock, watcher.wake),
    }
    consumers = [
        FeedConsumer(feed=feed, reader="journeys", client=client(feed, app), database=database, effect=effects[feed])
        for feed, app in (("profiles", profiles), ("segments", segments))
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(profiles.router.lifespan_context(profiles))
        await stack.enter_async_context(segments.router.lifespan_context(segments))
        headers = {"authorization": "Bearer all"}
        shop, asker = [
            await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://town", headers=headers, timeout=30)
            )
            for app in (profiles, segments)
        ]
        tasks = [asyncio.create_task(run()) for run in (watcher.run, *(consumer.run for consumer in consumers))]
        try:
            yield Town(shop, asker, database, clock, steps, versions, world, told, counting)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.close()
