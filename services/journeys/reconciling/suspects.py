"""Suspects: enrolments that look stuck. Each is looked at twice, a grace apart, before anything is done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

Fault = Literal["start", "wake", "signal", "end", "none"]

# Not held, not with its cohort, and nothing on its way to Temporal.
_OURS = (
    "e.state <> 'ended' AND e.start_at IS NULL AND NOT e.carried "
    "AND NOT EXISTS (SELECT 1 FROM outgoing o WHERE o.enrolment_id = p.enrolment_id)"
)
_FAULTS = (
    "p.step IS NULL AND p.told_at IS NULL AND p.changed_at < now() - CAST(:grace AS interval)",
    "p.due < :overdue AND p.changed_at < now() - CAST(:grace AS interval)",
    "p.told_at < now() - CAST(:grace AS interval)",
)
_TAKE = text(
    "UPDATE place SET suspect_at = now() WHERE enrolment_id IN (SELECT enrolment_id FROM place "
    "WHERE suspect_at < now() - CAST(:grace AS interval) ORDER BY suspect_at LIMIT :most FOR UPDATE SKIP LOCKED) "
    "RETURNING enrolment_id"
)
_LOOK = (
    "SELECT p.enrolment_id, e.journey, e.version, e.state, p.step, p.visit, p.due, p.told, p.moved, p.changed_at, "
    f"({_OURS}) AS ours, CASE WHEN {_FAULTS[0]} THEN 'start' WHEN {_FAULTS[2]} AND e.state = 'ending' THEN 'end' "
    f"WHEN {_FAULTS[2]} THEN 'signal' WHEN {_FAULTS[1]} THEN 'wake' ELSE 'none' END AS fault "
    "FROM place p JOIN enrolment e ON e.id = p.enrolment_id WHERE p.enrolment_id = ANY(:ids)"
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """An enrolment and what seems wrong: `start`, it should have started; `wake`, its time was up; `signal`, it was told to move
    on; `end`, it was told to end; `none`, only its workflow may be missing."""

    enrolment_id: UUID
    journey: str
    version: str
    state: str
    step: str | None
    visit: int | None
    due: datetime | None
    told: dict[str, Any] | None
    moved: dict[str, Any] | None
    changed_at: datetime
    ours: bool
    fault: Fault


async def mark(session: AsyncSession, *, grace: timedelta, overdue: datetime, most: int) -> int:
    """First doubts: how many enrolments look stuck that did not before. Each question is asked of its own index."""
    marked = 0
    for fault in _FAULTS:
        rows = await session.execute(
            text(
                "UPDATE place SET suspect_at = now() WHERE enrolment_id IN (SELECT p.enrolment_id FROM place p "
                f"JOIN enrolment e ON e.id = p.enrolment_id WHERE p.suspect_at IS NULL AND {fault} AND {_OURS} "
                "LIMIT :most FOR UPDATE OF p SKIP LOCKED) RETURNING 1"
            ),
            {"grace": grace, "most": most} | ({"overdue": overdue} if ":overdue" in fault else {}),
        )
        marked += len(rows.all())
    return marked


async def doubt(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """First doubts of another kind: their workflows were not listed as running."""
    await session.execute(
        text("UPDATE place SET suspect_at = now() WHERE enrolment_id = ANY(:ids) AND suspect_at IS NULL"), {"ids": list(ids)}
    )


async def take(session: AsyncSession, *, grace: timedelta, overdue: datetime, most: int) -> list[Suspect]:
    """Takes those that were doubted a grace ago, for this process only, as they are now."""
    taken = [row[0] for row in (await session.execute(_TAKE, {"grace": grace, "most": most})).all()]
    return await look(session, taken, grace=grace, overdue=overdue)


async def look(session: AsyncSession, ids: Sequence[UUID], *, grace: timedelta, overdue: datetime) -> list[Suspect]:
    """These enrolments as they are now; those that have ended meanwhile are missing."""
    if not ids:
        return []
    rows = await session.execute(text(_LOOK), {"ids": list(ids), "grace": grace, "overdue": overdue})
    return [Suspect(*row) for row in rows.all()]


async def clear(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Nothing is wrong with these."""
    if ids:
        await session.execute(text("UPDATE place SET suspect_at = NULL WHERE enrolment_id = ANY(:ids)"), {"ids": list(ids)})
