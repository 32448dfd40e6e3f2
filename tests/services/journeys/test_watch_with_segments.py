"""The watcher with the real profiles and segments services, over real feeds: what a shop sends ends waits and moves dates."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from contracts.journeys import StepItem
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from infra.feed.consumer import FeedConsumer
from infra.http import ServiceClient
from journeys.outcome import ServiceOutcome, Sleep, Waiting
from services.journeys.lifecycle.changes import Lifecycle
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.routing import ProfileRoute, SegmentRoute
from services.journeys.steps.cases import FactFinder
from services.journeys.steps.deciding import Decider
from services.journeys.steps.performing import Steps
from services.journeys.steps.requests import Secrets
from services.journeys.steps.results import Results
from services.journeys.waits.deciding import WaitDecider
from services.journeys.waits.looking import Looker
from services.journeys.waits.watching import Watcher
from services.journeys.world import World
from services.profiles.app import create_app as create_profiles
from services.segments.app import create_app as create_segments
from tests.services.journeys.neighbours import Neighbours
from tests.services.journeys.watched import wait_for

KEYS = KeyRing((ApiKey(name="all", sha256=hashed("all"), scopes=frozenset(Scope)),))


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

    async def enter(self) -> UUID:
        await self.send({"type": "track", "event": "Signup", "properties": {"key": "x"}})
        return (await self.heard("start")).enrolment_id

    async def perform(self, enrolment_id: UUID) -> ServiceOutcome:
        (outcome,) = await self.steps.perform([StepItem(enrolment_id=enrolment_id, step="w", visit=1)])
        return outcome

    async def define(self, path: str, definition: dict[str, Any]) -> None:
        answer = await self.asker.put(path, json=definition)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def town(migrated_database: Callable[[str], str]) -> AsyncIterator[Town]:
    clock = Clock(real_anchor=datetime.now(UTC), virtual_anchor=datetime.now(UTC))
    profiles = create_profiles(database=Database(migrated_database("profiles")), keyring=KEYS, clock=clock)

    def client(name: str, app: Any) -> ServiceClient:
        return ServiceClient(name, f"http://{name}", key="all", transport=httpx.ASGITransport(app))

    segments = create_segments(
        database=Database(migrated_database("segments")), profiles=client("profiles", profiles), keyring=KEYS, clock=clock
    )
    database, told = Database(migrated_database("journeys")), list[Outgoing]()
    ours = {"profiles": client("profiles", profiles), "segments": client("segments", segments)}
    world = World(**ours, channels=Neighbours().client("channels"))
    versions, results = Versions(database), Results(database)
    waits = WaitDecider(finder=FactFinder(world, "UTC", results), clock=clock)
    decider = Decider(
        world=world, versions=versions, results=results, clock=clock, workspace_zone="UTC", secrets=Secrets.parse(SecretStr("{}"))
    )
    lifecycle = Lifecycle(
        database=database,
        versions=versions,
        world=world,
        waits=waits,
        clock=clock,
        workspace_zone="UTC",
        deliver=told.extend,
        per_second=1000,
    )
    steps = Steps(
        database=database,
        versions=versions,
        decider=decider,
        mover=lifecycle.mover,
        world=world,
        clock=clock,
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
            yield Town(shop, asker, database, clock, steps, versions, world, told)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.close()


async def test_the_third_order_the_passing_of_time_and_a_membership_end_waits(town: Town) -> None:
    await town.define("/v1/segments/gold", {"name": "Gold", "condition": {"trait": "plan", "eq": "gold"}})
    paths: list[dict[str, Any]] = [
        {"id": "third", "if": {"event": "Order", "count": {"gte": 3}}, "steps": []},
        {"id": "aged", "if": {"trait": "renewed_at", "older_than": "PT2S"}, "steps": []},
        {"id": "gold", "segment_entered": "gold", "steps": []},
    ]
    happens: dict[str, list[dict[str, Any]]] = {
        "third": [{"type": "track", "event": "Order"}] * 3,
        "aged": [{"type": "identify", "traits": {"renewed_at": town.clock.now().isoformat()}}],
        "gold": [{"type": "identify", "traits": {"plan": "gold"}}],
    }
    for path in paths:
        key = str(path["id"])
        await town.publish(key=key, steps=wait_for(path), exit_when=[{"if": {"trait": "left", "eq": key}}])
    await town.send({"type": "track", "event": "Signup", "properties": {"key": "x"}})
    enrolments = {}
    for _ in paths:
        start = await town.heard("start")
        enrolments[start.journey] = start.enrolment_id
        assert isinstance(await town.perform(start.enrolment_id), Waiting)
    for key, batch in happens.items():
        await town.send(*batch)
        signal = await town.heard("matched")
        assert (signal.journey, signal.payload["path"], signal.enrolment_id) == (key, key, enrolments[key])
    await town.send({"type": "identify", "traits": {"left": "aged"}})
    ended = await town.heard("interrupt")
    assert (ended.journey, ended.payload["reason"]) == ("aged", "exit")


async def test_a_wait_until_the_dog_food_runs_out_follows_the_orders(town: Town) -> None:
    definition = {"event": "Order", "take": "last", "add": {"property": "lasts_days", "unit": "days"}}
    await town.define("/v1/computed-traits/runs_out_at", definition)
    await town.publish(steps=[{"id": "w", "type": "wait", "until": {"ref": "profile.computed.runs_out_at"}}])
    first, second = (town.clock.now() - timedelta(hours=hours) for hours in (2, 1))
    order = {"type": "track", "event": "Order", "properties": {"lasts_days": 30}}
    await town.send(order | {"timestamp": first.isoformat()})
    enrolment_id = await town.enter()
    outcome = await town.perform(enrolment_id)
    assert isinstance(outcome, Sleep)
    assert abs(outcome.wake_at - first - timedelta(days=30)) < timedelta(seconds=1)
    await town.send(order | {"timestamp": second.isoformat()})
    assert (await town.heard("refresh")).enrolment_id == enrolment_id
    outcome = await town.perform(enrolment_id)
    assert isinstance(outcome, Sleep)
    assert abs(outcome.wake_at - second - timedelta(days=30)) < timedelta(seconds=1)
    async with town.database.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM watch"))).scalar_one() == 1
