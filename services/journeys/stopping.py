"""Ending enrolments from outside: by hand, because their journey is archived, or because a migration says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import InterruptSignal
from services.journeys.enrolments import end_held
from services.journeys.outgoing import Outgoing, write


async def stop(session: AsyncSession, ids: Sequence[UUID], reason: str, now: datetime) -> tuple[list[UUID], list[Outgoing]]:
    """Ends those of these that run; answers whom, and what to tell Temporal.

    From now on their steps are answered with their end; when the workflow says that it is over, what was not sent is taken
    back. Who was held ends at once.
    """
    rows = await session.execute(
        text(
            "UPDATE enrolment SET state = 'ending', reason = :reason, moving = NULL WHERE id = ANY(:ids) "
            "AND state = 'running' RETURNING id, journey"
        ),
        {"ids": list(ids), "reason": reason},
    )
    stopped = {row.id: row.journey for row in rows.all()}
    held, heard = await end_held(session, list(stopped), now)
    body = InterruptSignal(reason="ended", event_id=str(uuid4()))
    signals = [
        Outgoing(each, journey, "interrupt", body.model_dump(mode="json"), f"{body.event_id}:{each}")
        for each, journey in stopped.items()
        if each not in held
    ]
    return list(stopped), [*heard, *await write(session, signals)]
