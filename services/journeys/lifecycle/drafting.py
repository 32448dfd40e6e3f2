"""Drafts: definitions under work, valid or not; nobody enters by them until they are published."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import text

from infra.clock import Clock
from infra.db import Database
from infra.errors import Conflict, Flaw, NotFound
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.publishing import end_canary
from services.journeys.lifecycle.versions import Version, Versions, flaw_of
from services.journeys.world import World


class Draft(BaseModel):
    """A stored draft and all that was found about it; `valid`: it could be published as it is."""

    key: str
    valid: bool
    problems: list[Flaw]
    definition: dict[str, Any]


class Drafts:
    """Keeps one draft per journey, and publishes it."""

    def __init__(self, *, database: Database, versions: Versions, world: World, clock: Clock) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._clock = clock

    async def save(self, key: str, definition: dict[str, Any], *, by: str) -> Draft:
        """Stores it whatever it is like, and says what is wrong."""
        draft = await self._examined(key, definition)
        now = self._clock.now()
        async with self._database.begin() as session:
            await session.execute(
                text(
                    "INSERT INTO journey (key, created_at, state, state_since, draft) VALUES (:key, :now, 'draft', :now, "
                    "CAST(:draft AS jsonb)) ON CONFLICT (key) DO UPDATE SET draft = excluded.draft"
                ),
                {"key": key, "now": now, "draft": orjson.dumps(definition).decode()},
            )
            await note(session, at=now, who=by, action="draft", journey=key, detail={"valid": draft.valid})
        return draft

    async def read(self, key: str) -> Draft:
        """Raises `NotFound`."""
        definition, _, _ = await self._stored(key)
        if definition is None:
            raise NotFound("draft of a journey", key)
        return await self._examined(key, definition)

    async def publish(self, key: str, *, by: str, canary: int | None) -> Version:
        """Publishes the draft; without one, opens a journey that nobody enters any more again, with its newest version.

        Raises `NotFound`, `BadInput` and `Conflict`.
        """
        draft, current, state = await self._stored(key)
        if draft is None and (current is None or state not in {"draining", "archived"}):
            raise Conflict(f"{key!r} is {state} and has no draft: PUT one to /v1/journeys/{key}/draft first")
        definition = draft if draft is not None else await self._versions.definition(str(current))
        now = self._clock.now()
        version = await self._versions.publish(definition, by=by, now=now, world=self._world, key=key, canary=canary)
        async with self._database.begin() as session:
            await session.execute(
                text("UPDATE journey SET draft = NULL WHERE key = :key AND draft = CAST(:draft AS jsonb)"),
                {"key": key, "draft": orjson.dumps(definition).decode()},
            )
        return version

    async def end_canary(self, key: str, *, promote: bool, by: str) -> str:
        """Gives the canary version to everybody new, or to nobody new; who is in it goes on. Raises `Conflict`."""
        async with self._database.begin() as session:
            version = await end_canary(session, key, promote=promote)
            action = "promote canary" if promote else "abort canary"
            await note(session, at=self._clock.now(), who=by, action=action, journey=key, detail={"version": version})
        return version

    async def _stored(self, key: str) -> tuple[dict[str, Any] | None, str | None, str]:
        async with self._database.read() as session:
            found = (
                await session.execute(text("SELECT draft, current, state FROM journey WHERE key = :key"), {"key": key})
            ).first()
        if found is None:
            raise NotFound("journey", key)
        return found.draft, found.current, found.state

    async def _examined(self, key: str, definition: dict[str, Any]) -> Draft:
        _, problems = await self._versions.examine(definition, world=self._world, key=key)
        valid = all(problem.severity != "error" for problem in problems)
        return Draft(key=key, valid=valid, problems=[flaw_of(each) for each in problems], definition=definition)
