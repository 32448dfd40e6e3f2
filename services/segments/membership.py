"""Who belongs to a segment: brought up to date for some people, written down, and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import evaluate
from contracts.segments import SEGMENT_ENTERED, SEGMENT_LEFT, MembershipChanged
from infra.feed.outbox import Happening, Outbox
from services.segments.definitions import Definitions, Segment
from services.segments.facts import Needs, load_people

# By segment, whose membership to ask anew, as of which instant.
Touched = Mapping[str, Mapping[UUID, datetime]]

_CHANGED = """
SELECT q.profile_id, q.matches, m.number, m.member, m.since, m.recheck_at FROM
  (SELECT p.profile_id, {condition} AS matches FROM person AS p WHERE p.profile_id = ANY(:ids) OFFSET 0) AS q
  LEFT JOIN membership AS m ON m.segment = :segment AND m.profile_id = q.profile_id
WHERE q.matches <> coalesce(m.member, false) OR m.recheck_at IS NOT NULL
"""
_STATES = text(
    "SELECT profile_id, member, since, number, recheck_at FROM membership WHERE segment = :segment AND profile_id = ANY(:ids)"
)
_WRITE = text(
    "INSERT INTO membership (segment, profile_id, member, since, number, recheck_at) "
    "SELECT :segment, * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS r(profile_id uuid, member boolean, since timestamptz, number int, recheck_at timestamptz) "
    "ON CONFLICT (segment, profile_id) DO UPDATE SET member = excluded.member, since = excluded.since, "
    "number = excluded.number, recheck_at = excluded.recheck_at"
)
_REMEMBER = text(
    "INSERT INTO membership_history (segment, profile_id, member, number, at, version) "
    "SELECT s, i, m, n, t, v FROM unnest(CAST(:segments AS text[]), CAST(:ids AS uuid[]), CAST(:members AS boolean[]), "
    "CAST(:numbers AS int[]), CAST(:instants AS timestamptz[]), CAST(:versions AS int[])) "
    "WITH ORDINALITY AS u(s, i, m, n, t, v, o) ORDER BY o RETURNING position"
)
_TRAITS = text("SELECT profile_id, traits FROM person WHERE profile_id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class State:
    """One person's membership of one segment."""

    member: bool
    since: datetime
    number: int
    recheck_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """The state to write, and whether the person entered or left by it."""

    after: State
    moved: bool


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody entered or left."""

    segment: Segment
    profile_id: UUID
    state: State


class Memberships:
    """Brings memberships up to date. The caller's transaction holds the definitions' lock."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def refresh(self, session: AsyncSession, definitions: Definitions, touched: Touched) -> int:
        """Asks the touched memberships anew, and those that depend on what changes; returns how many changed.

        Segments without time are one query each; those with time are evaluated here, since only that yields the
        next instant at which they may change.
        """
        asked: dict[str, dict[UUID, datetime]] = {key: dict(people) for key, people in touched.items() if people}
        changes: list[Change] = []
        for segment in definitions.ordered:
            people = asked.get(segment.key)
            if not people:
                continue
            steps = await (_by_python if segment.timed else _by_query)(session, segment, people)
            await _write(session, segment, steps)
            moved = [Change(segment, profile_id, step.after) for profile_id, step in steps.items() if step.moved]
            changes += moved
            for dependent in definitions.dependents.get(segment.key, ()):
                asks = asked.setdefault(dependent, {})
                for change in moved:
                    at = change.state.since
                    asks[change.profile_id] = max(at, asks.get(change.profile_id, at))
        await self._publish(session, changes)
        return len(changes)

    def committed(self) -> None:
        """To be called after the commit: wakes readers of the feed."""
        self._outbox.notify()

    async def _publish(self, session: AsyncSession, changes: Sequence[Change]) -> None:
        if not changes:
            return
        ids = list({change.profile_id for change in changes})
        traits = {row.profile_id: row.traits for row in (await session.execute(_TRAITS, {"ids": ids})).all()}
        parameters = {
            "segments": [change.segment.key for change in changes],
            "ids": [change.profile_id for change in changes],
            "members": [change.state.member for change in changes],
            "numbers": [change.state.number for change in changes],
            "instants": [change.state.since for change in changes],
            "versions": [change.segment.version for change in changes],
        }
        positions = sorted((await session.execute(_REMEMBER, parameters)).scalars())
        await self._outbox.append(
            session,
            [
                _happening(change, position, traits.get(change.profile_id, {}))
                for change, position in zip(changes, positions, strict=True)
            ],
        )


async def _by_query(session: AsyncSession, segment: Segment, people: Mapping[UUID, datetime]) -> dict[UUID, Step]:
    predicate = segment.predicate
    parameters = predicate.parameters(max(people.values()), ids=list(people), segment=segment.key)
    steps: dict[UUID, Step] = {}
    for row in (await session.execute(predicate.statement(_CHANGED), parameters)).all():
        old = None if row.number is None else State(row.member, row.since, row.number, row.recheck_at)
        step = _step(old, people[row.profile_id], member=row.matches, recheck_at=None)
        if step is not None:
            steps[row.profile_id] = step
    return steps


async def _by_python(session: AsyncSession, segment: Segment, people: Mapping[UUID, datetime]) -> dict[UUID, Step]:
    needs = Needs()
    needs.add_all(people.keys(), segment.condition, min(people.values()))
    persons = await load_people(session, needs)
    rows = (await session.execute(_STATES, {"segment": segment.key, "ids": list(people)})).all()
    before = {row.profile_id: State(row.member, row.since, row.number, row.recheck_at) for row in rows}
    steps: dict[UUID, Step] = {}
    for profile_id, at in people.items():
        answer = evaluate(segment.condition, persons[profile_id], at)
        step = _step(before.get(profile_id), at, member=answer.matches, recheck_at=answer.next_change)
        if step is not None:
            steps[profile_id] = step
    return steps


def _step(old: State | None, at: datetime, *, member: bool, recheck_at: datetime | None) -> Step | None:
    """From the state known to the one true at `at`; None when there is nothing to write."""
    known = old or State(member=False, since=at, number=0, recheck_at=None)
    if known.member == member:
        after = replace(known, recheck_at=recheck_at)
        return None if after == known else Step(after, moved=False)
    return Step(State(member, at, known.number + 1, recheck_at), moved=True)


async def _write(session: AsyncSession, segment: Segment, steps: Mapping[UUID, Step]) -> None:
    if not steps:
        return
    rows = [
        {
            "profile_id": profile_id,
            "member": step.after.member,
            "since": step.after.since,
            "number": step.after.number,
            "recheck_at": step.after.recheck_at,
        }
        for profile_id, step in steps.items()
    ]
    await session.execute(_WRITE, {"segment": segment.key, "rows": orjson.dumps(rows).decode()})


def item_id(position: int) -> str:
    """The id of the feed's item about a row of the history, so that whoever looks back tells it from no other."""
    return f"membership:{position}"


def _happening(change: Change, position: int, traits: dict[str, JsonValue]) -> Happening:
    data = MembershipChanged(segment=change.segment.key, at=change.state.since, number=change.state.number, traits=traits)
    kind = SEGMENT_ENTERED if change.state.member else SEGMENT_LEFT
    return Happening(kind, str(change.profile_id), change.state.since, data.model_dump(mode="json"), item_id(position))
