"""Wake-up lateness: how long after the end of a wait the next thing was decided, by our clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock

MOST = 10_000
# A deadline that has just passed is on its way.
SLACK = timedelta(seconds=5)
LAST_HOUR = timedelta(hours=1)


class Lateness(BaseModel):
    """Seconds between the end of a wait by time and the decision after it, of the newest up to 10,000 since `since`.

    None where no wait has ended. `overdue` waits should have ended more than five seconds ago (real time) and have not.
    """

    since: datetime
    wakes: int
    p50: float | None
    p99: float | None
    max: float | None
    overdue: int


async def recent_lateness(session: AsyncSession, clock: Clock, window: timedelta, journey: str | None = None) -> Lateness:
    """Of the last `window` of real time."""
    now = clock.real_now()
    return await lateness(
        session,
        since=clock.to_virtual(now - window),
        overdue_before=clock.to_virtual(now - SLACK),
        journey=journey,
    )


async def lateness(session: AsyncSession, *, since: datetime, overdue_before: datetime, journey: str | None = None) -> Lateness:
    """Of one journey or of all. Read from two partial indexes; an enrolment's last wait is with its end."""
    only = "" if journey is None else "AND journey = :journey"
    parameters = {"since": since, "before": overdue_before, "most": MOST} | ({} if journey is None else {"journey": journey})
    row = (
        await session.execute(
            text(
                "SELECT count(*) AS wakes, percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS p50, "
                "percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99, max(late) AS max FROM (SELECT late FROM ("
                f"(SELECT at, late FROM decision WHERE late IS NOT NULL AND at >= :since {only} ORDER BY at DESC LIMIT :most) "
                "UNION ALL (SELECT ended_at AS at, late FROM enrolment WHERE late IS NOT NULL AND ended_at >= :since "
                f"{only} ORDER BY ended_at DESC LIMIT :most)) found ORDER BY at DESC LIMIT :most) newest"
            ),
            parameters,
        )
    ).one()
    mine = "" if journey is None else "AND e.journey = :journey"
    overdue = await session.execute(
        text(
            "SELECT count(*) FROM (SELECT 1 FROM place p JOIN enrolment e ON e.id = p.enrolment_id WHERE p.due < :before "
            f"AND e.state = 'running' {mine} LIMIT :most) late"
        ),
        parameters,
    )
    return Lateness(since=since, wakes=row.wakes, p50=row.p50, p99=row.p99, max=row.max, overdue=overdue.scalar_one())
