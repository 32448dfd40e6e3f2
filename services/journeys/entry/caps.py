"""Caps on entries: a place for everybody up to the cap in all, at an instant that the cap per hour allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import Journey
from journeys.reentry import places
from services.journeys.entry.admission import Entrant, Refused

# One transaction at a time gives away the places of a journey.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('caps:' || k, 0)) FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS "
    "u(k, n) ORDER BY n"
)
_ENTERED = text("SELECT count(*) FROM (SELECT 1 FROM enrolment WHERE journey = :key LIMIT :most) q")
_TAKEN = text(
    "SELECT begins_at FROM enrolment WHERE journey = :key AND begins_at IS NOT NULL ORDER BY begins_at DESC LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Place:
    """`begins_at` is the place under the cap per hour, None without one; `start_at` the same where it lies ahead."""

    begins_at: datetime | None = None
    start_at: datetime | None = None


@dataclass(slots=True)
class Caps:
    """The places that are left, while the lock is held."""

    now: datetime
    left: dict[str, int] = field(default_factory=dict)
    taken: dict[str, list[datetime]] = field(default_factory=dict)

    def refusal(self, entrant: Entrant) -> Refused | None:
        """Why nobody enters any more."""
        caps = entrant.journey.entry.caps
        if caps is None or caps.in_all is None or self.left[entrant.journey.key] > 0:
            return None
        return Refused(entrant, f"the journey is full: {caps.in_all} have entered, its cap in all", {"in_all": caps.in_all})

    def place(self, journey: Journey) -> Place:
        """Takes the next place."""
        caps = journey.entry.caps
        if caps is None:
            return Place()
        if caps.in_all is not None:
            self.left[journey.key] -= 1
        if caps.per_hour is None:
            return Place()
        taken = self.taken[journey.key]
        (begins_at,) = places(taken, 1, caps.per_hour, self.now)
        taken.append(begins_at)
        return Place(begins_at, begins_at if begins_at > self.now else None)


async def open_for(session: AsyncSession, journeys: Sequence[Journey], now: datetime) -> Caps:
    """The places of these journeys, held until the transaction ends; asks nothing where no journey has caps."""
    found = Caps(now)
    capped = {journey.key: journey.entry.caps for journey in journeys if journey.entry.caps is not None}
    if not capped:
        return found
    await session.execute(_LOCK, {"keys": sorted(capped)})
    for key, caps in capped.items():
        if caps.in_all is not None:
            entered = (await session.execute(_ENTERED, {"key": key, "most": caps.in_all})).scalar_one()
            found.left[key] = caps.in_all - entered
        if caps.per_hour is not None:
            rows = await session.execute(_TAKEN, {"key": key, "most": caps.per_hour})
            found.taken[key] = [row[0] for row in rows.all()][::-1]
    return found
