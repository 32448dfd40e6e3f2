"""The profiles feed as tables of our own: people, events and merges, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts import profiles as wire
from contracts.feed import FeedItem

_KNOWN = text(
    "SELECT profile_id, CAST(NULL AS uuid) AS survivor, CASE WHEN profile_id = ANY(:changed) THEN traits END AS traits "
    "FROM person WHERE profile_id = ANY(:subjects) "
    "UNION ALL SELECT merged, survivor, NULL FROM merge WHERE merged = ANY(:subjects)"
)
_PEOPLE = text(
    "INSERT INTO person (profile_id, traits, version, created_at) "
    "SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, traits jsonb, version bigint, created_at timestamptz) "
    "ON CONFLICT (profile_id) DO UPDATE SET traits = excluded.traits, version = excluded.version, "
    "created_at = least(person.created_at, excluded.created_at) WHERE person.version < excluded.version"
)
_EVENTS = text(
    "INSERT INTO event (id, profile_id, name, timestamp, properties) "
    "SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS r(id text, profile_id uuid, name text, timestamp timestamptz, properties jsonb) ON CONFLICT (id) DO NOTHING"
)

_MERGE = (
    text("UPDATE merge SET survivor = :survivor WHERE survivor = :merged"),
    text(
        "INSERT INTO merge (merged, survivor) VALUES (:merged, :survivor) ON CONFLICT (merged) DO UPDATE SET survivor = :survivor"
    ),
    text("UPDATE event SET profile_id = :survivor WHERE profile_id = :merged"),
    text(
        "INSERT INTO membership AS ours (segment, profile_id, member, since, number, recheck_at) "
        "SELECT segment, :survivor, member, since, number, recheck_at FROM membership WHERE profile_id = :merged "
        "ON CONFLICT (segment, profile_id) DO UPDATE SET member = ours.member OR excluded.member, "
        "since = CASE WHEN ours.member = excluded.member THEN least(ours.since, excluded.since) "
        "WHEN ours.member THEN ours.since ELSE excluded.since END, number = greatest(ours.number, excluded.number)"
    ),
    text("DELETE FROM membership WHERE profile_id = :merged"),
    text("UPDATE membership_history SET profile_id = :survivor WHERE profile_id = :merged"),
    text("DELETE FROM person WHERE profile_id = :merged"),
)


@dataclass(slots=True)
class _Version:
    traits: Mapping[str, JsonValue]
    version: int
    created_at: datetime


@dataclass(slots=True)
class _Event:
    subject: UUID
    name: str
    at: datetime
    data: Mapping[str, JsonValue]


@dataclass(slots=True)
class Page:
    """A page of the feed, sorted by what it says. Kinds of items that are not ours to know are left out."""

    events: list[_Event] = field(default_factory=list)
    people: dict[UUID, _Version] = field(default_factory=dict)
    merges: dict[UUID, UUID] = field(default_factory=dict)

    @classmethod
    def read(cls, items: Sequence[FeedItem]) -> Page:
        """Raises ValueError (pydantic's is one) for an item that is not what its type says."""
        page = cls()
        for item in items:
            subject = UUID(item.subject)
            match item.type:
                case wire.EVENT_TRACKED:
                    page.events.append(_event(subject, item))
                case wire.PROFILE_CHANGED:
                    changed = wire.ProfileChanged.model_validate(item.data)
                    page._newer(subject, _Version(changed.traits, changed.version, changed.created_at))
                case wire.PROFILES_MERGED:
                    merged = wire.ProfilesMerged.model_validate(item.data)
                    if merged.merged != subject:
                        page.merges[merged.merged] = subject
                    page._newer(subject, _Version(merged.traits, merged.version, item.time))
                case _:
                    pass
        return page

    def _newer(self, profile_id: UUID, version: _Version) -> None:
        known = self.people.get(profile_id)
        if known is None or known.version < version.version:
            self.people[profile_id] = version


@dataclass(frozen=True, slots=True)
class Touches:
    """Who was touched by a page, and in what. Survivors of merges and newcomers may have changed in anything."""

    events: Mapping[str, set[UUID]]
    traits: Mapping[str, set[UUID]]
    newcomers: set[UUID]
    survivors: set[UUID]


async def project(session: AsyncSession, page: Page, looked_at: Collection[str]) -> Touches:
    """Writes the page in the caller's transaction. Of traits only changes of the top-level names `looked_at` are told.

    Transactions of the feed may commit in another order than they are served in, so items of a merged profile can come behind
    its merge: its events go to the survivor, its traits are dropped, since the survivor's hold them already.
    """
    subjects = {event.subject for event in page.events} | page.people.keys() | page.merges.keys() | set(page.merges.values())
    changed = list(page.people) if looked_at else []
    rows = (await session.execute(_KNOWN, {"subjects": list(subjects), "changed": changed})).all()
    known = {row.profile_id: row.traits for row in rows if row.survivor is None}
    merges = _flattened({**{row.profile_id: row.survivor for row in rows if row.survivor is not None}, **page.merges})
    for merged in page.merges:
        await _merge(session, merged, merges[merged])
        known.pop(merged, None)
    people = {profile_id: version for profile_id, version in page.people.items() if profile_id not in merges}
    for event in page.events:
        event.subject = merges.get(event.subject, event.subject)
    newcomers = ({event.subject for event in page.events} | people.keys()) - known.keys()
    for event in page.events:
        if event.subject in newcomers:
            people.setdefault(event.subject, _Version({}, -1, event.at))
    await _write(session, people, page.events)
    events: dict[str, set[UUID]] = defaultdict(set)
    for event in page.events:
        events[event.name].add(event.subject)
    traits: dict[str, set[UUID]] = defaultdict(set)
    for subject, version in people.items():
        for name in _differing(known.get(subject) or {}, version.traits, looked_at):
            traits[name].add(subject)
    return Touches(events, traits, newcomers, {merges[merged] for merged in page.merges})


async def _write(session: AsyncSession, people: Mapping[UUID, _Version], tracked: Sequence[_Event]) -> None:
    if people:
        rows: list[dict[str, object]] = [
            {"id": profile_id, "traits": version.traits, "version": version.version, "created_at": version.created_at}
            for profile_id, version in people.items()
        ]
        await session.execute(_PEOPLE, {"rows": orjson.dumps(rows).decode()})
    if tracked:
        rows = [{**event.data, "profile_id": event.subject} for event in tracked]
        await session.execute(_EVENTS, {"rows": orjson.dumps(rows).decode()})


async def _merge(session: AsyncSession, merged: UUID, survivor: UUID) -> None:
    """Events, memberships and their history go to the survivor. Where both have a membership, being a member wins, the
    earlier `since` and the higher number; whether it is still true is asked anew by the caller."""
    both = {"merged": merged, "survivor": survivor}
    for statement in _MERGE:
        await session.execute(statement, both)


def _event(subject: UUID, item: FeedItem) -> _Event:
    """Checked by hand, since pages are large: the database reads the timestamp, `TrackedEvent` says what must be there."""
    match item.data:
        case {"id": str(), "name": str(name), "timestamp": str(), "properties": dict()}:
            return _Event(subject, name, item.time, item.data)
        case _:
            raise ValueError(f"item {item.id} is no tracked event")


def _flattened(merges: Mapping[UUID, UUID]) -> dict[UUID, UUID]:
    """Each merged profile with its last survivor; a merge of the page wins over one known before."""
    flat: dict[UUID, UUID] = {}
    for merged in merges:
        survivor, seen = merges[merged], {merged}
        while survivor in merges and survivor not in seen:
            seen.add(survivor)
            survivor = merges[survivor]
        flat[merged] = survivor
    return flat


def _differing(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], names: Collection[str]) -> list[str]:
    """Which of these values differ. Compared as JSON: Python holds True equal to 1, conditions do not."""
    return [name for name in names if (name in old or name in new) and _json(old.get(name)) != _json(new.get(name))]


def _json(value: JsonValue) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
