"""Asking for migrations: preview, start, progress, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Conflict, Flaw, NotFound
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.versions import Versions
from services.journeys.moves.destinations import unknown_targets
from services.journeys.moves.migrating import on_their_way
from services.journeys.moves.migration_plans import MigrationPlan, MigrationRequest
from services.journeys.moves.previewing import Preview, Previewer


class MigrationView(BaseModel):
    """How far a migration is. `state`: running, finishing (`on_their_way` people have yet to arrive), done, cancelled."""

    id: UUID
    journey: str
    to: str
    state: str
    moved: int
    stayed: int
    ended: int
    on_their_way: int
    created_at: datetime
    created_by: str
    ended_at: datetime | None


class MigrationsDesk:
    """Raises `NotFound`, `BadInput` and `Conflict`."""

    def __init__(self, *, database: Database, versions: Versions, previewer: Previewer, clock: Clock) -> None:
        self._database = database
        self._versions = versions
        self._preview = previewer
        self._clock = clock

    async def preview(self, journey: str, request: MigrationRequest) -> Preview:
        """What it would do; changes nothing."""
        target, plan = await self._plan(journey, request)
        return await self._preview(journey, target, plan)

    async def start(self, journey: str, request: MigrationRequest, *, by: str) -> MigrationView:
        """Starts it in the background. A position that leads nowhere is refused."""
        target, plan = await self._plan(journey, request)
        preview = await self._preview(journey, target, plan)
        if preview.problems:
            raise BadInput(preview.problems, "the migration")
        identifier, now = uuid4(), self._clock.now()
        async with self._database.begin() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"migrate:{journey}"})
            if (other := await _under_way(session, journey)) is not None:
                raise Conflict(f"the migration {other} of {journey!r} is under way: wait for it, or cancel it")
            await session.execute(
                text(
                    "INSERT INTO migration (id, journey, source, target, plan, state, stayed, moved, ended, created_at, "
                    "created_by) VALUES (:id, :journey, :source, :target, CAST(:plan AS jsonb), 'running', 0, 0, 0, :now, :by)"
                ),
                {
                    "id": identifier,
                    "journey": journey,
                    "source": request.source,
                    "target": target,
                    "plan": orjson.dumps(plan.model_dump(mode="json")).decode(),
                    "now": now,
                    "by": by,
                },
            )
            detail: dict[str, Any] = {"migration": str(identifier), "to": target, "plan": plan.model_dump(mode="json")}
            await note(session, at=now, who=by, action="start migration", journey=journey, detail=detail)
        return await self.progress(journey, identifier)

    async def progress(self, journey: str, migration: UUID) -> MigrationView:
        async with self._database.read() as session:
            row = (
                (
                    await session.execute(
                        text(
                            "SELECT id, journey, target AS to, state, moved, stayed, ended, created_at, created_by, ended_at "
                            "FROM migration WHERE id = :id AND journey = :journey"
                        ),
                        {"id": migration, "journey": journey},
                    )
                )
                .mappings()
                .first()
            )
            if row is None:
                raise NotFound("migration", migration)
            return MigrationView(**row, on_their_way=await on_their_way(session, migration))

    async def cancel(self, journey: str, migration: UUID, *, by: str) -> MigrationView:
        """Who has moved has moved; who has not stays where they are."""
        now = self._clock.now()
        async with self._database.begin() as session:
            cancelled = await session.execute(
                text(
                    "UPDATE migration SET state = 'cancelled', ended_at = :now WHERE id = :id AND journey = :journey "
                    "AND state IN ('running', 'finishing') RETURNING id"
                ),
                {"now": now, "id": migration, "journey": journey},
            )
            if cancelled.first() is not None:
                await session.execute(
                    text(
                        "UPDATE enrolment SET moving = NULL WHERE journey = :journey AND moving IS NOT NULL "
                        "AND moving->>'migration' = CAST(:id AS text) AND moving->'sent' = 'null'"
                    ),
                    {"journey": journey, "id": str(migration)},
                )
                detail = {"migration": str(migration)}
                await note(session, at=now, who=by, action="cancel migration", journey=journey, detail=detail)
        return await self.progress(journey, migration)

    async def _plan(self, journey: str, request: MigrationRequest) -> tuple[str, MigrationPlan]:
        async with self._database.read() as session:
            row = (await session.execute(text("SELECT current FROM journey WHERE key = :key"), {"key": journey})).first()
            if row is None:
                raise NotFound("journey", journey)
            rows = await session.execute(text("SELECT hash, number FROM version WHERE key = :key"), {"key": journey})
            numbers = {each.hash: each.number for each in rows.all()}
        target = row.current if request.to == "current" else request.to
        flaws: list[Flaw] = []
        remedy = f"use a hash of GET /v1/journeys/{journey}/versions"
        if target not in numbers:
            flaws.append(Flaw(path="$.to", message=f"{journey!r} has no version {target!r}", remedy=f"{remedy}, or current"))
        if request.source != "all-older" and request.source not in numbers:
            flaws.append(
                Flaw(path="$.from", message=f"{journey!r} has no version {request.source!r}", remedy=f"{remedy}, or all-older")
            )
        if request.source == target:
            flaws.append(Flaw(path="$.from", message="is the version that people shall go to", remedy="name another one"))
        if not flaws:
            there = await self._versions.journey(target)
            flaws += [
                Flaw(path=f"$.mapping.{step}", message=f"leads to {to!r}, which {target!r} has not", remedy="use a step of it")
                for step, to in unknown_targets(there, request.mapping).items()
            ]
        if flaws:
            raise BadInput(flaws, "the migration")
        older = tuple(each for each, number in numbers.items() if number < numbers[target])
        sources = older if request.source == "all-older" else (request.source,)
        if flaws := await self._unknown_steps(request, sources):
            raise BadInput(flaws, "the migration")
        return target, MigrationPlan(sources=sources, mapping=request.mapping, cohorts=request.cohorts)

    async def _unknown_steps(self, request: MigrationRequest, sources: Sequence[str]) -> list[Flaw]:
        """Steps that nobody can stand at in the versions that people come from: misspelt, they would say nothing of anybody."""
        known = list(dict.fromkeys([step for source in sources for step in (await self._versions.journey(source)).index.steps]))
        named = {f"$.mapping.{step}": step for step in request.mapping} | {
            f"$.cohorts[{number}].steps[{place}]": step
            for number, rule in enumerate(request.cohorts)
            for place, step in enumerate(rule.steps or ())
        }
        return [
            Flaw(
                path=path,
                message=f"no version that people come from has a step {step!r}",
                remedy=f"use one of {', '.join(known)}",
            )
            for path, step in named.items()
            if known and step not in known
        ]


async def _under_way(session: AsyncSession, journey: str) -> UUID | None:
    rows = await session.execute(
        text("SELECT id FROM migration WHERE journey = :journey AND state IN ('running', 'finishing')"), {"journey": journey}
    )
    found = rows.first()
    return found[0] if found else None
