"""How often something was mended, by kind."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession


class Repairs(BaseModel):
    """Repairs of one kind since ever, and the newest."""

    kind: str
    count: int
    last_at: datetime
    what: str


KINDS = {
    "start": "a workflow that should have started was started",
    "wake": "somebody whose wait was over was woken",
    "signal": "somebody whose wait was met was told once more",
    "end": "an enrolment that should have ended was ended",
    "workflow": "a workflow that was gone was started again where its enrolment stands",
    "ended": "a workflow whose enrolment had ended was told to end",
    "watch": "a watch of an enrolment that had ended was removed",
    "call": "a call of an enrolment that had ended was removed",
    "listener": "a listener of an enrolment that had ended was removed",
    "parent": "an enrolment was told that the journey it waits for had ended",
}


async def count(session: AsyncSession, done: Counter[str], now: datetime) -> None:
    """Adds to the counts, in the transaction of the repair."""
    for kind, number in sorted(done.items()):
        if number:
            await session.execute(
                text(
                    "INSERT INTO repair (kind, count, last_at) VALUES (:kind, :number, :now) "
                    "ON CONFLICT (kind) DO UPDATE SET count = repair.count + excluded.count, last_at = excluded.last_at"
                ),
                {"kind": kind, "number": number, "now": now},
            )


async def repairs(session: AsyncSession) -> list[Repairs]:
    """All kinds that ever were."""
    rows = await session.execute(text("SELECT kind, count, last_at FROM repair ORDER BY kind"))
    return [Repairs(kind=row.kind, count=row[1], last_at=row.last_at, what=KINDS.get(row.kind, "")) for row in rows.all()]
