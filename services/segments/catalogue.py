"""Segment definitions as people write them: put, read, deleted; each version is kept for ever."""

from __future__ import annotations

from datetime import datetime

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.segments import SegmentDraft
from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from services.segments.definitions import DefinitionCache, Definitions
from services.segments.errors import StillUsed
from services.segments.reading import check_segments, read_condition
from services.segments.rebuild import Rebuilder
from services.segments.schemas import SegmentList, SegmentVersion, SegmentVersions, SegmentView

_PATIENCE = 10.0  # real seconds that a change waits for the population to be computed
_NOBODY: dict[str, JsonValue] = {"any": []}

_COLUMNS = "key, version, name, description, condition, computed, created_at, updated_at"
_ONE = text(f"SELECT {_COLUMNS} FROM segment WHERE key = :key AND NOT deleted")  # constants only
_ALL = text(f"SELECT {_COLUMNS} FROM segment WHERE NOT deleted ORDER BY key")
_VERSIONS = text(
    "SELECT version, name, description, condition, deleted, created_at, created_by FROM segment_version "
    "WHERE key = :key ORDER BY version"
)
_PUT = text(
    "INSERT INTO segment (key, version, name, description, condition, deleted, created_at, updated_at, computed) "
    "VALUES (:key, 1, :name, :description, CAST(:condition AS jsonb), :deleted, :now, :now, false) "
    "ON CONFLICT (key) DO UPDATE SET version = segment.version + 1, name = excluded.name, description = excluded.description, "
    "condition = excluded.condition, deleted = excluded.deleted, updated_at = excluded.updated_at, "
    "computed = segment.computed AND segment.condition = excluded.condition, "
    "computed_to = CASE WHEN segment.condition = excluded.condition THEN segment.computed_to END RETURNING version"
)
_REMEMBER = text(
    "INSERT INTO segment_version (key, version, name, description, condition, deleted, created_at, created_by) "
    "VALUES (:key, :version, :name, :description, CAST(:condition AS jsonb), :deleted, :now, :by)"
)
_REVISE = text("UPDATE registry SET revision = revision + 1")


class Catalogue:
    """The segments that exist."""

    def __init__(self, *, database: Database, definitions: DefinitionCache, rebuilder: Rebuilder, clock: Clock) -> None:
        self._database = database
        self._definitions = definitions
        self._rebuilder = rebuilder
        self._clock = clock

    async def put(self, key: str, draft: SegmentDraft, by: str) -> SegmentView:
        """A new version unless nothing differs; waits a while for its memberships. Raises `BadInput`."""
        read_condition(draft.condition, "$.condition")
        async with self._database.begin() as session:
            definitions = await self._definitions.locked(session)
            check_segments(draft.condition, "$.condition", definitions, key)
            known = (await session.execute(_ONE, {"key": key})).first()
            if known is None or (known.name, known.description, known.condition) != (
                draft.name,
                draft.description,
                draft.condition,
            ):
                await self._write(session, key, draft, deleted=False, by=by)
        await self._compute(key)
        return await self.get(key)

    async def delete(self, key: str, by: str) -> None:
        """Everybody leaves it; its versions and histories stay. Raises `NotFound`, and `StillUsed` by other segments."""
        async with self._database.begin() as session:
            definitions = await self._definitions.locked(session)
            known = _view((await session.execute(_ONE, {"key": key})).first(), key)
            users = _users(definitions, key)
            if users:
                raise StillUsed(key, users)
            draft = SegmentDraft(name=known.name, description=known.description, condition=_NOBODY)
            await self._write(session, key, draft, deleted=True, by=by)
        await self._compute(key)

    async def get(self, key: str) -> SegmentView:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            return _view((await session.execute(_ONE, {"key": key})).first(), key)

    async def all(self) -> SegmentList:
        async with self._database.read() as session:
            return SegmentList(segments=tuple(_view(row, "") for row in (await session.execute(_ALL)).all()))

    async def versions(self, key: str) -> SegmentVersions:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            rows = (await session.execute(_VERSIONS, {"key": key})).all()
        if not rows:
            raise NotFound("segment", key)
        return SegmentVersions(versions=tuple(SegmentVersion.model_validate(row, from_attributes=True) for row in rows))

    async def _write(self, session: AsyncSession, key: str, draft: SegmentDraft, *, deleted: bool, by: str) -> None:
        now: datetime = self._clock.now()
        condition = orjson.dumps(draft.condition).decode()
        values = {
            "key": key,
            "name": draft.name,
            "description": draft.description,
            "condition": condition,
            "deleted": deleted,
            "now": now,
        }
        version = (await session.execute(_PUT, values)).scalar_one()
        await session.execute(_REMEMBER, {**values, "version": version, "by": by})
        await session.execute(_REVISE)

    async def _compute(self, key: str) -> None:
        self._rebuilder.wake()
        await self._rebuilder.finished(key, patience=_PATIENCE)


def _users(definitions: Definitions, key: str) -> list[str]:
    return sorted(user for user in definitions.dependents.get(key, ()) if not definitions.segments[user].deleted)


def _view(row: object, key: str) -> SegmentView:
    if row is None:
        raise NotFound("segment", key)
    return SegmentView.model_validate(row, from_attributes=True)
