"""All journeys and their versions at a glance: states, and how many people are where."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.errors import NotFound


class JourneySummary(BaseModel):
    """A journey, its state and its current version (None while it is only a draft), and how many people are under way.

    `held` of them have not been started yet: the journey is paused, or they wait for a place under its cap.
    """

    key: str
    state: str
    state_since: datetime | None
    version: str | None
    number: int | None
    name: str | None
    published_at: datetime | None
    has_draft: bool
    canary: str | None
    canary_share: int | None
    running: int
    held: int


class VersionSummary(BaseModel):
    """A version. `entered` people began in it or were migrated to it, `under_way` of them have not ended."""

    hash: str
    number: int
    published_at: datetime
    published_by: str
    current: bool
    canary_share: int | None
    entered: int
    under_way: int


async def journeys(session: AsyncSession) -> list[JourneySummary]:
    """In the order of their keys."""
    rows = await session.execute(
        text(
            "SELECT j.key, j.state, j.state_since, j.current AS version, v.number, "
            "coalesce(v.definition->>'name', CASE jsonb_typeof(j.draft->'name') WHEN 'string' THEN j.draft->>'name' END) "
            "AS name, v.published_at, j.draft IS NOT NULL AS has_draft, j.canary, j.canary_share, "
            "coalesce(e.running, 0) AS running, coalesce(e.held, 0) AS held "
            "FROM journey j LEFT JOIN version v ON v.hash = j.current LEFT JOIN (SELECT journey, count(*) AS running, "
            "count(start_at) AS held FROM enrolment WHERE state <> 'ended' GROUP BY 1) e ON e.journey = j.key ORDER BY j.key"
        )
    )
    return [JourneySummary(**row) for row in rows.mappings().all()]


async def versions(session: AsyncSession, key: str) -> list[VersionSummary]:
    """Newest first. Raises `NotFound`."""
    if (await session.execute(text("SELECT 1 FROM journey WHERE key = :key"), {"key": key})).first() is None:
        raise NotFound("journey", key)
    rows = await session.execute(
        text(
            "SELECT v.hash, v.number, v.published_at, v.published_by, v.hash = j.current AS current, "
            "CASE WHEN v.hash = j.canary THEN j.canary_share END AS canary_share, coalesce(e.entered, 0) AS entered, "
            "coalesce(e.under_way, 0) AS under_way FROM version v JOIN journey j ON j.key = v.key "
            "LEFT JOIN (SELECT version, count(*) AS entered, count(*) FILTER (WHERE state <> 'ended') AS under_way "
            "FROM enrolment WHERE journey = :key GROUP BY 1) e ON e.version = v.hash "
            "WHERE v.key = :key ORDER BY v.number DESC"
        ),
        {"key": key},
    )
    return [VersionSummary(**row) for row in rows.mappings().all()]
