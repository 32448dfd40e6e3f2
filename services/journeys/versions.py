"""Definitions: publishing new versions, and handing out the parsed journey of a content hash."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions.problems import Problem
from infra.db import Database
from infra.errors import BadInput, Flaw, NotFound
from journeys import Catalog, Journey, JourneyError, check, content_hash, parse_journey
from services.journeys.world import World

_CACHED = 500


class Version(BaseModel):
    """A published version; publishing the same definition again answers with the same one."""

    key: str
    hash: str
    number: int
    published_at: datetime
    warnings: list[Flaw] = []


class Versions:
    """The store of definitions. Parsed journeys are cached by hash: they never change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parsed: OrderedDict[str, Journey] = OrderedDict()

    async def journey(self, version: str, session: AsyncSession | None = None) -> Journey:
        """The journey of a content hash, read in `session` where one is open. Raises `NotFound`."""
        known = self._parsed.get(version)
        if known is not None:
            self._parsed.move_to_end(version)
            return known
        definition = await self.definition(version) if session is None else await self._definition(session, version)
        return self._remember(version, definition)

    async def definition(self, version: str) -> dict[str, Any]:
        """The JSON of a content hash, as it was published. Raises `NotFound`."""
        async with self._database.read() as session:
            return await self._definition(session, version)

    async def _definition(self, session: AsyncSession, version: str) -> dict[str, Any]:
        row = (await session.execute(text("SELECT definition FROM version WHERE hash = :hash"), {"hash": version})).first()
        if row is None:
            raise NotFound("journey version", version)
        return dict(row[0])

    async def current(self, session: AsyncSession) -> dict[str, str]:
        """The journeys that people can enter: key → content hash, as of this transaction."""
        return {
            row[0]: row[1]
            for row in (await session.execute(text("SELECT key, current FROM journey WHERE current IS NOT NULL"))).all()
        }

    async def publish(
        self, definition: dict[str, Any], *, by: str, now: datetime, world: World, key: str | None = None
    ) -> Version:
        """Validates a definition and makes it the version that new people enter.

        Raises `BadInput` with every problem found; then nothing is written.
        """
        journey = self._parse(definition)
        if key is not None and journey.key != key:
            flaw = Flaw(
                path="$.key", message=f"is {journey.key!r}, but the address says {key!r}", remedy=f"write {key!r} in one of them"
            )
            raise BadInput([flaw], "the journey")
        templates, segments = await world.names()
        async with self._database.read() as session:
            keys = frozenset(await self.current(session)) | {journey.key}
        catalog = Catalog(templates=frozenset(templates), segments=segments, journeys=keys, template_variables=templates)
        problems = check(journey, catalog)
        errors = [_flaw(problem) for problem in problems if problem.severity == "error"]
        if errors:
            raise BadInput(errors, f"the journey {journey.key!r}")
        version = content_hash(definition)
        async with self._database.begin() as session:
            row = await self._store(session, journey.key, version, definition, by, now)
        self._remember(version, definition)
        warnings = [_flaw(problem) for problem in problems if problem.severity != "error"]
        return Version(key=journey.key, hash=version, number=row[0], published_at=row[1], warnings=warnings)

    async def _store(
        self, session: AsyncSession, key: str, version: str, definition: dict[str, Any], by: str, now: datetime
    ) -> tuple[int, datetime]:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"publish:{key}"})
        known = (
            await session.execute(text("SELECT number, published_at FROM version WHERE hash = :hash"), {"hash": version})
        ).first()
        if known is None:
            known = (
                await session.execute(
                    text(
                        "INSERT INTO version (hash, key, number, definition, published_at, published_by) "
                        "SELECT CAST(:hash AS text), CAST(:key AS text), coalesce(max(number), 0) + 1, "
                        "CAST(:definition AS jsonb), CAST(:now AS timestamptz), CAST(:by AS text) "
                        "FROM version WHERE key = :key RETURNING number, published_at"
                    ),
                    {"hash": version, "key": key, "definition": orjson.dumps(definition).decode(), "now": now, "by": by},
                )
            ).one()
        await session.execute(
            text(
                "INSERT INTO journey (key, current, created_at) VALUES (:key, :hash, :now) "
                "ON CONFLICT (key) DO UPDATE SET current = excluded.current"
            ),
            {"key": key, "hash": version, "now": now},
        )
        return int(known[0]), known[1]

    def _remember(self, version: str, definition: dict[str, Any]) -> Journey:
        journey = self._parsed[version] = parse_journey(definition)
        if len(self._parsed) > _CACHED:
            self._parsed.popitem(last=False)
        return journey

    def _parse(self, definition: object) -> Journey:
        try:
            return parse_journey(definition)
        except JourneyError as error:
            raise BadInput([_flaw(problem) for problem in error.problems], "the journey") from error


def _flaw(problem: Problem) -> Flaw:
    return Flaw(path=problem.path, message=problem.message, remedy=problem.remedy, severity=problem.severity)
