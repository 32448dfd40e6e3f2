"""How the visit before of a wait ended: one that begins again, round after round, reads only what came since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys.waits.readiness import Key


@dataclass(frozen=True, slots=True)
class Round:
    """How the visit before of a wait ended: by this event, when all that came before `seen` had been held against it.

    What happened up to it and had come by then counts no more, so that it need not be read again: it was taken, or it met
    nothing, before the wait began again.
    """

    event_id: str
    seen: str


async def rounds_before(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, Round]:
    """How the visits before these waits (enrolment, step, visit) ended, of those that an event ended."""
    again = [key for key in keys if key[2] > 1]
    if not again:
        return {}
    rows = await session.execute(
        text(
            "SELECT k.enrolment_id, k.step, k.visit, m.event_id, m.seen FROM unnest(CAST(:enrolments AS uuid[]), "
            "CAST(:steps AS text[]), CAST(:visits AS int[])) AS k(enrolment_id, step, visit) JOIN match m "
            "ON m.enrolment_id = k.enrolment_id AND m.step = k.step AND m.visit = k.visit - 1 "
            "WHERE m.kind = 'wait' AND m.seen IS NOT NULL"
        ),
        {"enrolments": [key[0] for key in again], "steps": [key[1] for key in again], "visits": [key[2] for key in again]},
    )
    return {(row.enrolment_id, row.step, row.visit): Round(row.event_id, row.seen) for row in rows.all()}
