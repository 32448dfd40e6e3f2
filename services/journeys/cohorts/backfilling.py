"""Back-fill: everybody who matches now enters a journey that waited for people to begin to."""

from __future__ import annotations

from uuid import uuid4

from pydantic import BaseModel

from contracts.journeys import BackfillRequest
from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Conflict, Flaw, NotFound, Rejected
from journeys import Journey
from journeys.model import EntryBySchedule, EntryBySegment
from services.journeys.cohorts import store as cohorts
from services.journeys.cohorts.store import Cohort
from services.journeys.entry.doors import Door
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.versions import Versions
from services.journeys.world import World


class Backfill(BaseModel):
    """How many members there are now; the cohort that takes them, none for a dry run."""

    members: int
    cohort: Cohort | None = None


class Backfiller:
    """Makes the cohort of a back-fill."""

    def __init__(self, *, database: Database, versions: Versions, world: World, clock: Clock) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._clock = clock

    async def backfill(self, key: str, request: BackfillRequest, by: str) -> Backfill:
        """Raises `NotFound` for an unknown journey, `BadInput` for a segment there is not, `Conflict` where nobody enters."""
        async with self._database.read() as session:
            version = (await self._versions.current(session)).get(key)
        if version is None:
            raise NotFound("journey", key)
        journey = await self._versions.journey(version)
        segment = _segment(journey, request)
        members = await self._members(segment)
        if request.dry_run:
            return Backfill(members=members)
        now, occasion = self._clock.now(), f"backfill:{request.idempotency_key or uuid4()}"
        async with self._database.begin() as session:
            door = (await Door.of(session, [key])).get(key, Door())
            if door.closed:
                raise Conflict(door.closed)
            is_new = await cohorts.create(
                session,
                journey=key,
                version=version,
                occasion=occasion,
                segment=segment,
                zone=None,
                at=now,
                per_hour=_pace(journey, request.per_hour),
                by=by,
                now=now,
            )
            cohort = await cohorts.named(session, key, occasion)
            if is_new:
                detail = {"cohort": str(cohort.id), "segment": segment, "members": members, "per_hour": cohort.per_hour}
                await note(session, at=now, who=by, action="back-fill", journey=key, detail=detail)
        return Backfill(members=members, cohort=cohort)

    async def _members(self, segment: str) -> int:
        try:
            return (await self._world.zones(segment)).members
        except Rejected as error:
            if error.answered != 404:
                raise
            flaw = Flaw(path="$.segment", message=f"there is no segment {segment!r}", remedy="name one of GET /v1/segments")
            raise BadInput([flaw], "the back-fill") from error


def _segment(journey: Journey, request: BackfillRequest) -> str:
    if request.segment is not None:
        return request.segment
    match journey.entry:
        case EntryBySegment():
            return journey.entry.segment_entered
        case EntryBySchedule():
            return journey.entry.segment
        case _:
            flaw = Flaw(path="$.segment", message="the journey's entry names no segment", remedy="say whose members shall enter")
            raise BadInput([flaw], "the back-fill")


def _pace(journey: Journey, wanted: int | None) -> int | None:
    """No faster than the journey's own cap, so that people need not be held one by one."""
    caps = journey.entry.caps
    allowed = [pace for pace in (wanted, caps.per_hour if caps else None) if pace is not None]
    return min(allowed, default=None)
