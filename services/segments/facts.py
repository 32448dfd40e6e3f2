"""What the Python evaluator needs to know of people: loaded in bulk, and no more than the condition looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import assert_never
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import All, AnyOf, Condition, EventFact, Happened, InSegment, Not, Person, TraitIs, ValueIs

_EVER = datetime(1, 1, 1, tzinfo=UTC)

_PEOPLE = text(
    "SELECT w.id, p.profile_id, p.traits FROM unnest(CAST(:ids AS uuid[])) AS w(id) LEFT JOIN merge AS m ON m.merged = w.id "
    "JOIN person AS p ON p.profile_id = coalesce(m.survivor, w.id)"
)
_EVENTS = text(
    "SELECT e.profile_id, e.id, e.name, e.timestamp, e.properties "
    "FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(profile_id uuid, name text, since timestamptz) "
    "JOIN event AS e ON e.profile_id = w.profile_id AND e.name = w.name AND e.timestamp >= w.since"
)
_MEMBERSHIPS = text(
    "SELECT profile_id, segment FROM membership WHERE profile_id = ANY(:ids) AND segment = ANY(:segments) AND member"
)


@dataclass(slots=True)
class Needs:
    """Which events of whom (since when) and which memberships are looked at."""

    people: set[UUID] = field(default_factory=set)
    events: dict[tuple[UUID, str], datetime] = field(default_factory=dict)
    segments: set[str] = field(default_factory=set)

    def add(self, profile_id: UUID, condition: Condition, now: datetime) -> None:
        """What `condition` looks at of this person at `now`."""
        self.add_all((profile_id,), condition, now)

    def add_all(self, profile_ids: Collection[UUID], condition: Condition, now: datetime) -> None:
        self.people.update(profile_ids)
        for happened in _leaves(condition):
            match happened:
                case InSegment():
                    self.segments.add(happened.segment)
                case Happened():
                    since = (
                        _EVER
                        if happened.within is None
                        else max(_EVER + timedelta(1), now - happened.within.longest) - timedelta(1)
                    )
                    for profile_id in profile_ids:
                        wanted = (profile_id, happened.event)
                        self.events[wanted] = min(since, self.events.get(wanted, since))
                case _:
                    assert_never(happened)


async def load_people(session: AsyncSession, needs: Needs) -> Mapping[UUID, Person]:
    """The people with the facts needed, by the id asked for; a merged one is the survivor, an unknown one has none."""
    rows = (await session.execute(_PEOPLE, {"ids": list(needs.people)})).all()
    known = {row.id: row for row in rows}
    wanted: dict[tuple[UUID, str], datetime] = {}
    for (asked, name), since in needs.events.items():
        if asked in known:
            key = (known[asked].profile_id, name)
            wanted[key] = min(since, wanted.get(key, since))
    events = await load_events(session, wanted)
    segments: dict[UUID, set[str]] = defaultdict(set)
    if needs.segments:
        parameters = {"ids": [row.profile_id for row in rows], "segments": list(needs.segments)}
        for row in (await session.execute(_MEMBERSHIPS, parameters)).all():
            segments[row.profile_id].add(row.segment)

    def person(row: Row[tuple[UUID, UUID, dict[str, JsonValue]]] | None) -> Person:
        if row is None:
            return Person()
        return Person(row.traits, events.get(row.profile_id, ()), frozenset(segments.get(row.profile_id, ())))

    return {asked: person(known.get(asked)) for asked in needs.people}


async def load_events(session: AsyncSession, wanted: Mapping[tuple[UUID, str], datetime]) -> Mapping[UUID, list[EventFact]]:
    """Events by (profile, name) since an instant (inclusive), per profile and in no order."""
    found: dict[UUID, list[EventFact]] = defaultdict(list)
    if wanted:
        rows = [{"profile_id": profile_id, "name": name, "since": since} for (profile_id, name), since in wanted.items()]
        for row in (await session.execute(_EVENTS, {"wanted": orjson.dumps(rows).decode()})).all():
            found[row.profile_id].append(EventFact(row.id, row.name, row.timestamp, row.properties))
    return found


async def events_of(session: AsyncSession, ids: Collection[UUID], names: Collection[str]) -> Mapping[UUID, Sequence[EventFact]]:
    """Every event with one of these names, by the id asked for (a merged one answers with the survivor)."""
    wanted = {(profile_id, name): _EVER for profile_id in ids for name in names}
    people = await load_people(session, Needs(set(ids), wanted))
    return {profile_id: person.events for profile_id, person in people.items()}


def _leaves(condition: Condition) -> Iterable[Happened | InSegment]:
    match condition:
        case All():
            return [leaf for part in condition.all for leaf in _leaves(part)]
        case AnyOf():
            return [leaf for part in condition.any for leaf in _leaves(part)]
        case Not():
            return _leaves(condition.not_)
        case TraitIs() | ValueIs():
            return ()
        case Happened() | InSegment():
            return (condition,)
        case _:
            assert_never(condition)
