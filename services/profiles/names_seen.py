"""The names of events and traits that anybody has ever sent, noted while they are taken in: looking for them would take long."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions.values import dotted_names
from contracts.profiles import NamesSeen
from infra.db import Database
from services.profiles.people import People

EVENT, TRAIT = "event", "trait"
MOST = 2_000
"""Of a kind; who has more makes names of data, and no list of them tells what is misspelt."""
_LONGEST = 200

# In order, so that two batches with the same new names never wait for each other in a circle.
_NOTE = text(
    "WITH given AS (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:names AS text[])) AS g(kind, name)), "
    "known AS (SELECT kind, name FROM given JOIN name_seen USING (kind, name)), "
    "added AS (INSERT INTO name_seen (kind, name) SELECT kind, name FROM given WHERE (kind, name) NOT IN (TABLE known) "
    "AND (SELECT count(*) FROM name_seen n WHERE n.kind = given.kind) < :most ORDER BY kind, name ON CONFLICT DO NOTHING) "
    "SELECT kind, name FROM known"
)
_ALL = text("SELECT kind, name FROM name_seen ORDER BY kind, name")


class NamesBook:
    """What this process knows to be noted: a batch of names that are all known costs no statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: set[tuple[str, str]] = set()

    async def note(self, session: AsyncSession, people: People) -> None:
        """Notes the names in a batch. Only what was there before counts as noted: this transaction may yet be undone."""
        new = sorted(set(_names(people)) - self._noted)
        if new:
            kinds, names = [kind for kind, _ in new], [name for _, name in new]
            rows = await session.execute(_NOTE, {"kinds": kinds, "names": names, "most": MOST})
            self._noted.update((row.kind, row.name) for row in rows)

    async def all(self) -> NamesSeen:
        """Every name; none of a kind that has too many."""
        found: dict[str, list[str]] = {EVENT: [], TRAIT: []}
        async with self._database.read() as session:
            for row in await session.execute(_ALL):
                found[row.kind].append(row.name)
        return NamesSeen(**{f"{kind}s": tuple(names) if len(names) < MOST else None for kind, names in found.items()})


def _names(people: People) -> Iterator[tuple[str, str]]:
    for taken in people.taken:
        if taken.message.name is not None and len(taken.message.name) <= _LONGEST:
            yield EVENT, taken.message.name
    for person in (*people.created, *people.changed()):
        yield from ((TRAIT, name) for name in dotted_names(person.traits) if len(name) <= _LONGEST)
