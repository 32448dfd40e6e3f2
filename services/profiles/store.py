"""People and events in PostgreSQL: a batch is read with three statements and written with as many as it has kinds of rows.

Row sets travel as one JSON text each and are unpacked by the server. Names are written in sorted order, and rows are
locked in the order of their ids, so that two batches never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.profiles.messages import Message
from services.profiles.people import ANONYMOUS, USER, Merge, Name, People, Person

_LOCK = 0x7265697301  # the advisory lock under which identities are joined; any constant of our own
_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_EXCLUSIVE = text(f"SELECT pg_advisory_xact_lock({_LOCK})")

_NAMED = (
    "(SELECT json_object_agg(i.value, i.profile_id)::text FROM identity i WHERE i.kind = '{kind}' "
    "AND i.value = ANY(ARRAY(SELECT json_array_elements_text(CAST(:{kind}s AS json)))))"
)
_NAMES = text(f"SELECT {_NAMED.format(kind=USER)}, {_NAMED.format(kind=ANONYMOUS)}")
_SURVIVORS = text("SELECT merged::text, survivor::text FROM profile_merge WHERE merged = ANY(CAST(:ids AS uuid[]))")
_PEOPLE = text(
    "SELECT id::text, traits, version, known, created_at FROM profile WHERE id = ANY(CAST(:ids AS uuid[])) "
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
    "ON CONFLICT (kind, value) DO NOTHING"
)
_INSERT_EVENTS = text(
    "INSERT INTO event (id, profile_id, type, name, properties, timestamp, received_at, depth) "
    "SELECT id, profile_id, type, name, properties, timestamp, CAST(:now AS timestamptz), depth "
    "FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(id text, profile_id uuid, type text, name text, properties jsonb, timestamp timestamptz, depth int) "
    "ON CONFLICT (id) DO NOTHING"
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
    # To whoever looks back, they come now.
    text(f"UPDATE event e SET profile_id = r.survivor, xid = pg_current_xact_id() {_MERGES} WHERE e.profile_id = r.merged"),
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
    wanted = _Wanted(messages, names)
    users, visitors = await _named(session, wanted)
    survivors = {identity: identity for identity in wanted.ids}
    if wanted.ids:
        rows = await session.execute(_SURVIVORS, {"ids": list(wanted.ids)})
        survivors.update((row[0], row[1]) for row in rows.all())
    touched = {users[name] for name in wanted.changing_users if name in users}
    touched |= {visitors[name] for name in wanted.changing_visitors if name in visitors}
    touched.update(survivors.values())
    people: dict[str, Person] = {}
    if touched:
        for identity, traits, version, known, created_at in (await session.execute(_PEOPLE, {"ids": list(touched)})).all():
            people[identity] = Person(identity, created_at, known, version, traits, stored=True)
    for found in (users, visitors):
        for identity in found.values():
            if identity not in people:
                people[identity] = Person(identity, now, stored=True, loaded=False)
    return People(
        {name: people[identity] for name, identity in users.items()},
        {name: people[identity] for name, identity in visitors.items()},
        {identity: people[survivor] for identity, survivor in survivors.items() if survivor in people},
        now,
    )


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
    await _insert_all(session, _LINK, rows, {})


async def _insert_events(session: AsyncSession, people: People, now: datetime) -> None:
    rows = [
        {
            "id": message.id,
            "profile_id": person.id if person.merged_into is None else person.survivor().id,
            "type": message.type,
            "name": message.name,
            "properties": orjson.Fragment(body),
            "timestamp": message.timestamp,
            **({"depth": message.depth} if message.depth else {}),
        }
        for message, person, body in people.taken
    ]
    await _insert_all(session, _INSERT_EVENTS, rows, {"now": now})


async def _insert_all(
    session: AsyncSession, statement: TextClause, rows: Sequence[Mapping[str, object]], more: Mapping[str, object]
) -> None:
    result = await session.execute(statement, {"rows": _json(rows), **more})
    if getattr(result, "rowcount", 0) < len(rows):
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


class _Wanted:
    """Whom messages are about, and whose profile they may change, by user id, anonymous id and profile id."""

    def __init__(self, messages: Sequence[Message], names: Iterable[Name]) -> None:
        self.users = {name.value for name in names if name.kind == USER}
        self.visitors = {name.value for name in names if name.kind == ANONYMOUS}
        self.changing_users: set[str] = set()
        self.changing_visitors: set[str] = set()
        self.ids: set[str] = set()
        for message in messages:
            if message.profile_id is not None:
                self.ids.add(str(message.profile_id))
            elif message.name is None:
                self._change(message)
            elif message.user_id is not None:
                self.users.add(message.user_id)
            elif message.anonymous_id is not None:
                self.visitors.add(message.anonymous_id)
        self.users |= self.changing_users
        self.visitors |= self.changing_visitors

    def _change(self, message: Message) -> None:
        if message.user_id is not None:
            self.changing_users.add(message.user_id)
        if message.anonymous_id is not None:
            self.changing_visitors.add(message.anonymous_id)
        if message.previous_id is not None:
            self.changing_users.add(message.previous_id)
            self.changing_visitors.add(message.previous_id)


async def _named(session: AsyncSession, wanted: _Wanted) -> tuple[dict[str, str], dict[str, str]]:
    """Profile ids by user id and by anonymous id."""
    if not wanted.users and not wanted.visitors:
        return {}, {}
    parameters = {f"{USER}s": _json(list(wanted.users)), f"{ANONYMOUS}s": _json(list(wanted.visitors))}
    users, visitors = (await session.execute(_NAMES, parameters)).one()
    return orjson.loads(users or "{}"), orjson.loads(visitors or "{}")


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
