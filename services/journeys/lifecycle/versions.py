"""Definitions: publishing new versions, and handing out the parsed journey of a content hash."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions.problems import Problem
from infra.db import Database
from infra.errors import BadInput, Flaw, NotFound
from journeys import Catalog, Journey, check_definition, content_hash, parse_journey
from journeys.mentions import emitted_events, written_traits
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.publishing import store, take_effect
from services.journeys.steps.requests import call_template
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

    def __init__(self, database: Database, *, secrets: frozenset[str] | None = None) -> None:
        """`secrets` are the names that calls may use; None where they are not known here."""
        self._database = database
        self._call_template = call_template(secrets)
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

    async def examine(self, definition: object, *, world: World, key: str | None = None) -> tuple[Journey | None, list[Problem]]:
        """Everything that is wrong with a definition, and what to think about; the journey where it could be read at all."""
        templates, segments, computed = await world.names()
        seen = await world.seen()
        async with self._database.read() as session:
            current = await self.current(session)
            others = {other: await self.journey(version, session) for other, version in current.items()}
        own = definition.get("key") if isinstance(definition, dict) else None
        catalog = Catalog(
            templates=frozenset(templates),
            segments=segments,
            traits=_seen(seen.traits, (name for other in others.values() for name in written_traits(other))),
            computed=computed,
            events=_seen(seen.events, (name for other in others.values() for name in emitted_events(other))),
            journeys=frozenset(current) | ({own} if isinstance(own, str) else frozenset()),
            definitions=others,
            template_facts=templates,
            call_template=self._call_template,
        )
        journey, problems = check_definition(definition, catalog)
        if key is not None and journey is not None and journey.key != key:
            message = f"is {journey.key!r}, but the address says {key!r}"
            problems = (Problem(path="$.key", message=message, remedy=f"write {key!r} in one of them"), *problems)
        return journey, list(problems)

    async def publish(
        self,
        definition: dict[str, Any],
        *,
        by: str,
        now: datetime,
        world: World,
        key: str | None = None,
        canary: int | None = None,
    ) -> Version:
        """Validates a definition and makes it the version that new people enter; with `canary`, that percentage of them.

        A paused journey stays paused, any other is published from now on. Raises `BadInput` with every problem found; then
        nothing is written. Raises `Conflict` where a canary has nothing to be compared with, or other people would enter it.
        """
        journey, problems = await self.examine(definition, world=world, key=key)
        errors = [flaw_of(problem) for problem in problems if problem.severity == "error"]
        if errors or journey is None:
            raise BadInput(errors, f"the journey {journey.key!r}" if journey else "the journey")
        version = content_hash(definition)
        async with self._database.begin() as session:
            row = await store(session, journey.key, version, definition, by, now)
            await take_effect(session, journey, version, now, canary)
            detail = {"version": version, "number": row[0]} | ({"canary": canary} if canary is not None else {})
            await note(session, at=now, who=by, action="publish", journey=journey.key, detail=detail)
        self._remember(version, definition)
        warnings = [flaw_of(problem) for problem in problems if problem.severity != "error"]
        return Version(key=journey.key, hash=version, number=row[0], published_at=row[1], warnings=warnings)

    def _remember(self, version: str, definition: dict[str, Any]) -> Journey:
        journey = self._parsed[version] = parse_journey(definition)
        if len(self._parsed) > _CACHED:
            self._parsed.popitem(last=False)
        return journey


def _seen(names: Iterable[str] | None, of_journeys: Iterable[str]) -> frozenset[str] | None:
    """What people have sent, and what other journeys will; None where nothing was sent yet: then no name is worth a word."""
    return frozenset([*names, *of_journeys]) if names else None


def flaw_of(problem: Problem) -> Flaw:
    """A problem as the API tells it."""
    return Flaw(path=problem.path, message=problem.message, remedy=problem.remedy, severity=problem.severity)
