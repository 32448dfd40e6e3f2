"""A journeys service without its HTTP: real database, scripted neighbours, and a list of what Temporal would be told."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from contracts.channels import Channel, Receipt, Status
from contracts.feed import FeedItem
from contracts.journeys import FinishItem, StepItem
from contracts.profiles import EVENT_TRACKED, TrackedEvent
from infra.clock import Clock
from infra.db import Database
from journeys.outcome import ServiceOutcome
from services.journeys.entry.asking import Asker
from services.journeys.entry.enrolling import Enroller
from services.journeys.lifecycle.changes import Lifecycle
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.routing import ProfileRoute, ReceiptRoute, SegmentRoute
from services.journeys.steps.performing import Steps
from services.journeys.steps.requests import Secrets
from services.journeys.waits.first_look import FirstLook
from services.journeys.waits.looking import Looker
from services.journeys.waits.looking_back import CriteriaLookBack
from tests.services.journeys.neighbours import Neighbours
from tests.services.journeys.town import Town, town_of
from tests.services.journeys.wiring import steps_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class SetClock(Clock):
    """A clock that the test sets; it counts as real time."""

    instant = NOW

    def real_now(self) -> datetime:
        return SetClock.instant


@dataclass
class Service:
    """The service's parts, and what a feed or the worker would do to them."""

    database: Database
    neighbours: Neighbours
    clock: SetClock
    versions: Versions
    steps: Steps
    enroller: Enroller
    lifecycle: Lifecycle
    told: list[Outgoing] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    async def publish(self, **changes: object) -> str:
        definition = {
            "key": "signup",
            "name": "Signup",
            "purpose": "marketing",
            "entry": {"event": "Signup", "key": "event.properties.event_id"},
            "steps": [
                {
                    "id": "attend",
                    "type": "wait_for",
                    "since": "entry",
                    "paths": [
                        {
                            "id": "came",
                            "event": "Attended",
                            "where": {"property": "event_id", "eq": {"ref": "entry.properties.event_id"}},
                        }
                    ],
                    "timeout": {"after": "P3D"},
                }
            ],
            **changes,
        }
        world = self.neighbours.world()
        return (await self.versions.publish(definition, by="test", now=self.clock.now(), world=world)).hash

    def event(self, name: str, *, at: datetime | None = None, **properties: object) -> TrackedEvent:
        return TrackedEvent.model_validate(
            {"id": f"e{next(self.numbers)}", "name": name, "properties": properties, "timestamp": at or self.clock.now()}
        )

    def item(self, profile_id: UUID, kind: str, data: dict[str, Any], identifier: str | None = None) -> FeedItem:
        number = next(self.numbers)
        return FeedItem(
            id=identifier or f"i{number}",
            source="test",
            type=kind,
            subject=str(profile_id),
            time=self.clock.now(),
            cursor=f"x.1.{number}",
            data=data,
        )

    async def feed(self, *items: FeedItem, route: str = "profiles") -> list[Outgoing]:
        """One page of a feed, applied and committed; answers what Temporal is to be told."""
        told: list[Outgoing] = []
        routes: dict[str, ProfileRoute | SegmentRoute | ReceiptRoute] = {
            "profiles": ProfileRoute(self.versions, told.extend, self.clock),
            "segments": SegmentRoute(self.versions, told.extend, self.clock),
            "channels": ReceiptRoute(told.extend, self.clock),
        }
        write = await routes[route].prepare(items)
        async with self.database.begin() as session:
            await write(session)
        routes[route].committed()
        return told

    async def track(self, profile_id: UUID, name: str, *, at: datetime | None = None, **properties: object) -> list[Outgoing]:
        """An event as profiles stores it and as its feed brings it."""
        event = self.event(name, at=at, **properties)
        self.neighbours.track(profile_id, event)
        return await self.feed(self.item(profile_id, EVENT_TRACKED, event.model_dump(mode="json")))

    def receipt(
        self, enrolment_id: UUID, status: Status, *, step: str = "ask", visit: int = 1, text: str | None = None
    ) -> Receipt:
        """What has just become of a message of this step."""
        return Receipt(
            id=f"r{visit}-{status.value}",
            message_id=uuid4(),
            status=status,
            channel=Channel.SMS,
            attempt_number=1,
            at=self.clock.now(),
            enrolment=enrolment_id,
            journey="signup",
            step=step,
            visit=visit,
            text=text,
        )

    async def receive(self, profile_id: UUID, receipt: Receipt) -> list[Outgoing]:
        """A receipt as the feed of channels brings it."""
        return await self.feed(self.item(profile_id, "message.receipt", receipt.model_dump(mode="json")), route="channels")

    def looker(self, clock: Clock | None = None) -> Looker:
        """What looks at conditions and dates."""
        world = self.neighbours.world()
        return Looker(
            database=self.database,
            versions=self.versions,
            world=world,
            clock=clock or self.clock,
            workspace_zone="Europe/Berlin",
        )

    @property
    def look_back(self) -> CriteriaLookBack:
        return CriteriaLookBack(database=self.database, world=self.neighbours.world(), clock=self.clock)

    @property
    def first_look(self) -> FirstLook:
        return FirstLook(criteria=self.look_back, looker=self.looker())

    async def enter(self, **properties: object) -> tuple[UUID, UUID]:
        """A new person enters by the event `Signup`; answers profile and enrolment."""
        profile_id = uuid4()
        self.neighbours.traits.setdefault(profile_id, {})
        properties.setdefault("event_id", "x")
        (start,) = await self.track(profile_id, "Signup", at=None, **properties)
        return profile_id, start.enrolment_id

    async def perform(self, enrolment_id: UUID, step: str, visit: int = 1, **more: Any) -> ServiceOutcome:
        (outcome,) = await self.steps.perform([StepItem(enrolment_id=enrolment_id, step=step, visit=visit, **more)])
        return outcome

    async def rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self.database.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def write(self, statement: str, **parameters: object) -> None:
        async with self.database.begin() as session:
            await session.execute(text(statement), parameters)

    async def finish(self, enrolment_id: UUID, reason: str = "completed") -> None:
        """As the workflow says it at its end."""
        await self.steps.finish([FinishItem(enrolment_id=enrolment_id, reason=reason)])

    def pass_time(self, time: timedelta) -> None:
        SetClock.instant += time


@pytest.fixture
async def service(migrated_database: Callable[[str], str]) -> AsyncIterator[Service]:
    SetClock.instant = NOW
    database = Database(migrated_database("journeys"))
    secrets = Secrets.parse(SecretStr('{"CRM_KEY": "hush-hush", "LOGIN": "me:pw"}'))
    neighbours, clock, versions = Neighbours(), SetClock(), Versions(database, secrets=frozenset(secrets.values))
    world = neighbours.world()
    told: list[Outgoing] = []
    steps, lifecycle = steps_of(
        database=database, versions=versions, world=world, clock=clock, zone="Europe/Berlin", secrets=secrets, deliver=told.extend
    )
    asker = Asker(world, "Europe/Berlin")
    enroller = Enroller(database=database, versions=versions, world=world, asker=asker, clock=clock, deliver=told.extend)
    yield Service(database, neighbours, clock, versions, steps, enroller, lifecycle, told)
    await database.close()


@pytest.fixture
async def town(migrated_database: Callable[[str], str]) -> AsyncIterator[Town]:
    async with town_of(migrated_database) as town:
        yield town
