"""Advancing a cohort by one batch: its next members enter, and are taken through their first steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from contracts.journeys import CohortProgress
from contracts.segments import MemberFound, MemberQuery
from infra.clock import Clock
from infra.db import Database
from infra.errors import Rejected
from journeys import Journey
from journeys.model import EntryBySchedule
from journeys.timing import zone_of
from services.journeys.cohorts import store as cohorts
from services.journeys.cohorts.carrying import Carrier
from services.journeys.cohorts.store import Cohort
from services.journeys.entry.admission import Entrant
from services.journeys.entry.asking import Asker
from services.journeys.entry.entering import enter
from services.journeys.lifecycle.versions import Versions
from services.journeys.merging import survivors
from services.journeys.outgoing import Outgoing
from services.journeys.steps.facts import bare_fact
from services.journeys.waits.clocks import known_zones
from services.journeys.world import World

BATCH = 500
_STATE = text("SELECT state FROM journey WHERE key = :key")


def home_zone(journey: Journey, workspace_zone: str) -> str:
    """Where people live who do not say, or say a place that does not exist."""
    return zone_of(None, journey.zone, workspace_zone)[0].key


def narrowed(cohort: Cohort, journey: Journey, workspace_zone: str) -> MemberQuery:
    """The question for the cohort's next members: of one zone where it is of one; those without a zone live at home."""
    query = MemberQuery(after=UUID(cohort.after) if cohort.after else None, limit=_batch(cohort.per_hour))
    if cohort.zone is None:
        return query
    if cohort.zone != home_zone(journey, workspace_zone):
        return query.model_copy(update={"zones": (cohort.zone,)})
    return query.model_copy(update={"zones": tuple(sorted(known_zones() - {cohort.zone})), "others": True})


@dataclass(frozen=True, slots=True)
class _Batch:
    """Members as they are to enter. `last` is the last of the page, None for a page that is empty."""

    entrants: list[Entrant]
    last: UUID | None
    is_last: bool


