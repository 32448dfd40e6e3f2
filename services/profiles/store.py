"""People and events in PostgreSQL: a batch is read with three statements and written with as many as it has kinds of rows.

Row sets travel as one JSON text each and are unpacked by the server. Names are written in sorted order, and rows are
locked in the order of their ids, so that two batches never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.profiles.messages import Message
from services.profiles.people import Merge, Name, People, Person

_LOCK = 0x7265697301  # the advisory lock under which identities are joined; any constant of our own
_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_EXCLUSIVE = text(f"SELECT pg_advisory_xact_lock({_LOCK})")

_NAMES = text(
    "SELECT i.kind, i.value, i.profile_id FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS n(kind, value) "
    "JOIN identity i ON i.kind = n.kind AND i.value = n.value"
)
_SURVIVORS = text("SELECT merged, survivor FROM profile_merge WHERE merged = ANY(CAST(:ids AS uuid[]))")
_PEOPLE = text(
    "SELECT id, traits, version, known, created_at FROM profile WHERE id = ANY(CAST(:ids AS uuid[])) "
    "ORDER BY id FOR NO KEY UPDATE"
)
_KNOWN = text("SELECT id FROM event WHERE id = ANY(CAST(:ids AS text[]))")

_INSERT_PROFILES = text(
    "INSERT INTO profile (id, traits, version, known, created_at) SELECT id, traits, version, known, created_at "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, traits jsonb, version int, known boolean, created_at timestamptz)"
)
_UPDATE_PROFILES = text(
    "UPDATE profile p SET traits = r.traits, version = r.version, known = r.known "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, traits jsonb, version int, known boolean) WHERE p.id = r.id"
)
_LINK = text(
    "INSERT INTO identity (kind, value, profile_id) SELECT kind, value, profile_id "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(kind text, value text, profile_id uuid) "
    "ON CONFLICT (kind, value) DO NOTHING RETURNING 1"
)
_INSERT_EVENTS = text(
    "INSERT INTO event (id, profile_id, type, name, properties, timestamp, received_at) "
    "SELECT id, profile_id, type, name, properties, timestamp, CAST(:now AS timestamptz) "
    "FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(id text, profile_id uuid, type text, name text, properties jsonb, timestamp timestamptz) "
    "ON CONFLICT (id) DO NOTHING RETURNING 1"
)
_MERGES = "FROM json_to_recordset(CAST(:rows AS json)) AS r(merged uuid, survivor uuid) "
_MERGE: Sequence[TextClause] = (
    text(
        'INSERT INTO profile_merge (merged, "into", survivor, message_id, joined, at) '
        'SELECT r.merged, r."into", r.survivor, r.message_id, '
        "(SELECT coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value)), '[]') FROM identity i "
        "WHERE i.profile_id = r.merged), "
        "r.at FROM json_to_recordset(CAST(:rows AS json)) "
        'AS r(merged uuid, "into" uuid, survivor uuid, message_id text, at timestamptz)'
    ),
    text(f"UPDATE profile_merge m SET survivor = r.survivor {_MERGES} WHERE m.survivor = r.merged"),
    text(f"UPDATE identity i SET profile_id = r.survivor {_MERGES} WHERE i.profile_id = r.merged"),
    text(f"UPDATE event e SET profile_id = r.survivor {_MERGES} WHERE e.profile_id = r.merged"),
    text(f"UPDATE consent c SET profile_id = r.survivor {_MERGES} WHERE c.profile_id = r.merged"),
    text("DELETE FROM profile p USING json_to_recordset(CAST(:rows AS json)) AS r(merged uuid) WHERE p.id = r.merged"),
)


class Collision(Exception):
    """Another batch wrote the same name or message first: start over, alone."""


async def lock(session: AsyncSession, *, alone: bool) -> None:
    """Holds the merge lock until the commit: shared by those that only add, `alone` for whoever joins people.

    Taken before anything else, while the transaction has no id yet: so transaction ids, and with them the feed,
    follow the order in which people were joined.
    """
    await session.execute(_EXCLUSIVE if alone else _SHARED)


async def known_ids(session: AsyncSession, messages: Iterable[Message]) -> set[str]:
    """Which of these messages were taken before."""
    rows = await session.execute(_KNOWN, {"ids": [message.id for message in messages]})
    return {row[0] for row in rows}


async def load(session: AsyncSession, messages: Sequence[Message], now: datetime, *, names: Iterable[Name] = ()) -> People:
    """The people whom `messages` and `names` are about; those that may change are locked until the commit."""
    wanted, changing = _names_in(messages)
    wanted.update(names)
    found: dict[Name, UUID] = {}
    if wanted:
        parameters = {"kinds": [name.kind for name in wanted], "values": [name.value for name in wanted]}
        found = {Name(kind, value): profile for kind, value, profile in await session.execute(_NAMES, parameters)}
    asked = {message.profile_id for message in messages if message.profile_id is not None}
    survivors = {identity: identity for identity in asked}
    if asked:
        survivors.update(
            {row[0]: row[1] for row in await session.execute(_SURVIVORS, {"ids": [str(identity) for identity in asked]})}
        )
    touched = {found[name] for name in changing if name in found} | set(survivors.values())
    people: dict[UUID, Person] = {}
    if touched:
        rows = await session.execute(_PEOPLE, {"ids": [str(identity) for identity in touched]})
        for identity, traits, version, known, created_at in rows:
            people[identity] = Person(identity, str(identity), created_at, known, version, traits, stored=True)
    for identity in found.values():
        if identity not in people:
            people[identity] = Person(identity, str(identity), now, stored=True, loaded=False)
    ids = {identity: people[survivor] for identity, survivor in survivors.items() if survivor in people}
    return People({name: people[identity] for name, identity in found.items()}, ids, now)


async def save(session: AsyncSession, people: People, now: datetime) -> None:
    """Writes what the batch changed, except the feed. Raises `Collision` when another batch was faster."""
    if people.created:
        created = [person for person in people.created if person.merged_into is None]
        await session.execute(_INSERT_PROFILES, {"rows": _profiles(created)})
    if changed := people.changed():
        await session.execute(_UPDATE_PROFILES, {"rows": _profiles(changed)})
    if people.linked:
        await _link(session, people)
    if people.taken:
        await _insert_events(session, people, now)
    if people.merges:
        await _merge(session, people.merges)


async def _link(session: AsyncSession, people: People) -> None:
    rows = [
        {"kind": name.kind, "value": name.value, "profile_id": person.survivor().id}
        for name, person in sorted(people.linked.items(), key=_by_name)
    ]
    result = await session.execute(_LINK, {"rows": _json(rows)})
    if len(result.all()) < len(rows):
        raise Collision


async def _insert_events(session: AsyncSession, people: People, now: datetime) -> None:
    rows = [
        {
            "id": message.id,
            "profile_id": person.id if person.merged_into is None else person.survivor().id,
            "type": message.type,
            "name": message.name,
            "properties": orjson.Fragment(body),
            "timestamp": message.timestamp,
        }
        for message, person, body in people.taken
    ]
    result = await session.execute(_INSERT_EVENTS, {"rows": _json(rows), "now": now})
    if len(result.all()) < len(rows):
        raise Collision


async def _merge(session: AsyncSession, merges: Sequence[Merge]) -> None:
    rows = [
        {
            "merged": merge.loser.id,
            "into": merge.winner.id,
            "survivor": merge.winner.survivor().id,
            "message_id": merge.message_id,
            "at": merge.at,
        }
        for merge in merges
    ]
    for statement in _MERGE:
        await session.execute(statement, {"rows": _json(rows)})


def _names_in(messages: Sequence[Message]) -> tuple[set[Name], set[Name]]:
    """Every name in `messages`, and those whose person the messages may change."""
    wanted: set[Name] = set()
    changing: set[Name] = set()
    for message in messages:
        into = wanted if message.name is not None else changing
        if message.user_id is not None:
            into.add(Name("user_id", message.user_id))
        if message.anonymous_id is not None and (message.user_id is None or message.name is None):
            into.add(Name("anonymous_id", message.anonymous_id))
        if message.previous_id is not None:
            changing.update((Name("user_id", message.previous_id), Name("anonymous_id", message.previous_id)))
    return wanted | changing, changing


def _profiles(people: Iterable[Person]) -> str:
    return _json(
        [
            {
                "id": person.id,
                "traits": person.traits,
                "version": person.version,
                "known": person.known,
                "created_at": person.created_at,
            }
            for person in people
        ]
    )


def _by_name(item: tuple[Name, Person]) -> Name:
    return item[0]


def _json(rows: object) -> str:
    return orjson.dumps(rows).decode()
