"""Starting those who were held: when a paused journey is resumed, or their place under a cap has come; paced, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import text

from infra.clock import Clock
from infra.db import Database
from services.journeys.lifecycle.pacing import Pace
from services.journeys.outgoing import Outgoing, write

_DUE = text(
    "SELECT e.id, e.journey, e.version, EXISTS (SELECT 1 FROM watch w WHERE w.enrolment_id = e.id AND w.kind = 'exit') AS exits "
    "FROM enrolment e JOIN journey j ON j.key = e.journey "
    "WHERE e.start_at <= :now AND e.state = 'running' AND j.state IN ('published', 'draining') "
    "ORDER BY e.start_at, e.entered_at, e.id LIMIT :limit FOR UPDATE OF e SKIP LOCKED"
)
_STARTED = text("UPDATE enrolment SET start_at = NULL WHERE id = ANY(:ids)")


class Starter:
    """Has held enrolments started. Each batch is one transaction: whoever dies in the middle has started nobody."""

    def __init__(self, *, database: Database, clock: Clock, pace: Pace, deliver: Callable[[Sequence[Outgoing]], None]) -> None:
        self._database = database
        self._clock = clock
        self._pace = pace
        self._deliver = deliver

    async def step(self) -> bool:
        """Starts as many as the pace allows now; answers whether there may be more to do."""
        async with self._database.begin() as session:
            due = {"now": self._clock.now()}
            if (await session.execute(_DUE, due | {"limit": 1})).first() is None:
                return False
            allowed = await self._pace.allowed(session)
            rows = (await session.execute(_DUE, due | {"limit": allowed})).all() if allowed else []
            await session.execute(_STARTED, {"ids": [row.id for row in rows]})
            # Their criteria were looked back for when they entered, and have been listened for since; a condition may have come
            # to hold just now.
            payloads = [(row, {"version": row.version, "look_back": False, "exits": row.exits}) for row in rows]
            written = await write(
                session, [Outgoing(row.id, row.journey, "start", payload, str(row.id)) for row, payload in payloads]
            )
            await self._pace.took(session, len(rows))
        self._deliver(written)
        return True
