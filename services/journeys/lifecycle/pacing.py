"""A pace that all processes keep together, so that a resume, a migration or an opened cap does not burst."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

# So much of a second's share goes at once.
_SLICE = 0.25


class Pace:
    """At most so many a second (real time), over all processes: the next slot is kept in the database."""

    def __init__(self, name: str, per_second: float) -> None:
        self._name = name
        self._per_second = per_second

    @property
    def slice(self) -> int:
        """How many go at once."""
        return max(1, int(self._per_second * _SLICE))

    async def allowed(self, session: AsyncSession) -> int:
        """How many may go in this transaction, which holds the pace until its end; 0: not yet, or another process is at it."""
        await session.execute(text("INSERT INTO pace (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": self._name})
        row = await session.execute(
            text("SELECT 1 FROM pace WHERE name = :name AND next_at <= clock_timestamp() FOR UPDATE SKIP LOCKED"),
            {"name": self._name},
        )
        return 0 if row.first() is None else self.slice

    async def took(self, session: AsyncSession, number: int) -> None:
        """So many went: the next may go when their time is over."""
        if not number:
            return
        await session.execute(
            text("UPDATE pace SET next_at = clock_timestamp() + make_interval(secs => :seconds) WHERE name = :name"),
            {"name": self._name, "seconds": number / self._per_second},
        )
