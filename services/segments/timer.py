"""Memberships that time alone may change, asked anew at exactly that instant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from infra.clock import Clock
from infra.db import Database
from services.segments.definitions import DefinitionCache
from services.segments.membership import Memberships

_BATCH = 500
_LONGEST_SLEEP = 2.0  # real seconds: rows that another process wrote are seen after this at the latest

_NEXT = text("SELECT min(recheck_at) FROM membership WHERE recheck_at IS NOT NULL")
_DUE = text(
    "SELECT segment, profile_id, recheck_at FROM membership WHERE recheck_at <= :now ORDER BY recheck_at, profile_id LIMIT :limit"
)


class Timer:
    """Sleeps until the earliest `recheck_at`; no sweep, nothing to do in between."""

    def __init__(self, *, database: Database, definitions: DefinitionCache, memberships: Memberships, clock: Clock) -> None:
        self._database = database
        self._definitions = definitions
        self._memberships = memberships
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """To be called when rows were written: one of them may be due before what is slept for."""
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            while await self.step():
                pass
            await self._sleep(await self._next())

    async def step(self) -> int:
        """Asks the due memberships anew, a batch in a short transaction; returns how many.

        Each is asked as of the instant it was due, however late this runs, so that history is exact and nobody who was a member
        in between is missed. Of one person only the earliest is taken at a time, since others may depend on it.
        """
        async with self._database.begin() as session:
            definitions = await self._definitions.locked(session)
            rows = (await session.execute(_DUE, {"now": self._clock.now(), "limit": _BATCH})).all()
            first: dict[UUID, datetime] = {}
            touched: dict[str, dict[UUID, datetime]] = defaultdict(dict)
            for row in rows:
                if first.setdefault(row.profile_id, row.recheck_at) == row.recheck_at:
                    touched[row.segment][row.profile_id] = row.recheck_at
            await self._memberships.refresh(session, definitions, touched)
        if rows:
            self._memberships.committed()
        return len(rows)

    async def _next(self) -> datetime | None:
        async with self._database.read() as session:
            found: datetime | None = (await session.execute(_NEXT)).scalar_one()
        return found

    async def _sleep(self, until: datetime | None) -> None:
        seconds = _LONGEST_SLEEP
        if until is not None:
            seconds = min(seconds, (self._clock.to_real(until) - self._clock.real_now()).total_seconds())
        try:
            await asyncio.wait_for(self._woken.wait(), max(seconds, 0.001))
        except TimeoutError:
            return
