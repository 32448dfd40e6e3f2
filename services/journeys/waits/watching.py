"""The watcher: looks at conditions and dates when something they mention has changed, or when time alone may have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from infra.clock import Clock
from infra.db import Database
from services.journeys.outgoing import Outgoing
from services.journeys.waits.due import claim
from services.journeys.waits.looking import Looker

log = structlog.get_logger(__name__)

_LONGEST_SLEEP = 2.0  # real seconds: rows that another process wrote are seen after this at the latest
_PRUNED_EVERY = 60.0  # real seconds
# A goal's event that comes late, with its own timestamp, counts for this long behind the term (our clock).
_GOAL_GRACE = timedelta(days=1)


class Watcher:
    """Sleeps until the earliest look. Rows are leased: several processes share the work, and one that dies loses none."""

    def __init__(
        self, *, database: Database, looker: Looker, clock: Clock, deliver: Callable[[Sequence[Outgoing]], None]
    ) -> None:
        self._database = database
        self._looker = looker
        self._clock = clock
        self._deliver = deliver
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """To be called when something was stirred or registered."""
        self._woken.set()

    async def run(self) -> None:
        """Looks until cancelled."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            self._woken.clear()
            try:
                while await self.step():
                    pass
                if loop.time() >= prune_at:
                    prune_at = loop.time() + _PRUNED_EVERY
                    await self.prune()
                seconds = await self._seconds_to_next()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next round tries again
                log.warning("watcher.failed", why=f"{type(error).__name__}: {error}".splitlines()[0])
                seconds = _LONGEST_SLEEP
            try:
                await asyncio.wait_for(self._woken.wait(), seconds)
            except TimeoutError:
                continue

    async def step(self) -> int:
        """Looks at a batch of those that are due; returns how many. Those that nobody answered for come again later."""
        async with self._database.begin() as session:
            due = await claim(session, self._clock.now())
        if due:
            self._deliver((await self._looker.look(due)).told)
        return len(due)

    async def prune(self) -> None:
        """Goals whose term is over are listened for no more."""
        async with self._database.begin() as session:
            await session.execute(
                text("DELETE FROM listener WHERE kind = 'goal' AND until < :over"), {"over": self._clock.now() - _GOAL_GRACE}
            )

    async def _seconds_to_next(self) -> float:
        async with self._database.read() as session:
            found = await session.execute(
                text(
                    "SELECT min(look_at) FROM watch WHERE look_at IS NOT NULL AND (leased_until IS NULL OR leased_until <= now())"
                )
            )
            first: datetime | None = found.scalar()
        if first is None:
            return _LONGEST_SLEEP
        seconds = (self._clock.to_real(first) - self._clock.real_now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_SLEEP)
