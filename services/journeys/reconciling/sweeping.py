"""Sweeps: slow rounds through everybody under way and all that was left behind, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from services.journeys.outgoing import Outgoing
from services.journeys.reconciling.counting import count
from services.journeys.reconciling.runs import Runs
from services.journeys.reconciling.suspects import doubt
from services.journeys.steps.results import Answer, answer

_FIRST = UUID(int=0)
_PLACES = text(
    "SELECT p.enrolment_id, e.journey, p.changed_at < now() - CAST(:grace AS interval) AND e.state <> 'ended' "
    "AND e.start_at IS NULL AND NOT e.carried AND p.suspect_at IS NULL AS ours FROM place p "
    "JOIN enrolment e ON e.id = p.enrolment_id WHERE p.enrolment_id > :after ORDER BY p.enrolment_id LIMIT :most"
)
_CHILDREN = text(
    "SELECT c.id, c.reason, c.goal_at, c.ended_at, p.enrolment_id AS parent, p.step, p.visit FROM place p "
    "JOIN enrolment c ON c.parent_id = p.enrolment_id AND c.parent_step = p.step AND c.parent_visit = p.visit "
    "WHERE p.enrolment_id = ANY(:ids) AND p.told IS NULL AND c.state = 'ended' AND c.ended_at < :before"
)
_ENDED = text("SELECT id, journey FROM enrolment WHERE id = ANY(:ids) AND state = 'ended' AND ended_at < :before")
_OF_THE_ENDED = {
    "watch": "DELETE FROM watch x USING enrolment e WHERE x.id = ANY(:page) AND e.id = x.enrolment_id AND e.state = 'ended' "
    "AND e.ended_at < :before RETURNING 1",
    "listener": "DELETE FROM listener x USING enrolment e WHERE x.id = ANY(:page) AND e.id = x.enrolment_id "
    "AND e.state = 'ended' AND e.ended_at < :before AND (x.kind <> 'goal' OR x.until IS NULL) RETURNING 1",
    "call": "DELETE FROM call x USING enrolment e WHERE x.enrolment_id = ANY(:page) AND e.id = x.enrolment_id "
    "AND e.state = 'ended' AND e.ended_at < :before RETURNING 1",
}
_KEYS = {"watch": "id", "listener": "id", "call": "enrolment_id"}
_TERMS_OVER = text(
    "DELETE FROM listener x USING enrolment e WHERE x.id = ANY(:page) AND e.id = x.enrolment_id AND e.state = 'ended' "
    "AND x.kind = 'goal' AND x.until < :before"
)


class Sweeper:
    """Remembers where each sweep stands; another process has its own, and both doing the same is harmless."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        runs: Runs,
        deliver: Callable[[Sequence[Outgoing]], None],
        grace: timedelta,
        page: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._runs = runs
        self._deliver = deliver
        self._grace = grace
        self._page = page
        self._place = _FIRST
        self._token = b""
        self._doubted: dict[UUID, datetime] = {}
        self._after: dict[str, object] = {}

    async def places(self) -> Counter[str]:
        """The next people under way: is each one's workflow there, and has the journey that they wait for ended?"""
        before = self._before()
        done: Counter[str] = Counter()
        async with self._database.begin() as session:
            page = {"grace": self._grace, "after": self._place, "most": self._page}
            rows = (await session.execute(_PLACES, page)).all()
            told = await self._tell_parents(session, [row.enrolment_id for row in rows], before, done)
        self._deliver(told)
        self._place = rows[-1].enrolment_id if len(rows) == self._page else _FIRST
        ours = {row.enrolment_id: row.journey for row in rows if row.ours}
        missing = set(ours) - await self._runs.running(ours) if ours else set()
        if missing:
            async with self._database.begin() as session:
                await doubt(session, list(missing))
        return done

    async def workflows(self) -> Counter[str]:
        """The next workflows that run: has the enrolment of one ended? Each is looked at twice, a grace apart."""
        found, self._token = await self._runs.page(self._page, self._token)
        async with self._database.read() as session:
            rows = await session.execute(_ENDED, {"ids": list(found), "before": self._before()})
            ended = {row.id: row.journey for row in rows.all()}
        now = self._clock.real_now()
        self._doubted = {each: since for each, since in self._doubted.items() if each not in found or each in ended}
        for each in ended:
            self._doubted.setdefault(each, now)
        sure = {each: journey for each, journey in ended.items() if self._doubted[each] <= now - self._grace}
        states = await self._runs.describe(sure)
        stuck = [each for each, run in states.items() if run.state == "running" and not run.busy]
        for each in stuck:
            await self._runs.interrupt(each, sure[each])
        for each in sure:
            self._doubted.pop(each, None)
        return await self._counted(Counter(ended=len(stuck)))

    async def leftovers(self) -> Counter[str]:
        """What belongs to enrolments that have ended."""
        done: Counter[str] = Counter()
        for table, statement in _OF_THE_ENDED.items():
            async with self._database.begin() as session:
                page = await self._next(session, table)
                if page:
                    parameters = {"page": page, "before": self._before()}
                    done[table] = len((await session.execute(text(statement), parameters)).all())
                    if table == "listener":
                        await session.execute(_TERMS_OVER, parameters)
                await count(session, Counter({table: done[table]}), self._clock.now())
        return done

    async def _tell_parents(
        self, session: AsyncSession, ids: Sequence[UUID], before: datetime, done: Counter[str]
    ) -> list[Outgoing]:
        rows = (await session.execute(_CHILDREN, {"ids": list(ids), "before": before})).all()
        answers = [
            Answer(
                enrolment_id=row.parent,
                step=row.step,
                visit=row.visit,
                path="ended",
                event_id=f"child:{row.id}",
                body={"reason": row.reason, "goal_reached": row.goal_at is not None},
                at=row.ended_at,
            )
            for row in rows
        ]
        told = await answer(session, answers)
        done["parent"] = len(told)
        await count(session, Counter(parent=len(told)), self._clock.now())
        return told

    async def _next(self, session: AsyncSession, table: str) -> list[object]:
        key = _KEYS[table]
        after = self._after.get(table)
        rows = await session.execute(
            text(f"SELECT {key} FROM {table} {'' if after is None else f'WHERE {key} > :after'} ORDER BY {key} LIMIT :most"),
            {"most": self._page} | ({} if after is None else {"after": after}),
        )
        page = [row[0] for row in rows.all()]
        self._after[table] = page[-1] if len(page) == self._page else None
        return page

    async def _counted(self, done: Counter[str]) -> Counter[str]:
        if done.total():
            async with self._database.begin() as session:
                await count(session, done, self._clock.now())
        return done

    def _before(self) -> datetime:
        """What ended before this instant of our clock has had its time."""
        return self._clock.to_virtual(self._clock.real_now() - self._grace)
