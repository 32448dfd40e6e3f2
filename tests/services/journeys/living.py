"""The whole journeys service, running: its app, its router on real feeds, its deliverer, a worker, on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from fastapi import FastAPI
from sqlalchemy import text
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.cohorts import CohortActivities
from activities.enrolments import EnrolmentActivities
from contracts.feed import FeedItem, FeedPage
from contracts.profiles import EVENT_TRACKED, TrackedEvent
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from infra.http import ServiceClient
from services.journeys.app import create_app
from services.journeys.deliverer import workflow_id
from tests.services.journeys.neighbours import Neighbours
from workflows.converter import data_converter
from workflows.definitions import Definitions, from_service
from workflows.worker import build_worker

KEY = "living"


class Feed:
    """A neighbour's feed, in memory."""

    def __init__(self) -> None:
        self._items: list[FeedItem] = []
        self._grown = asyncio.Condition()

    async def add(self, profile_id: UUID, kind: str, *bodies: dict[str, Any]) -> None:
        for body in bodies:
            self._items.append(
                FeedItem(
                    id=f"i{len(self._items)}-{uuid4()}",
                    source="test",
                    type=kind,
                    subject=str(profile_id),
                    time=datetime.now(UTC),
                    cursor=f"x.1.{len(self._items) + 1}",
                    data=body,
                )
            )
        async with self._grown:
            self._grown.notify_all()

    def on(self, app: FastAPI) -> FastAPI:
        @app.get("/v1/feed")
        async def feed(after: str = "", limit: int = 500, wait: float = 0.0) -> FeedPage:
            start = int(after.rpartition(".")[2]) if after else 0
            if len(self._items) <= start and wait:
                async with self._grown:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._grown.wait_for(lambda: len(self._items) > start), wait)
            items = tuple(self._items[start : start + limit])
            return FeedPage(items=items, next=items[-1].cursor if items else after or "x.1.0")

        return app


@dataclass
class Living:
    """What a test does to the running service, and reads from it."""

    database: Database
    neighbours: Neighbours
    journeys: ServiceClient
    temporal: Client
    queue: str
    app: FastAPI
    profiles: Feed = field(default_factory=Feed)

    async def publish(self, definition: dict[str, Any]) -> None:
        await self.journeys.request("PUT", f"/v1/journeys/{definition['key']}", definition)

    async def track(self, profile_id: UUID, name: str, *properties: dict[str, Any]) -> None:
        """Events, one for each of the properties, as profiles stores them and as its feed brings them."""
        events = [
            TrackedEvent.model_validate({"id": str(uuid4()), "name": name, "properties": each, "timestamp": datetime.now(UTC)})
            for each in properties or ({},)
        ]
        for event in events:
            self.neighbours.track(profile_id, event)
        await self.profiles.add(profile_id, EVENT_TRACKED, *(event.model_dump(mode="json") for event in events))

    async def enrol(self, key: str, **properties: Any) -> UUID:
        """A new person, by API."""
        profile_id = uuid4()
        self.neighbours.traits[profile_id] = {}
        body = {"profile_id": str(profile_id), "idempotency_key": str(uuid4()), "properties": properties}
        answer = await self.journeys.request("POST", f"/v1/journeys/{key}/enrolments", body)
        return UUID(orjson.loads(answer)["enrolment_id"])

    async def rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self.database.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def change(self, statement: str, **parameters: object) -> None:
        async with self.database.begin() as session:
            await session.execute(text(statement), parameters)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        while not await condition():
            await asyncio.sleep(0.05)

    async def standing_at(self, enrolment: UUID, step: str, visit: int = 1) -> None:
        async def there() -> bool:
            return bool(
                await self.rows(
                    "SELECT 1 FROM decision WHERE enrolment_id = :id AND step = :step AND visit = :visit",
                    id=enrolment,
                    step=step,
                    visit=visit,
                )
            )

        await self.until(there)

    async def ended(self, enrolment: UUID) -> str:
        """Waits for its end; answers the reason."""
        found: list[str] = []

        async def over() -> bool:
            found.extend(
                row.reason
                for row in await self.rows("SELECT reason FROM enrolment WHERE id = :id AND state = 'ended'", id=enrolment)
            )
            return bool(found)

        await self.until(over)
        return found[0]

    async def repairs(self) -> dict[str, int]:
        return {row[0]: row[1] for row in await self.rows("SELECT kind, count FROM repair")}

    def handle(self, key: str, enrolment: UUID) -> WorkflowHandle[Any, Any]:
        return self.temporal.get_workflow_handle(workflow_id(key, enrolment))

    @asynccontextmanager
    async def worker(self, *, cohort_batches: int | None = None) -> AsyncIterator[None]:
        """With `cohort_batches` it advances cohorts as well, by so many batches in one activity."""
        definitions = Definitions(from_service(self.journeys))
        target = self.temporal.service_client.config.target_host
        client = await Client.connect(target, data_converter=data_converter(definitions))
        activities = EnrolmentActivities(self.journeys)
        cohorts = CohortActivities(self.journeys, at_once=cohort_batches) if cohort_batches else None
        async with build_worker(client, self.queue, activities, cohorts, sandbox=False, build_id="test"):
            yield


@asynccontextmanager
async def living(
    url: str,
    address: str,
    *,
    grace: timedelta = timedelta(seconds=1),
    every: float = 0.2,
    clock: Clock | None = None,
    **more: Any,
) -> AsyncIterator[Living]:
    """The service on its database and Temporal server, without a worker. `more` are other arguments of `create_app`."""
    neighbours, profiles = Neighbours(), Feed()
    temporal = await Client.connect(address, data_converter=pydantic_data_converter)
    queue = f"living-{uuid4()}"

    def client(service: str, feed: Feed) -> ServiceClient:
        return ServiceClient(service, "http://neighbours", transport=httpx.ASGITransport(app=feed.on(neighbours.app())))

    app = create_app(
        database=Database(url),
        keyring=KeyRing((ApiKey(name=KEY, sha256=hashed(KEY), scopes=frozenset(Scope)),)),
        clock=clock or Clock(),
        temporal=temporal,
        task_queue=queue,
        profiles=client("profiles", profiles),
        segments=client("segments", Feed()),
        channels=client("channels", Feed()),
        reconciler_grace=grace,
        reconciler_every=every,
        **more,
    )
    database = Database(url)
    journeys = ServiceClient("journeys", "http://journeys", key=KEY, transport=httpx.ASGITransport(app=app))
    async with app.router.lifespan_context(app):
        yield Living(database, neighbours, journeys, temporal, queue, app, profiles)
    await journeys.close()
    await database.close()
