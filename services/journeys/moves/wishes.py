"""Wishes: enrolments that are to go elsewhere, written down, and their workflows told to ask."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import RefreshSignal
from services.journeys.enrolments import Decision
from services.journeys.moves.destinations import Wish
from services.journeys.outgoing import Outgoing, write


async def want(session: AsyncSession, wanted: dict[UUID, Wish]) -> list[Outgoing]:
    """Writes where these are to go and has their workflows ask, if they stand anywhere; who goes somewhere already is left."""
    rows = await session.execute(
        text(
            "UPDATE enrolment e SET moving = k.moving FROM unnest(CAST(:ids AS uuid[]), CAST(:wishes AS jsonb[])) "
            "AS k(id, moving) WHERE e.id = k.id AND e.state = 'running' AND e.moving IS NULL RETURNING e.id"
        ),
        {"ids": list(wanted), "wishes": [each.model_dump_json() for each in wanted.values()]},
    )
    return await _ask(session, [row[0] for row in rows.all()])


async def stir_movers(session: AsyncSession, decisions: Sequence[Decision]) -> list[Outgoing]:
    """Has those ask again who were decided to wait while somebody wanted them elsewhere. Either sees what the other wrote."""
    waiting = [each.enrolment_id for each in decisions if each.outcome["kind"] in ("sleep", "waiting") or each.kind == "deferred"]
    if not waiting:
        return []
    rows = await session.execute(
        text("SELECT id, moving IS NOT NULL AND moving->'sent' = 'null' AS asked FROM enrolment WHERE id = ANY(:ids) FOR SHARE"),
        {"ids": waiting},
    )
    return await _ask(session, [row.id for row in rows.all() if row.asked])


async def _ask(session: AsyncSession, ids: Sequence[UUID]) -> list[Outgoing]:
    if not ids:
        return []
    rows = await session.execute(
        text(
            "SELECT e.id, e.journey, p.step, p.visit FROM enrolment e JOIN place p ON p.enrolment_id = e.id "
            "WHERE e.id = ANY(:ids) AND p.step IS NOT NULL"
        ),
        {"ids": list(ids)},
    )
    return await write(
        session,
        [
            Outgoing(
                row.id,
                row.journey,
                "refresh",
                RefreshSignal(step=row.step, visit=row.visit).model_dump(mode="json"),
                f"moving:{uuid4()}",
            )
            for row in rows.all()
        ],
    )
