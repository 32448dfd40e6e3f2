"""Reading people, their events and their consents. Merged ids lead to the survivor everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.profiles import Consent, EventFilter, FoundEvent, Profile, TrackedEvent
from infra.db import Database
from infra.errors import BadInput, Flaw, NotFound
from infra.feed.cursor import Cursor
from services.profiles.answers import ConsentLedger, ConsentRecord, Counts, EventPage

_SURVIVOR = "coalesce((SELECT m.survivor FROM profile_merge m WHERE m.merged = {id}), {id})"
_CURRENT = (
    "SELECT DISTINCT ON (c.channel, c.purpose) c.channel, c.purpose, c.state, c.at FROM consent c WHERE c.profile_id = {id} "
    "ORDER BY c.channel, c.purpose, c.at DESC, c.number DESC"
)
_PROFILES = text(
    "SELECT a.id AS asked, p.id, p.traits, p.version, p.created_at, "
    "(SELECT coalesce(json_agg(json_build_array(i.kind, i.value) ORDER BY i.kind, i.value), '[]') FROM identity i "
    "WHERE i.profile_id = p.id) AS names, "
    f"(SELECT coalesce(json_agg(k), '[]') FROM ({_CURRENT.format(id='p.id')}) k) AS consents, "
    "ARRAY(SELECT m.merged FROM profile_merge m WHERE m.survivor = p.id ORDER BY m.merged) AS merged "
    "FROM unnest(CAST(:ids AS uuid[])) AS a(id) "
    f"JOIN profile p ON p.id = {_SURVIVOR.format(id='a.id')}"
)
_NAMED = text("SELECT profile_id FROM identity WHERE kind = :kind AND value = :value")
_EVENTS = text(
    "SELECT id, name, properties, timestamp, position, depth FROM event WHERE name IS NOT NULL "
    f"AND profile_id = {_SURVIVOR.format(id='CAST(:id AS uuid)')} "
    "AND (timestamp, position) < (CAST(:at AS timestamptz), :position) ORDER BY timestamp DESC, position DESC LIMIT :limit"
)
_SEARCH = text(
    "SELECT f.number, e.id, e.name, e.properties, e.timestamp, e.depth, CAST(CAST(e.xid AS text) AS bigint) AS came, "
    "(SELECT max(o.position) FROM outbox o WHERE o.xid = e.xid) AS last, "
    "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS seen, (SELECT epoch FROM feed_epoch) AS epoch "
    "FROM json_to_recordset(CAST(:filters AS json)) "
    "AS f(number int, profile_id uuid, names text[], since timestamptz, most int, after text, epoch text, seen xid8) "
    "LEFT JOIN event a ON a.id = f.after AND f.epoch = (SELECT epoch FROM feed_epoch) "
    f"JOIN LATERAL (SELECT * FROM event WHERE profile_id = {_SURVIVOR.format(id='f.profile_id')} "
    "AND timestamp >= f.since AND name = ANY(f.names) "
    "AND (a.id IS NULL OR (timestamp, position) > (a.timestamp, a.position) OR xid >= f.seen) "
    "ORDER BY timestamp, position LIMIT f.most) e ON true "
    "ORDER BY f.number, e.timestamp, e.position"
)
_LEDGER = text(
    "SELECT channel, purpose, state, at, source, wording, recorded_at, recorded_by FROM consent "
    f"WHERE profile_id = {_SURVIVOR.format(id='CAST(:id AS uuid)')} ORDER BY number DESC"
)
_COUNTS = text("SELECT (SELECT count(*) FROM profile) AS profiles, (SELECT count(*) FROM event WHERE name IS NOT NULL) AS events")

_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class Queries:
    """Everything that is only read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lookup(self, ids: Iterable[UUID]) -> dict[UUID, Profile]:
        """Profiles by the id asked for; unknown ids are missing."""
        async with self._database.read() as session:
            return await profiles_of(session, ids)

    async def profile(self, profile_id: UUID) -> Profile:
        """Raises `NotFound`."""
        found = await self.lookup([profile_id])
        if profile_id not in found:
            raise NotFound("profile", profile_id)
        return found[profile_id]

    async def named(self, kind: str, value: str) -> Profile:
        """The profile that goes by `value`. Raises `NotFound`."""
        async with self._database.read() as session:
            row = (await session.execute(_NAMED, {"kind": kind, "value": value})).first()
        if row is None:
            raise NotFound(f"profile with {kind}", value)
        return await self.profile(row[0])

    async def events(self, profile_id: UUID, *, before: str | None, limit: int) -> EventPage:
        """A page of a person's events, newest first. Raises `NotFound`."""
        at, position = _parsed(before) if before else (_LAST, 2**62)
        await self.profile(profile_id)
        async with self._database.read() as session:
            rows = (await session.execute(_EVENTS, {"id": profile_id, "at": at, "position": position, "limit": limit})).all()
        last = f"{rows[-1].timestamp.isoformat()}~{rows[-1].position}" if len(rows) == limit else None
        return EventPage(events=tuple(_event(row) for row in rows), before=last)

    async def search(self, filters: Sequence[EventFilter]) -> tuple[tuple[FoundEvent, ...], ...]:
        """One list per filter, each in order of event time. Raises `BadInput` for a `seen` that is no cursor."""
        rows = [_asked(number, one) for number, one in enumerate(filters)]
        found: list[list[FoundEvent]] = [[] for _ in filters]
        async with self._database.read() as session:
            for row in await session.execute(_SEARCH, {"filters": orjson.dumps(rows).decode()}):
                found[row.number].append(_found(row))
        return tuple(tuple(events) for events in found)

    async def consents(self, profile_id: UUID) -> ConsentLedger:
        """What a person said yes and no to. Raises `NotFound`."""
        profile = await self.profile(profile_id)
        async with self._database.read() as session:
            rows = (await session.execute(_LEDGER, {"id": profile_id})).all()
        return ConsentLedger(
            current=profile.consents, entries=tuple(ConsentRecord.model_validate(row, from_attributes=True) for row in rows)
        )

    async def counts(self) -> Counts:
        async with self._database.read() as session:
            row = (await session.execute(_COUNTS)).one()
        return Counts(profiles=row.profiles, events=row.events)


