"""Many people who enter together, on the service under test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from contracts.journeys import CohortProgress
from services.journeys.cohorts import store as cohorts
from services.journeys.cohorts.backfilling import Backfiller
from services.journeys.cohorts.carrying import Carrier
from services.journeys.cohorts.gathering import Gatherer
from services.journeys.cohorts.scheduling import Scheduler
from services.journeys.cohorts.store import Cohort
from services.journeys.entry.admitter import Admitter
from services.journeys.entry.asking import Asker
from tests.services.journeys.conftest import Service

HOME = "Europe/Berlin"


@dataclass
class Crowd:
    """What the loops of the journeys service do, step by step."""

    service: Service

    @property
    def admitter(self) -> Admitter:
        each = self.service
        asker = Asker(each.neighbours.world(), HOME)
        return Admitter(database=each.database, versions=each.versions, asker=asker, clock=each.clock, deliver=each.told.extend)

    @property
    def gatherer(self) -> Gatherer:
        each, world = self.service, self.service.neighbours.world()
        carrier = Carrier(
            database=each.database,
            versions=each.versions,
            steps=each.steps,
            first_look=each.first_look,
            clock=each.clock,
            deliver=each.told.extend,
        )
        return Gatherer(
            database=each.database,
            versions=each.versions,
            world=world,
            asker=Asker(world, HOME),
            carrier=carrier,
            clock=each.clock,
            workspace_zone=HOME,
            deliver=each.told.extend,
        )

    @property
    def scheduler(self) -> Scheduler:
        each = self.service
        return Scheduler(
            database=each.database, versions=each.versions, world=each.neighbours.world(), clock=each.clock, workspace_zone=HOME
        )

    @property
    def backfiller(self) -> Backfiller:
        each = self.service
        return Backfiller(database=each.database, versions=each.versions, world=each.neighbours.world(), clock=each.clock)

    def people(self, number: int, segment: str = "crowd", **traits: Any) -> list[UUID]:
        """New members of a segment."""
        ids = [uuid4() for _ in range(number)]
        self.service.neighbours.traits.update({each: dict(traits) for each in ids})
        self.service.neighbours.segments = [{"key": segment}]
        self.service.neighbours.members.setdefault(segment, []).extend(ids)
        return ids

    async def all(self, journey: str = "signup") -> list[Cohort]:
        async with self.service.database.read() as session:
            return await cohorts.of_journey(session, journey, 1000)

    async def move(self, cohort: Cohort, to: cohorts.State) -> None:
        async with self.service.database.begin() as session:
            await cohorts.move(session, cohort.id, to, self.service.clock.now())

    async def gather(self, cohort: Cohort) -> CohortProgress:
        """Advances until nothing more may be done now."""
        while True:
            progress = await self.gatherer.advance(cohort.id)
            if progress.state != "running" or progress.wake_at is not None:
                return progress

    async def enrolled(self) -> Sequence[Any]:
        return await self.service.rows("SELECT * FROM enrolment ORDER BY entered_at, id")
