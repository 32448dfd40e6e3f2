"""Consent that people give or take back through a channel: kept here until profiles has confirmed it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import structlog
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.profiles import ConsentEntries, ConsentEntry
from infra.db import Database
from infra.errors import Rejected, Unavailable
from infra.http import ServiceClient

log = structlog.get_logger(__name__)

_PAGE = 200
_IDLE_SECONDS = 5.0


class ConsentPost:
    """Entries are written in the transaction of their cause and delivered after it, in order, at least once."""

    def __init__(self, database: Database, profiles: ServiceClient) -> None:
        self._database = database
        self._profiles = profiles
        self._lock = asyncio.Lock()

    async def owe(self, session: AsyncSession, entries: Sequence[ConsentEntry]) -> None:
        """Writes entries down in the caller's transaction. Call `deliver` after its commit."""
        if entries:
            rows = orjson.dumps([entry.model_dump(mode="json") for entry in entries]).decode()
            await session.execute(
                text("INSERT INTO consent_due (entry) SELECT * FROM json_array_elements(CAST(:rows AS json))"), {"rows": rows}
            )

    async def deliver(self) -> None:
        """Brings profiles everything that is owed. What profiles cannot take now stays for the next time."""
        async with self._lock:
            try:
                while await self._page():
                    pass
            except Unavailable as error:
                log.warning("consents.waiting", why=str(error))

    async def run(self) -> None:
        """Delivers what an earlier process or a failed call left, for ever."""
        while True:
            await self.deliver()
            await asyncio.sleep(_IDLE_SECONDS)

    async def _page(self) -> bool:
        async with self._database.read() as session:
            statement = text("SELECT id, entry FROM consent_due ORDER BY id LIMIT :most")
            rows = (await session.execute(statement, {"most": _PAGE})).all()
        if not rows:
            return False
        entries = [ConsentEntry.model_validate(row.entry) for row in rows]
        try:
            await self._profiles.request("POST", "/v1/consents", ConsentEntries(entries=tuple(entries)))
        except Rejected:
            await self._singly(entries)
        async with self._database.begin() as session:
            await session.execute(text("DELETE FROM consent_due WHERE id = ANY(:ids)"), {"ids": [row.id for row in rows]})
        return len(rows) == _PAGE

    async def _singly(self, entries: Sequence[ConsentEntry]) -> None:
        """A page is taken whole or not at all: one person erased meanwhile must not hold back the others."""
        for entry in entries:
            try:
                await self._profiles.request("POST", "/v1/consents", ConsentEntries(entries=(entry,)))
            except Rejected as error:
                log.warning("consents.refused", profile=str(entry.profile_id), why=str(error))
