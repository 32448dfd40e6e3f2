"""The watches that are due, each leased to one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys.enrolments import Decision
from services.journeys.waits.watches import Watch

_BATCH = 200
_LEASE = timedelta(seconds=60)  # longer than a look may take; another process takes over after it (real time)


@dataclass(frozen=True, slots=True)
class Due:
    """A watch that is due, with what its look rests on. `at` is the instant of what made it due."""

    watch: Watch
    at: datetime
    version: str
    entry: dict[str, Any]
    decision: Decision | None


async def claim(session: AsyncSession, now: datetime) -> list[Due]:
    """Leases the rows that are due, earliest first; those of enrolments that are over are deleted."""
    claimed = await session.execute(
        text(
            "UPDATE watch SET leased_until = now() + CAST(:lease AS interval) WHERE id IN (SELECT id FROM watch "
            "WHERE look_at <= :now AND (leased_until IS NULL OR leased_until <= now()) ORDER BY look_at LIMIT :most "
            "FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {"lease": _LEASE, "now": now, "most": _BATCH},
    )
    return await _due(session, [row[0] for row in claimed.all()])


async def exits_of(session: AsyncSession, enrolments: Sequence[UUID], now: datetime) -> list[Due]:
    """The exit rules of these enrolments that are due, whoever has leased them: looking twice at one comes to the same."""
    rows = await session.execute(
        text("SELECT id FROM watch WHERE enrolment_id = ANY(:ids) AND kind = 'exit' AND look_at <= :now"),
        {"ids": list(enrolments), "now": now},
    )
    return await _due(session, [row[0] for row in rows.all()])


async def _due(session: AsyncSession, ids: Sequence[int]) -> list[Due]:
    if not ids:
        return []
    rows = await session.execute(
        text(
            "SELECT w.enrolment_id, w.profile_id, w.kind, w.step, w.visit, w.path, w.condition, w.mentions, w.look_at, w.id, "
            "w.look, e.state, e.version, e.entry, d.journey, d.kind AS decided, d.outcome, d.seen, d.at, d.deadline "
            "FROM watch w LEFT JOIN enrolment e ON e.id = w.enrolment_id LEFT JOIN decision d ON w.kind = 'date' "
            "AND d.enrolment_id = w.enrolment_id AND d.step = w.step AND d.visit = w.visit "
            "AND d.kind IN ('sleep', 'waiting') WHERE w.id = ANY(:ids) ORDER BY w.id"
        ),
        {"ids": list(ids)},
    )
    due: list[Due] = []
    over: list[int] = []
    for row in rows.all():
        watch = Watch(*row[:11])
        if row.state != "running":
            over.append(watch.id)
            continue
        decision = None
        if row.decided is not None:
            decision = Decision(
                row.enrolment_id,
                row.journey,
                row.step,
                row.visit,
                row.decided,
                row.outcome,
                row.seen,
                row.at,
                row.deadline,
            )
        due.append(Due(watch, row.look_at, row.version, row.entry, decision))
    if over:
        await session.execute(text("DELETE FROM watch WHERE id = ANY(:ids)"), {"ids": over})
    return due
