"""Consent that people give or take back through a channel: kept here until profiles has confirmed it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import orjson
import structlog
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.profiles import Consent, ConsentEntries, ConsentEntry, ConsentState
from infra.db import Database
from infra.errors import CallFailed, Rejected
from infra.http import ServiceClient
from services.channels.decision import Person

log = structlog.get_logger(__name__)

_PAGE = 200
_IDLE_SECONDS = 5.0
_NOBODY = "$.entries[0].profile_id"  # the flaw of an entry that was brought alone, whose person is unknown or erased
_OUR_FAULT = frozenset({401, 403})
_OWED = text(
    "SELECT entry FROM consent_due WHERE entry->>'state' = 'withdrawn' AND entry->>'profile_id' = ANY(CAST(:ids AS text[]))"
)


async def heeded(session: AsyncSession, people: Mapping[UUID, Person]) -> dict[UUID, Person]:
    """These people, with what they took back and profiles does not know yet."""
    ids = {str(id_) for person in people.values() for id_ in person.ids}
    owed = [ConsentEntry.model_validate(row.entry) for row in (await session.execute(_OWED, {"ids": list(ids)})).all()]
    found = dict(people)
    for asked, person in people.items() if owed else ():
        taken_back = tuple(
            Consent(channel=entry.channel, purpose=entry.purpose, state=ConsentState.WITHDRAWN, at=entry.at)
            for entry in owed
            if entry.profile_id in person.ids and entry.at is not None
        )
        profile = person.profile.model_copy(update={"consents": (*person.profile.consents, *taken_back)})
        found[asked] = replace(person, profile=profile)
    return found


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
        """Brings profiles everything that is owed. What cannot be brought now stays for the next time; never raises."""
        async with self._lock:
            try:
                last: int | None = 0
                while last is not None:
                    last = await self._page(last)
            except CallFailed as error:
                log.warning("consents.waiting", why=str(error))
            except Exception:
                log.exception("consents.failed")

    async def run(self) -> None:
        """Delivers what an earlier process or a failed call left, for ever."""
        while True:
            await self.deliver()
            await asyncio.sleep(_IDLE_SECONDS)

    async def _page(self, after: int) -> int | None:
        """Brings the page behind the row `after`; answers its last row, none for the last page."""
        async with self._database.read() as session:
            statement = text("SELECT id, entry FROM consent_due WHERE id > :after ORDER BY id LIMIT :most")
            rows = (await session.execute(statement, {"after": after, "most": _PAGE})).all()
        if not rows:
            return None
        entries = {row.id: ConsentEntry.model_validate(row.entry) for row in rows}
        try:
            await self._bring(list(entries.values()))
        except Rejected as error:
            if error.answered in _OUR_FAULT:
                raise
            await self._singly(entries)
        else:
            await self._done(list(entries))
        return rows[-1].id if len(rows) == _PAGE else None

    async def _singly(self, entries: Mapping[int, ConsentEntry]) -> None:
        """A page is taken whole or not at all: one person erased meanwhile must not hold back the others.

        Only an entry that is nobody's is dropped. Whatever else profiles has against one stays, and is heeded here.
        """
        for id_, entry in entries.items():
            try:
                await self._bring([entry])
            except Rejected as error:
                log.warning("consents.refused", profile=str(entry.profile_id), why=str(error))
                if error.answered in _OUR_FAULT:
                    raise
                if _NOBODY not in [flaw.path for flaw in error.flaws]:
                    continue
            await self._done([id_])

    async def _bring(self, entries: Sequence[ConsentEntry]) -> None:
        await self._profiles.request("POST", "/v1/consents", ConsentEntries(entries=tuple(entries)))

    async def _done(self, ids: Sequence[int]) -> None:
        async with self._database.begin() as session:
            await session.execute(text("DELETE FROM consent_due WHERE id = ANY(:ids)"), {"ids": ids})
