"""Migrations: bringing people of older versions to another one. A durable, paced job that can be taken up, and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from services.journeys.enrolments import Enrolment
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.pacing import Pace
from services.journeys.lifecycle.versions import Versions
from services.journeys.moves.destinations import EXIT, Wish
from services.journeys.moves.migration_plans import MigrationPlan
from services.journeys.moves.transferring import new_criteria
from services.journeys.moves.wishes import want
from services.journeys.outgoing import Outgoing
from services.journeys.stopping import stop
from services.journeys.waits.criteria import Context, criteria_context
from services.journeys.world import World

_JOB = text(
    "SELECT id, journey, target, plan, after, created_by FROM migration WHERE state = 'running' ORDER BY created_at, id "
    "LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_FINISHING = text(
    "SELECT id, journey, target, plan, after, created_by FROM migration WHERE state = 'finishing' ORDER BY created_at, id "
    "FOR UPDATE SKIP LOCKED"
)
_UNDER_WAY = (
    "SELECT e.id, e.journey, e.version, e.profile_id, e.entry, e.position, e.entered_at, e.state, e.reason, e.start_at, "
    "e.goal_at, p.step, e.moving FROM enrolment e LEFT JOIN place p ON p.enrolment_id = e.id "
    "WHERE e.journey = :journey AND e.version = ANY(:sources) AND e.state = 'running' "
)
_NEXT = text(_UNDER_WAY + "AND (CAST(:after AS uuid) IS NULL OR e.id > :after) ORDER BY e.id LIMIT :limit")
# Whoever was on the way elsewhere as their turn came.
_LATER = text(_UNDER_WAY + "AND e.id = ANY(CAST(:later AS uuid[])) ORDER BY e.id")
_ELSEWHERE = text(
    "SELECT id FROM enrolment WHERE id = ANY(:ids) AND state = 'running' AND moving IS NOT NULL "
    "AND moving->>'migration' IS DISTINCT FROM CAST(:migration AS text)"
)


@dataclass(slots=True)
class _Batch:
    """What a batch of people comes to."""

    moving: dict[UUID, Wish] = field(default_factory=dict)
    ending: list[UUID] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    later: list[UUID] = field(default_factory=list)
    stayed: int = 0


class Migrator:
    """Takes the oldest migration that runs on by a batch. A batch is one transaction with the cursor of the job.

    Whoever is on the way elsewhere (by hand, or by the migration before) is dealt with when they have arrived.
    """

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        world: World,
        clock: Clock,
        workspace_zone: str,
        pace: Pace,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._zone = workspace_zone
        self._world = world
        self._clock = clock
        self._pace = pace
        self._deliver = deliver

    async def step(self) -> bool:
        """Deals with as many as the pace allows; answers whether there may be more to do."""
        async with self._database.read() as session:
            found = await session.execute(text("SELECT DISTINCT state FROM migration WHERE state IN ('running', 'finishing')"))
            states = {row[0] for row in found.all()}
        if "finishing" in states:
            await self._finish()
        if "running" not in states:
            return False
        contexts = await self._contexts_of_held()
        async with self._database.begin() as session:
            allowed = await self._pace.allowed(session)
            job = (await session.execute(_JOB)).first() if allowed else None
            if job is None:
                return True
            rows = (await session.execute(_NEXT, _batch_of(job) | {"limit": allowed})).all()
            if not rows:
                return await self._told_all(session, job)
            written = await self._deal_with(session, job, rows, contexts, rows[-1].id, _later(job))
            await self._pace.took(session, len(rows))
        self._deliver(written)
        return True

    async def _contexts_of_held(self) -> dict[UUID, Context]:
        """Of those who have not begun: they are moved on the spot, and their new criteria may name something of the profile."""
        async with self._database.read() as session:
            job = (await session.execute(text(_JOB.text.partition(" FOR UPDATE")[0]))).first()
            rows = (await session.execute(_NEXT, _batch_of(job) | {"limit": self._pace.slice})).all() if job else []
        held = [row for row in rows if row.start_at is not None]
        there = await self._versions.journey(job.target) if job and held else None
        if there is None:
            return {}
        return {row.id: await criteria_context(self._world, there, row.profile_id, row.entry, row.position) for row in held}

    async def _deal_with(
        self,
        session: AsyncSession,
        job: Any,
        rows: Sequence[Any],
        contexts: dict[UUID, Context],
        after: UUID | None,
        later: Sequence[UUID],
    ) -> list[Outgoing]:
        """`after` is how far it is then, `later` who is to come again because they are on the way elsewhere."""
        now = self._clock.now()
        plan = MigrationPlan.model_validate(job.plan)
        batch = _Batch()
        for row in rows:
            if row.moving is not None:
                batch.later.append(row.id)
                continue
            match plan.action(row.step, row.id, row.entered_at):
                case "stay":
                    batch.stayed += 1
                case "exit":
                    batch.ending.append(row.id)
                case "map" if row.id in contexts:
                    batch.held.append(row)
                case "map":
                    batch.moving[row.id] = Wish(to=job.target, mapping=plan.mapping, migration=job.id, who=job.created_by)
        ended, written = await stop(session, batch.ending, "migrated", now)
        await noted_exits(session, job.journey, ended, who=job.created_by, migration=job.id, to=job.target, at=now)
        written += await want(session, batch.moving)
        # A person may have been faster since these rows were read.
        overtaken = await session.execute(_ELSEWHERE, {"ids": list(batch.moving), "migration": job.id})
        batch.later += [row.id for row in overtaken.all()]
        there = await self._versions.journey(job.target, session)
        moved = 0
        for row in batch.held:
            still = await session.execute(
                text("UPDATE enrolment SET version = :to WHERE id = :id AND state = 'running' AND start_at IS NOT NULL"),
                {"to": job.target, "id": row.id},
            )
            if still.rowcount:  # type: ignore[attr-defined]
                enrolment = Enrolment(*row[:9])
                goal = row.goal_at is None
                await new_criteria(session, enrolment, there, contexts[row.id], now, goal=goal, workspace_zone=self._zone)
                moved += 1
            else:  # started meanwhile
                written += await want(
                    session, {row.id: Wish(to=job.target, mapping=plan.mapping, migration=job.id, who=job.created_by)}
                )
        held = [row.id for row in batch.held]
        detail = {"to_version": job.target, "migration": str(job.id)}
        await note(session, at=now, who=job.created_by, action="migrate", journey=job.journey, enrolments=held, detail=detail)
        await session.execute(
            text(
                "UPDATE migration SET after = :after, stayed = stayed + :stayed, ended = ended + :ended, moved = moved + :moved, "
                "plan = plan || jsonb_build_object('later', CAST(:later AS text[])) WHERE id = :id"
            ),
            {
                "after": after,
                "stayed": batch.stayed,
                "ended": len(ended),
                "moved": moved,
                "later": [str(each) for each in (*later, *batch.later)],
                "id": job.id,
            },
        )
        return written

    async def _told_all(self, session: AsyncSession, job: Any) -> bool:
        """Everybody had their turn; it is done when those who were told to move have done so, and who was elsewhere is back."""
        await session.execute(text("UPDATE migration SET state = 'finishing' WHERE id = :id"), {"id": job.id})
        return True

    async def _finish(self) -> None:
        async with self._database.begin() as session:
            written: list[Outgoing] = []
            for job in (await session.execute(_FINISHING)).all():
                written += await self._deal_with_arrived(session, job)
                if await on_their_way(session, job.id):
                    continue
                now = self._clock.now()
                await session.execute(
                    text("UPDATE migration SET state = 'done', ended_at = :now WHERE id = :id"), {"now": now, "id": job.id}
                )
                detail = {"migration": str(job.id)}
                await note(session, at=now, who="reis", action="migration done", journey=job.journey, detail=detail)
        self._deliver(written)

    async def _deal_with_arrived(self, session: AsyncSession, job: Any) -> list[Outgoing]:
        """Those who were on the way elsewhere as their turn came, and have arrived."""
        allowed = await self._pace.allowed(session) if _later(job) else 0
        if not allowed:
            return []
        there = (await session.execute(_LATER, _batch_of(job) | {"later": _later(job)})).all()
        rows = [row for row in there if row.moving is None][:allowed]
        taken = {row.id for row in rows}
        left = [row.id for row in there if row.id not in taken]
        written = await self._deal_with(session, job, rows, {}, job.after, left)
        await self._pace.took(session, len(rows))
        return written


async def noted_exits(
    session: AsyncSession, journey: str, ended: Sequence[UUID], *, who: str, migration: UUID, to: str, at: datetime
) -> None:
    """In the audit log: whom a migration ended."""
    detail = {"to_version": to, "to_step": EXIT, "migration": str(migration)}
    await note(session, at=at, who=who, action="migrate", journey=journey, enrolments=ended, detail=detail)


async def on_their_way(session: AsyncSession, migration: UUID) -> int:
    """How many people a migration has told to move who have not moved yet, or is to tell when they have arrived elsewhere."""
    rows = await session.execute(
        text(
            "SELECT (SELECT count(*) FROM enrolment WHERE moving->>'migration' = CAST(:id AS text) "
            "AND moving->'sent' = 'null' AND moving IS NOT NULL AND state = 'running') "
            "+ coalesce((SELECT jsonb_array_length(plan->'later') FROM migration WHERE id = CAST(CAST(:id AS text) AS uuid) "
            "AND state IN ('running', 'finishing')), 0)"
        ),
        {"id": str(migration)},
    )
    return int(rows.scalar_one())


def _later(job: Any) -> list[UUID]:
    return [UUID(each) for each in job.plan.get("later", ())]


def _batch_of(job: Any) -> dict[str, Any]:
    return {"journey": job.journey, "sources": job.plan["sources"], "after": job.after}
