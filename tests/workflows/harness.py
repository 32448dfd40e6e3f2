"""A worker and the means to enrol people, for tests and for the recorder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from pydantic import JsonValue
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.cohorts import CohortActivities
from activities.enrolments import EnrolmentActivities
from contracts.journeys import (
    COHORT_WORKFLOW,
    SIGNAL_INTERRUPT,
    SIGNAL_MATCHED,
    SIGNAL_MOVE,
    SIGNAL_REFRESH,
    WORKFLOW,
    CohortInput,
    EnrolmentInput,
    InterruptSignal,
    MatchedSignal,
    MoveSignal,
    RefreshSignal,
)
from infra.http import ServiceClient
from journeys import content_hash
from tests.workflows.crowds import Crowd
from tests.workflows.scripted import World, serving
from workflows.converter import data_converter
from workflows.definitions import Definitions, from_service
from workflows.worker import build_worker

Handle = WorkflowHandle[object, str]


@dataclass
class Enrolled:
    """Somebody in a journey."""

    id: UUID
    handle: Handle

    async def matched(self, step: str, path: str, event_id: str, visit: int = 1) -> None:
        signal = MatchedSignal(step=step, visit=visit, path=path, event_id=event_id)
        await self.handle.signal(SIGNAL_MATCHED, signal)

    async def refreshed(self, step: str, visit: int = 1) -> None:
        await self.handle.signal(SIGNAL_REFRESH, RefreshSignal(step=step, visit=visit))

    async def moved(self, definition: JsonValue, step: str | None = None, offset: int = 0) -> None:
        await self.handle.signal(SIGNAL_MOVE, MoveSignal(journey=content_hash(definition), step=step, offset=offset))

    async def interrupted(self, event_id: str = "e-exit") -> None:
        await self.handle.signal(SIGNAL_INTERRUPT, InterruptSignal(reason="exit", event_id=event_id))

    async def result(self) -> str:
        return await self.handle.result()


@dataclass
class Gathered:
    """A cohort under way."""

    handle: Handle

    async def result(self) -> str:
        return await self.handle.result()


@dataclass
class Shell:
    """Everything around the workflow: Temporal, the scripted world, and workers when asked for."""

    address: str
    world: World
    url: str
    starter: Client
    queue: str = field(default_factory=lambda: f"reis-{uuid4()}")

    async def enrol(self, definition: JsonValue, *, task_timeout: timedelta | None = None) -> Enrolled:
        """As the journeys service does it: by name, with the plain converter. A short `task_timeout` makes many tasks."""
        digest, enrolment = content_hash(definition), uuid4()
        handle: Handle = await self.starter.start_workflow(
            WORKFLOW,
            EnrolmentInput(enrolment_id=enrolment, journey=digest),
            id=f"{self.world.journey(digest).key}/{enrolment}",
            task_queue=self.queue,
            result_type=str,
            task_timeout=task_timeout,
        )
        return Enrolled(enrolment, handle)

    async def gather(self, crowd: Crowd) -> Gathered:
        """As the journeys service starts a cohort."""
        self.world.crowds[crowd.id] = crowd
        handle: Handle = await self.starter.start_workflow(
            COHORT_WORKFLOW,
            CohortInput(cohort_id=crowd.id),
            id=f"cohort/{crowd.id}",
            task_queue=self.queue,
            result_type=str,
        )
        return Gathered(handle)

    @asynccontextmanager
    async def worker(self, *, sandbox: bool = True) -> AsyncIterator[Definitions]:
        """A worker of its own client, as a process would have it."""
        async with ServiceClient("journeys", self.url) as journeys:
            definitions = Definitions(from_service(journeys))
            client = await Client.connect(self.address, data_converter=data_converter(definitions))
            activities = EnrolmentActivities(journeys)
            cohorts = CohortActivities(journeys)
            async with build_worker(
                client, self.queue, activities, cohorts, sandbox=sandbox, build_id="test", failing=[Exception]
            ):
                yield definitions


@asynccontextmanager
async def shell(address: str, world: World) -> AsyncIterator[Shell]:
    async with serving(world) as url:
        starter = await Client.connect(address, data_converter=pydantic_data_converter)
        yield Shell(address, world, url, starter)
