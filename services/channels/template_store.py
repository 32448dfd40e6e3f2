"""Template versions in the database, and the parsed ones kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from services.channels.templates import Compiled, TemplateDetail, TemplateInput, TemplateSummary, compiled

_ADD = text(
    "INSERT INTO template (key, version, purpose, parts, variables, created_at, created_by) "
    "SELECT :key, coalesce(max(version), 0) + 1, :purpose, CAST(:parts AS jsonb), CAST(:variables AS jsonb), :at, :by "
    "FROM template WHERE key = :key RETURNING version"
)
_NEWEST = (
    "SELECT DISTINCT ON (key) key, version, purpose, parts, variables, created_at, created_by FROM "
    "template {} ORDER BY key, version DESC"
)


class TemplateStore:
    """Reads and writes templates. Versions never change, so a parsed one is kept for ever."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._parsed: dict[tuple[str, int], Compiled] = {}

    async def put(self, key: str, given: TemplateInput, by: str) -> TemplateDetail:
        """Stores a new version unless the newest one says the same. Raises `BadInput`."""
        parsed = compiled(key, 0, given)
        parts = given.model_dump_json(exclude_none=True, exclude={"purpose"})
        async with self._database.begin() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"template {key}"})
            newest = await self._newest(session, key)
            if newest is not None and newest.parts == given:
                return newest
            variables = {channel.value: names for channel, names in parsed.variables().items()}
            values = {
                "key": key,
                "purpose": given.purpose,
                "parts": parts,
                "variables": orjson.dumps(variables).decode(),
                "at": self._clock.now(),
                "by": by,
            }
            await session.execute(_ADD, values)
            added = await self._newest(session, key)
        assert added is not None
        return added

    async def get(self, key: str) -> TemplateDetail:
        """The newest version. Raises `NotFound`."""
        async with self._database.read() as session:
            found = await self._newest(session, key)
        if found is None:
            raise NotFound("template", key)
        return found

    async def all(self) -> list[TemplateSummary]:
        """Every template in its newest version, by key."""
        async with self._database.read() as session:
            rows = (await session.execute(text(_NEWEST.format("")))).all()
        return [TemplateSummary.model_validate(self._detail(row).model_dump(exclude={"parts"})) for row in rows]

    async def load(self, session: AsyncSession, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Compiled]:
        """The parsed templates of these versions, reading only those not in memory."""
        names = set(wanted)
        missing = [name for name in names if name not in self._parsed]
        if missing:
            statement = text(
                "SELECT t.key, t.version, t.purpose, t.parts FROM template t "
                "JOIN unnest(CAST(:keys AS text[]), CAST(:versions AS int[])) AS w(key, version) ON t.key = w.key "
                "AND t.version = w.version"
            )
            values = {"keys": [key for key, _ in missing], "versions": [version for _, version in missing]}
            for row in (await session.execute(statement, values)).all():
                self._compiled(row.key, row.version, TemplateInput.model_validate({**row.parts, "purpose": row.purpose}))
        return {name: self._parsed[name] for name in names if name in self._parsed}

    async def _newest(self, session: AsyncSession, key: str) -> TemplateDetail | None:
        rows: Sequence[object] = (await session.execute(text(_NEWEST.format("WHERE key = :key")), {"key": key})).all()
        return self._detail(rows[0]) if rows else None

    def _detail(self, row: object) -> TemplateDetail:
        fields = row._mapping  # type: ignore[attr-defined]  # noqa: SLF001  SQLAlchemy's public name for it
        given = TemplateInput.model_validate({**fields["parts"], "purpose": fields["purpose"]})
        required = self._compiled(fields["key"], fields["version"], given).required()
        return TemplateDetail.model_validate({**fields, "parts": given, "channels": list(fields["parts"]), "required": required})

    def _compiled(self, key: str, version: int, given: TemplateInput) -> Compiled:
        if (key, version) not in self._parsed:
            self._parsed[key, version] = compiled(key, version, given)
        return self._parsed[key, version]
