"""A journeys service with its watcher, whose segments really ask conditions of what the neighbours know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.profiles import PROFILE_CHANGED
from contracts.segments import SEGMENT_ENTERED, SEGMENT_LEFT, MembershipChange
from infra.clock import Clock
from journeys.outcome import Waiting
from services.journeys.outgoing import Outgoing
from services.journeys.waits.watching import Watcher
from tests.services.journeys.conftest import Service

CAME = {"id": "came", "event": "Attended", "steps": []}


def wait_for(*paths: object, **more: object) -> list[dict[str, object]]:
    """The steps of a journey that waits."""
    return [{"id": "w", "type": "wait_for", "paths": list(paths), **more}]


@dataclass
class Watched:
    """What happens to people, and what the watcher then tells."""

    service: Service
    told: list[Outgoing] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service.neighbours.clock = self.service.clock
        self.watcher = self.another()

    def another(self, clock: Clock | None = None) -> Watcher:
        """The watcher of another process."""
        return Watcher(
            database=self.service.database,
            looker=self.service.looker(clock),
            clock=clock or self.service.clock,
            deliver=self.told.extend,
        )

    async def look(self) -> list[Outgoing]:
        """Looks until nothing is due; answers what was told meanwhile."""
        before = len(self.told)
        while await self.watcher.step():
            pass
        return self.told[before:]

    async def identify(self, profile_id: UUID, **traits: object) -> list[Outgoing]:
        """A change of traits as profiles stores it and as its feed brings it."""
        everything = {**self.service.neighbours.traits.get(profile_id, {}), **traits}
        self.service.neighbours.traits[profile_id] = everything
        data = {"traits": everything, "version": 2, "created_at": self.service.clock.now().isoformat()}
        return await self.service.feed(self.service.item(profile_id, PROFILE_CHANGED, data))

    def joins(self, profile_id: UUID, segment: str, *, member: bool = True, at: datetime | None = None) -> MembershipChange:
        """A membership as segments keeps it."""
        number = next(self.service.numbers)
        change = MembershipChange(id=f"m{number}", segment=segment, member=member, at=at or self.service.clock.now())
        self.service.neighbours.changes[profile_id].append(change)
        return change

    async def hear(self, profile_id: UUID, change: MembershipChange) -> list[Outgoing]:
        """As its feed brings it."""
        data = {"segment": change.segment, "at": change.at.isoformat(), "number": 1, "traits": {}}
        kind = SEGMENT_ENTERED if change.member else SEGMENT_LEFT
        return await self.service.feed(self.service.item(profile_id, kind, data, change.id), route="segments")

    async def waiting(self, enrolment_id: UUID, step: str = "w", visit: int = 1, **more: Any) -> Waiting:
        outcome = await self.service.perform(enrolment_id, step, visit, **more)
        assert isinstance(outcome, Waiting)
        return outcome

    async def watches(self) -> Sequence[Any]:
        return await self.service.rows("SELECT * FROM watch ORDER BY id")
