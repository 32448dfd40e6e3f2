"""Calls under way, in the database: written with their decision, claimed one try at a time, forgotten with their answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

# Longer than any try may take, so that nobody takes a call over from somebody who lives (real time).
LEASE = timedelta(seconds=100)
_SEEN_AHEAD = 1_000

_ADD = text(
    "INSERT INTO call (enrolment_id, step, visit, request, attempts, next_at) SELECT e.id, k.step, k.visit, k.request, 0, :now "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[]), CAST(:requests AS jsonb[])) "
    "AS k(id, step, visit, request) JOIN enrolment e ON e.id = k.id AND e.state = 'running' FOR SHARE OF e ON CONFLICT DO NOTHING"
)
# The oldest of each host that has room, of people and journeys that are under way.
_CLAIM = text(
    "WITH due AS (SELECT c.enrolment_id, c.step, c.visit, c.next_at, c.request->>'host' AS host FROM call c "
    "JOIN enrolment e ON e.id = c.enrolment_id AND e.state = 'running' "
    "JOIN journey j ON j.key = e.journey AND j.state <> 'paused' "
    "WHERE c.next_at <= :now AND (c.leased_until IS NULL OR c.leased_until <= :now) "
    "AND NOT (c.request->>'host' = ANY(CAST(:full AS text[]))) ORDER BY c.next_at LIMIT :ahead), "
    "ranked AS (SELECT d.*, row_number() OVER (PARTITION BY host ORDER BY next_at) "
    "+ coalesce(b.busy, 0) AS place FROM due d LEFT JOIN unnest(CAST(:hosts AS text[]), CAST(:busy AS int[])) "
    "AS b(host, busy) USING (host)) "
    "UPDATE call SET leased_until = :until, attempts = attempts + 1 WHERE (enrolment_id, step, visit) IN ("
    "SELECT c.enrolment_id, c.step, c.visit FROM call c JOIN ranked r USING (enrolment_id, step, visit) "
    "WHERE r.place <= :per_host AND (c.leased_until IS NULL OR c.leased_until <= :now) "
    "ORDER BY r.next_at LIMIT :limit FOR UPDATE OF c SKIP LOCKED) "
    "RETURNING enrolment_id, step, visit, request, attempts"
)
_AGAIN = text(
    "UPDATE call SET next_at = :at, leased_until = NULL "
    "WHERE enrolment_id = :id AND step = :step AND visit = :visit AND attempts = :attempts"
)
_DONE = text(
    "DELETE FROM call WHERE enrolment_id = :id AND step = :step AND visit = :visit AND attempts = :attempts "
    "RETURNING enrolment_id"
)


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to make. `request` has the step, the context that it is rendered with, its host, and how it is shown."""

    enrolment_id: UUID
    step: str
    visit: int
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimedCall:
    """One try of a call: `attempts` counts it, and is the claim's token."""

    enrolment_id: UUID
    step: str
    visit: int
    request: dict[str, Any]
    attempts: int

    @property
    def key(self) -> str:
        """What the called service knows the call by, at every try."""
        return f"{self.enrolment_id}:{self.step}:{self.visit}"


async def add(session: AsyncSession, calls: Sequence[NewCall], now: datetime) -> None:
    """Writes calls of enrolments that still run. `now` and all other instants here are real ones."""
    if calls:
        values = {
            "ids": [each.enrolment_id for each in calls],
            "steps": [each.step for each in calls],
            "visits": [each.visit for each in calls],
            "requests": [orjson.dumps(each.request).decode() for each in calls],
        }
        await session.execute(_ADD, {**values, "now": now})


async def claim(session: AsyncSession, now: datetime, *, limit: int, per_host: int, busy: Mapping[str, int]) -> list[ClaimedCall]:
    """Takes tries that are due, for as long as the lease; `busy` is how many calls to each host are in hand."""
    rows = await session.execute(
        _CLAIM,
        {
            "now": now,
            "until": now + LEASE,
            "limit": limit,
            "per_host": per_host,
            "ahead": _SEEN_AHEAD,
            "full": [host for host, number in busy.items() if number >= per_host],
            "hosts": list(busy),
            "busy": list(busy.values()),
        },
    )
    return [ClaimedCall(*row) for row in rows.all()]


async def again(session: AsyncSession, call: ClaimedCall, at: datetime) -> None:
    """The next try comes then."""
    await session.execute(_AGAIN, {**_key(call), "at": at})


async def done(session: AsyncSession, call: ClaimedCall) -> bool:
    """Forgets a call that is over; False where it was taken back, or taken over by somebody else."""
    return (await session.execute(_DONE, _key(call))).first() is not None


def _key(call: ClaimedCall) -> dict[str, Any]:
    return {"id": call.enrolment_id, "step": call.step, "visit": call.visit, "attempts": call.attempts}