class Gatherer:
    """The service behind `POST /v1/cohorts/{id}/advance`. Killed anywhere, the next call goes on from what was committed."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        world: World,
        asker: Asker,
        carrier: Carrier,
        clock: Clock,
        workspace_zone: str,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._asker = asker
        self._carrier = carrier
        self._clock = clock
        self._zone = workspace_zone
        self._deliver = deliver

    async def advance(self, cohort_id: UUID) -> CohortProgress:
        """One batch further. Raises `NotFound`; `Unavailable` where a service does not answer: then it is asked again.

        Those who have entered go on to the next wait, also of a cohort that was cancelled or paused meanwhile.
        """
        if await self._carrier.carry(cohort_id, BATCH) == BATCH:
            # There may be more of them: whatever the cohort's state, it is asked again.
            return (await self._progress(cohort_id)).model_copy(update={"state": "running", "wake_at": None})
        async with self._database.read() as session:
            cohort = await cohorts.load(session, cohort_id)
            state = (await session.execute(_STATE, {"key": cohort.journey})).scalar_one_or_none()
        if cohort.state == "running" and state in ("draining", "archived", None):
            async with self._database.begin() as session:
                await cohorts.move(session, cohort_id, "cancelled", self._clock.now())
            return await self._progress(cohort_id)
        if cohort.state != "running" or state == "paused":
            return _progress(cohort, self._clock, paused=state == "paused")
        if cohort.next_at is not None and cohort.next_at > self._clock.now():
            return _progress(cohort, self._clock)
        batch = await self._members(cohort)
        if batch.last is not None and not await self._enter(cohort, batch, batch.last):
            return await self._progress(cohort_id)
        left = await self._carrier.carry(cohort_id, BATCH)
        if batch.is_last and left < BATCH and not await self._carries(cohort_id):
            async with self._database.begin() as session:
                await cohorts.move(session, cohort_id, "done", self._clock.now())
        return await self._progress(cohort_id)

    async def _members(self, cohort: Cohort) -> _Batch:
        journey = await self._versions.journey(cohort.version)
        page = await self._world.members(cohort.segment or "", narrowed(cohort, journey, self._zone))
        now = self._clock.now()
        entrants = [_entrant(cohort, journey, member, now) for member in page.members]
        answers = await asyncio.gather(*(self._asker.ask(each) for each in entrants), return_exceptions=True)
        # Somebody whose question is refused becomes a candidate, and holds up nobody.
        asked = [_or_unasked(entrant, answer) for entrant, answer in zip(entrants, answers, strict=True)]
        return _Batch(asked, page.members[-1].profile_id if page.members else None, page.next is None)

    async def _enter(self, cohort: Cohort, batch: _Batch, last: UUID) -> bool:
        """Enrols a batch and moves the cohort behind it, in one transaction; False where somebody else was faster."""
        now = self._clock.now()
        async with self._database.begin() as session:
            fresh = await cohorts.load(session, cohort.id, locked=True)
            if fresh.state != "running" or fresh.after != cohort.after:
                return False
            merged = await survivors(session, [each.profile_id for each in batch.entrants])
            entrants = [replace(each, profile_id=merged.get(each.profile_id, each.profile_id)) for each in batch.entrants]
            entered = await enter(session, entrants, now)
            await cohorts.taken(
                session,
                cohort.id,
                after=last,
                taken=len(entrants),
                entered=len(entered.enrolments),
                refused=len(entered.refused),
                next_at=_next_at(cohort, len(entrants), now),
            )
        self._deliver(entered.outgoing)
        return True

    async def _carries(self, cohort_id: UUID) -> bool:
        async with self._database.read() as session:
            statement = text("SELECT 1 FROM enrolment WHERE cohort_id = :id AND carried AND state <> 'ended' LIMIT 1")
            return (await session.execute(statement, {"id": cohort_id})).first() is not None

    async def _progress(self, cohort_id: UUID) -> CohortProgress:
        async with self._database.read() as session:
            return _progress(await cohorts.load(session, cohort_id), self._clock)


def _progress(cohort: Cohort, clock: Clock, *, paused: bool = False) -> CohortProgress:
    wake_at = None
    if cohort.state == "running" and cohort.next_at is not None and cohort.next_at > clock.now():
        wake_at = clock.to_real(cohort.next_at)
    return CohortProgress(
        state="paused" if paused and cohort.state == "running" else cohort.state, taken=cohort.taken, wake_at=wake_at
    )


def _entrant(cohort: Cohort, journey: Journey, member: MemberFound, now: datetime) -> Entrant:
    """An occurrence of a schedule enters a person once, in whatever zone they are found."""
    if isinstance(journey.entry, EntryBySchedule) and not cohort.occasion.startswith("backfill:"):
        occasion, name = cohort.occasion.partition(" ")[0], "journey.scheduled"
    else:
        occasion, name = str(cohort.id), "journey.backfilled"
    entry = bare_fact(f"{occasion}:{member.profile_id}", name, cohort.at)
    return Entrant(
        journey,
        cohort.version,
        member.profile_id,
        entry,
        now,
        member.traits,
        look_back=True,
        cohort_id=cohort.id,
        traits_known=True,
    )


def _or_unasked(entrant: Entrant, answer: Entrant | BaseException) -> Entrant:
    if isinstance(answer, Entrant):
        return answer
    if isinstance(answer, Rejected) and answer.answered not in (401, 403):
        return entrant
    raise answer


def _batch(per_hour: int | None) -> int:
    """A minute's worth at most, so that a pace is even."""
    return BATCH if per_hour is None else max(1, min(BATCH, per_hour // 60))


def _next_at(cohort: Cohort, taken: int, now: datetime) -> datetime | None:
    if cohort.per_hour is None:
        return None
    return max(cohort.next_at or now, now) + timedelta(hours=1) * taken / cohort.per_hour