async def profiles_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Profile]:
    """Profiles with identities and current consents, in one snapshot."""
    rows = await session.execute(_PROFILES, {"ids": [str(identity) for identity in ids]})
    return {row.asked: _profile(row) for row in rows}


def _profile(row: Row[tuple[object, ...]]) -> Profile:
    identities: dict[str, tuple[str, ...]] = {"user_id": (), "anonymous_id": ()}
    for kind, value in row.names:
        identities[kind] = (*identities[kind], value)
    return Profile(
        id=row.id,
        traits=row.traits,
        identities=identities,
        consents=tuple(Consent.model_validate(consent) for consent in row.consents),
        version=row.version,
        created_at=row.created_at,
        merged=tuple(row.merged),
    )


def _event(row: Row[tuple[object, ...]]) -> TrackedEvent:
    return TrackedEvent(id=row.id, name=row.name, properties=row.properties, timestamp=row.timestamp, depth=row.depth or 0)


def _asked(number: int, one: EventFilter) -> dict[str, object]:
    """A row of the search. What was seen of a feed that was restored since says nothing: then all is asked for."""
    row: dict[str, object] = {"number": number, **one.model_dump(include={"profile_id", "names", "since", "most"})}
    if one.after is not None and one.seen is not None:
        seen = Cursor.parse(one.seen)
        row |= {"after": one.after, "epoch": seen.epoch, "seen": str(seen.transaction)}
    return row


def _found(row: Row[tuple[object, ...]]) -> FoundEvent:
    known = row.epoch is not None and row.came is not None
    return FoundEvent(
        **_event(row).model_dump(),
        cursor=str(Cursor(row.epoch, row.came, row.last)) if known and row.last is not None else None,
        seen=str(Cursor(row.epoch, row.seen, 0)) if known else None,
    )


def _parsed(before: str) -> tuple[datetime, int]:
    instant, _, position = before.partition("~")
    try:
        return datetime.fromisoformat(instant), int(position)
    except ValueError as error:
        flaw = Flaw(path="before", message=f"{before!r} is no place in a list of events", remedy="use a page's own `before`")
        raise BadInput([flaw], "the query") from error
