"""Schedules: one cohort per journey, occurrence and time zone, made exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import structlog
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from journeys import Journey
from journeys.model import EntryBySchedule
from journeys.recurrence import next_occurrence, occurrences
from services.journeys.cohorts import store as cohorts
from services.journeys.cohorts.gathering import home_zone
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.versions import Versions
from services.journeys.waits.clocks import known_zones
from services.journeys.world import World

log = structlog.get_logger(__name__)

CATCH_UP = timedelta(hours=6)
"""An occurrence that nobody was there for still runs if it is no older than this."""
_AT_LEAST = 60.0
_LONGEST_SLEEP = 5.0
_TICK = timedelta(microseconds=1)

_SCHEDULED = text(
    "SELECT j.key, j.current, s.checked_to, coalesce(s.checked_to, greatest(v.published_at, j.state_since)) AS since "
    "FROM journey j JOIN version v ON v.hash = j.current LEFT JOIN schedule s ON s.journey = j.key "
    "WHERE j.state = 'published' AND jsonb_exists(v.definition->'entry', 'schedule')"
)
_PASSED_OVER = text("SELECT journey, passed_over FROM schedule WHERE passed_over <> '[]'")
_NOTED = text("UPDATE schedule SET passed_over = '[]' WHERE journey = :key AND passed_over = CAST(:noted AS jsonb)")
_CHECKED = text(
    "INSERT INTO schedule (journey, checked_to) VALUES (:key, :to) "
    "ON CONFLICT (journey) DO UPDATE SET checked_to = greatest(schedule.checked_to, excluded.checked_to)"
)


class Scheduler:
    """A loop in the journeys service; any number of processes may run it, the occasion is unique.

    While a journey is paused its occurrences wait; then, as after any downtime, those older than `CATCH_UP` are noted as missed
    (a cohort of that state, and the audit log), and so are those that waited when another schedule took over.
    """

    def __init__(self, *, database: Database, versions: Versions, world: World, clock: Clock, workspace_zone: str) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._clock = clock
        self._zone = workspace_zone
        self._quiet: dict[tuple[str, datetime], datetime] = {}

    async def run(self) -> None:
        """Follows every schedule until cancelled."""
        while True:
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001  # nothing was noted as done: the next look finds it again
                log.warning("scheduler.failed", why=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(self._seconds())

    async def step(self) -> int:
        """Makes the cohorts that are due; returns how many are new. One journey's trouble does not hold up the others."""
        async with self._database.read() as session:
            rows = (await session.execute(_SCHEDULED)).all()
            passed_over = (await session.execute(_PASSED_OVER)).all()
        for row in passed_over:
            try:
                await self._note_passed_over(row.journey, row.passed_over)
            except Exception as error:  # noqa: BLE001  # the next look notes them
                log.warning("scheduler.not_noted", journey=row.journey, why=f"{type(error).__name__}: {error}".splitlines()[0])
        followed = {(row.current, row.since) for row in rows}
        self._quiet = {known: at for known, at in self._quiet.items() if known in followed}
        made = 0
        for row in rows:
            try:
                made += await self._follow(row.key, row.current, row.since, first=row.checked_to is None)
            except Exception as error:  # noqa: BLE001  # the next look finds its occurrences again
                log.warning("scheduler.later", journey=row.key, why=f"{type(error).__name__}: {error}".splitlines()[0])
        return made

    async def _follow(self, key: str, version: str, since: datetime, *, first: bool) -> int:
        quiet = self._quiet.get((version, since))
        now = self._clock.now()
        if quiet is not None and quiet > now:
            return 0
        journey = await self._versions.journey(version)
        entry = journey.entry
        assert isinstance(entry, EntryBySchedule)
        due = self._due(journey, entry, since, now)
        made = 0
        if due or first:
            inhabited = due.keys() & await self._inhabited(journey, entry) if due else set()
            async with self._database.begin() as session:
                for zone in sorted(inhabited):
                    for at in due[zone]:
                        missed = now - at > max(CATCH_UP, self._in_real_time(now))
                        made += await self._make(session, journey, version, entry, zone, at, now, missed=missed)
                await session.execute(_CHECKED, {"key": key, "to": now})
            since = now
        nexts = [
            coming for zone in self._zones(journey, entry) if (coming := next_occurrence(entry.schedule, now, zone)) is not None
        ]
        self._quiet = {known: at for known, at in self._quiet.items() if known[0] != version}
        self._quiet[version, since] = min(nexts, default=datetime.max.replace(tzinfo=UTC))
        return made

    async def _note_passed_over(self, key: str, passed: list[dict[str, str]]) -> None:
        """Notes what schedules brought that another one took over from before it had its cohort."""
        now = self._clock.now()
        async with self._database.begin() as session:
            for each in passed:
                journey = await self._versions.journey(each["version"], session)
                entry = journey.entry
                assert isinstance(entry, EntryBySchedule)
                after, to = (datetime.fromisoformat(each[end]) for end in ("after", "to"))
                due = self._due(journey, entry, after, to)
                for zone in sorted(due.keys() & await self._inhabited(journey, entry) if due else ()):
                    for at in due[zone]:
                        await self._make(session, journey, each["version"], entry, zone, at, now, missed=True)
            await session.execute(_NOTED, {"key": key, "noted": orjson.dumps(passed).decode()})

    def _zones(self, journey: Journey, entry: EntryBySchedule) -> list[str]:
        return [entry.schedule.zone] if entry.schedule.zone else sorted(known_zones() | {home_zone(journey, self._zone)})

    def _due(self, journey: Journey, entry: EntryBySchedule, after: datetime, to: datetime) -> dict[str, list[datetime]]:
        """What came after one instant up to another, by zone."""
        return {
            zone: found
            for zone in self._zones(journey, entry)
            if (found := list(occurrences(entry.schedule, after + _TICK, to + _TICK, zone)))
        }

    def _in_real_time(self, now: datetime) -> timedelta:
        """How much of our clock's time passes in `_AT_LEAST` real seconds."""
        return self._clock.to_virtual(self._clock.real_now() + timedelta(seconds=_AT_LEAST)) - now

    async def _inhabited(self, journey: Journey, entry: EntryBySchedule) -> set[str]:
        """The zones that members live in; those who say none, or one that does not exist, live at home."""
        if entry.schedule.zone:
            return {entry.schedule.zone}
        found = await self._world.zones(entry.segment)
        home = home_zone(journey, self._zone)
        zones = {zone if zone in known_zones() else home for zone in found.zones}
        return zones | {home} if found.without else zones

    async def _make(
        self,
        session: AsyncSession,
        journey: Journey,
        version: str,
        entry: EntryBySchedule,
        zone: str,
        at: datetime,
        now: datetime,
        *,
        missed: bool,
    ) -> int:
        local = at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
        is_new = await cohorts.create(
            session,
            journey=journey.key,
            version=version,
            occasion=f"{local} {zone}",
            segment=entry.segment,
            zone=None if entry.schedule.zone else zone,
            at=at,
            per_hour=entry.caps.per_hour if entry.caps else None,
            by="schedule",
            now=now,
            state="missed" if missed else "running",
        )
        if is_new and missed:
            detail = {"occasion": f"{local} {zone}", "at": at.isoformat(), "noticed_at": now.isoformat()}
            await note(session, at=now, who="scheduler", action="occurrence missed", journey=journey.key, detail=detail)
        return int(is_new)

    def _seconds(self) -> float:
        """Real seconds until the next look."""
        waits = [
            (self._clock.to_real(at) - self._clock.real_now()).total_seconds() for at in self._quiet.values() if at.year < 9000
        ]
        return max(0.05, min([_LONGEST_SLEEP, *waits]))
