"""The audit log: who changed a journey or an enrolment, and how. Written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession


class AuditEntry(BaseModel):
    """One change: who made it, and what it was. `id` grows."""

    id: int
    at: datetime
    who: str
    action: str
    journey: str
    enrolment_id: UUID | None = None
    detail: dict[str, Any] = {}


async def note(
    session: AsyncSession,
    *,
    at: datetime,
    who: str,
    action: str,
    journey: str,
    enrolments: Sequence[UUID | None] = (None,),
    detail: dict[str, Any] | None = None,
) -> None:
    """Writes a change of a journey, or the same change of several enrolments."""
    await session.execute(
        text(
            "INSERT INTO audit (at, who, action, journey, enrolment_id, detail) SELECT :at, :who, :action, :journey, e, "
            "CAST(:detail AS jsonb) FROM unnest(CAST(:enrolments AS uuid[])) AS e"
        ),
        {
            "at": at,
            "who": who,
            "action": action,
            "journey": journey,
            "enrolments": list(enrolments),
            "detail": orjson.dumps(detail or {}).decode(),
        },
    )


async def entries(
    session: AsyncSession, *, journey: str | None, enrolment_id: UUID | None, before: int | None, limit: int
) -> list[AuditEntry]:
    """Newest first; `before` is the id of the last one seen."""
    rows = await session.execute(
        text(
            "SELECT id, at, who, action, journey, enrolment_id, detail FROM audit "
            "WHERE (CAST(:journey AS text) IS NULL OR journey = :journey) "
            "AND (CASE WHEN CAST(:enrolment AS uuid) IS NULL THEN true ELSE enrolment_id = :enrolment END) "
            "AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {"journey": journey, "enrolment": enrolment_id, "before": before, "limit": limit},
    )
    return [AuditEntry(**row) for row in rows.mappings().all()]
