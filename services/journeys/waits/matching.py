"""Holding what happened against the listeners: which wait, exit criterion or goal it meets, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import InterruptSignal, MatchedSignal
from journeys.outcome import Match
from services.journeys import places
from services.journeys.enrolments import end_held
from services.journeys.event_ids import told_as
from services.journeys.outgoing import Outgoing, write
from services.journeys.waits.listeners import Listener, Source, waiting_for


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a person. `body` is what references see; `position` is where the profiles feed stood.

    `seen` is up to where (a cursor of that feed) all events were looked at with it, where that is not `position`.
    """

    id: str
    profile_id: UUID
    source: Source
    name: str
    body: dict[str, Any]
    at: datetime
    position: str | None = None
    seen: str | None = None

    @property
    def trigger(self) -> tuple[UUID, Source, str]:
        return (self.profile_id, self.source, self.name)

    def as_met(self, listener: Listener) -> Fact:
        """Under the id that a listener takes it by: an outcome that tells of a lower one as well may be taken as each of them.

        Whoever opened a message got it; the wait for the opening has not had it because one for the delivery has.
        """
        wanted = listener.condition["status"] if listener.source == "receipt" and listener.condition else self.body["event"]
        return self if wanted == self.body["event"] else replace(self, id=f"{self.id}:{wanted}")


@dataclass(frozen=True, slots=True)
class Met:
    """A listener and the fact that met it."""

    listener: Listener
    fact: Fact


@dataclass(slots=True)
class Matcher:
    """Matches facts in order. An enrolment that a criterion ended meets nothing more; a wait is met once.

    `had` are facts that a wait of an enrolment has had already, found by looking back before the feed brought them: they must
    not stand in the way of the next one on the same page.
    """

    listeners: dict[tuple[UUID, str, str], list[Listener]]
    had: frozenset[tuple[UUID, str]] = frozenset()
    met: list[Met] = field(default_factory=list)
    _over: set[UUID] = field(default_factory=set)
    _taken: set[tuple[UUID, str, str, int]] = field(default_factory=set)

    @classmethod
    async def of(cls, session: AsyncSession, facts: Iterable[Fact]) -> Matcher:
        """A matcher with all listeners that these facts could meet."""
        known = list(facts)
        listeners = await waiting_for(session, [fact.trigger for fact in known])
        waits = [
            (each.enrolment_id, fact.as_met(each).id)
            for fact in known
            for each in listeners.get(fact.trigger, ())
            if each.kind == "wait"
        ]
        if not waits:
            return cls(listeners)
        rows = await session.execute(
            text(
                "SELECT enrolment_id, event_id FROM match WHERE enrolment_id = ANY(:ids) AND event_id = ANY(:events) "
                "AND kind = 'wait'"
            ),
            {"ids": list({each for each, _ in waits}), "events": list({event for _, event in waits})},
        )
        return cls(listeners, frozenset((row.enrolment_id, row.event_id) for row in rows.all()))

    def add(self, listeners: Iterable[Listener]) -> None:
        """Listeners registered meanwhile, in the same transaction."""
        for listener in listeners:
            self.listeners.setdefault((listener.profile_id, listener.source, listener.name), []).append(listener)

    def offer(self, happened: Fact) -> None:
        for listener in self.listeners.get(happened.trigger, ()):
            fact = happened.as_met(listener)
            slot = (listener.enrolment_id, listener.kind, listener.step, listener.visit)
            if listener.enrolment_id in self._over or slot in self._taken or not listener.met_by(fact.body, fact.at):
                continue
            if listener.kind == "wait" and (listener.enrolment_id, fact.id) in self.had:
                continue
            if (
                listener.kind == "wait"
                and listener.source == "receipt"
                and fact.body["properties"].get("enrolment") not in (None, str(listener.enrolment_id))
            ):
                continue
            self._taken.add(slot)
            if listener.kind == "exit" or (listener.kind == "goal" and listener.path == "exit"):
                self._over.add(listener.enrolment_id)
            self.met.append(Met(listener, fact))


async def record(session: AsyncSession, met: Sequence[Met], *, signal: bool = True) -> list[Outgoing]:
    """Writes matches and their consequences; returns the signals to deliver (none where the caller answers by itself).

    What has met the same wait already, or was faster with it, stays what met it.
    """
    if not met:
        return []
    fresh = await _store(session, met)
    names = await _journeys(session, [each.listener.enrolment_id for each in fresh])
    await _close(session, fresh)
    newest = max(each.fact.at for each in met)
    never_started, heard = await end_held(session, [each.listener.enrolment_id for each in fresh], newest)
    signals: list[Outgoing] = []
    for each in fresh:
        listener = each.listener
        if listener.enrolment_id not in names or listener.enrolment_id in never_started:
            continue
        event_id = told_as(listener.enrolment_id, each.fact.id)
        if listener.kind == "wait":
            body = MatchedSignal(step=listener.step, visit=listener.visit, path=listener.path, event_id=event_id).model_dump(
                mode="json"
            )
            request = f"{event_id}:{listener.step}:{listener.visit}"
            signals.append(Outgoing(listener.enrolment_id, names[listener.enrolment_id], "matched", body, request))
        elif listener.kind == "exit" or listener.path == "exit":
            reason = InterruptSignal(reason="exit" if listener.kind == "exit" else "goal", event_id=event_id).model_dump(
                mode="json"
            )
            signals.append(
                Outgoing(listener.enrolment_id, names[listener.enrolment_id], "interrupt", reason, f"{event_id}:{listener.kind}")
            )
    if signal:
        return [*heard, *await write(session, signals)]
    waits = [each.listener for each in fresh if each.listener.kind == "wait"]
    await places.met(session, [(each.enrolment_id, each.step, each.visit) for each in waits])
    return heard


async def matched(session: AsyncSession, keys: Sequence[tuple[UUID, str, int]]) -> dict[tuple[UUID, str, int], Match]:
    """What has met these waits (enrolment, step, visit) already, as workflows know it; the earliest where several did."""
    rows = await session.execute(
        text(
            "SELECT m.enrolment_id, m.step, m.visit, m.path, m.event_id FROM match m JOIN unnest(CAST(:enrolments AS uuid[]), "
            "CAST(:steps AS text[]), CAST(:visits AS int[])) AS k(enrolment_id, step, visit) USING (enrolment_id, step, visit) "
            "WHERE m.kind = 'wait' ORDER BY m.at DESC"
        ),
        {"enrolments": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]},
    )
    return {
        (row.enrolment_id, row.step, row.visit): Match(path=row.path, event_id=told_as(row.enrolment_id, row.event_id))
        for row in rows.all()
    }


async def taken_events(session: AsyncSession, enrolment_id: UUID, events: Sequence[str]) -> list[tuple[str, str]]:
    """Those of these events that a wait of the enrolment has had, each with a step that took it: `""`, the entry."""
    rows = await session.execute(
        text(
            "SELECT event_id, step FROM match WHERE enrolment_id = :id AND event_id = ANY(:events) AND kind = 'wait' "
            "UNION ALL SELECT entry->>'id', '' FROM enrolment WHERE id = :id AND entry->>'id' = ANY(:events)"
        ),
        {"id": enrolment_id, "events": list(events)},
    )
    return [(row.event_id, row.step) for row in rows.all()]


async def _store(session: AsyncSession, met: Sequence[Met]) -> list[Met]:
    """Inserts the match rows; waits that something else has met are left out."""
    rows = await session.execute(
        text(
            "INSERT INTO match (enrolment_id, event_id, kind, step, visit, path, body, position, seen, at) "
            "SELECT * FROM unnest(CAST(:enrolments AS uuid[]), CAST(:events AS text[]), CAST(:kinds AS text[]), "
            "CAST(:steps AS text[]), "
            "CAST(:visits AS int[]), CAST(:paths AS text[]), CAST(:bodies AS jsonb[]), CAST(:positions AS text[]), "
            "CAST(:seens AS text[]), CAST(:ats AS timestamptz[])) ON CONFLICT DO NOTHING "
            "RETURNING enrolment_id, event_id, kind, step, visit"
        ),
        {
            "enrolments": [each.listener.enrolment_id for each in met],
            "events": [each.fact.id for each in met],
            "kinds": [each.listener.kind for each in met],
            "steps": [each.listener.step for each in met],
            "visits": [each.listener.visit for each in met],
            "paths": [each.listener.path for each in met],
            "bodies": [orjson.dumps(each.fact.body).decode() for each in met],
            "positions": [each.fact.position for each in met],
            "seens": [each.fact.seen or each.fact.position for each in met],
            "ats": [each.fact.at for each in met],
        },
    )
    written = {tuple(row) for row in rows.all()}
    return [
        each
        for each in met
        if (each.listener.enrolment_id, each.fact.id, each.listener.kind, each.listener.step, each.listener.visit) in written
    ]


async def _journeys(session: AsyncSession, enrolments: Sequence[UUID]) -> dict[UUID, str]:
    """The journeys of enrolments that still run."""
    if not enrolments:
        return {}
    rows = await session.execute(
        text("SELECT id, journey FROM enrolment WHERE id = ANY(:ids) AND state <> 'ended'"), {"ids": list(set(enrolments))}
    )
    return {row[0]: row[1] for row in rows.all()}


async def _close(session: AsyncSession, met: Sequence[Met]) -> None:
    """Waits that were met and enrolments that a criterion ended listen no more; goals are noted."""
    waits = [each.listener for each in met if each.listener.kind == "wait"]
    if waits:
        await session.execute(
            text(
                "WITH k AS (SELECT * FROM unnest(CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) "
                "AS u(enrolment_id, step, visit)), w AS (DELETE FROM watch w USING k WHERE w.enrolment_id = k.enrolment_id "
                "AND w.kind <> 'exit' AND w.step = k.step AND w.visit = k.visit) "
                "DELETE FROM listener l USING k WHERE l.enrolment_id = k.enrolment_id AND l.kind = 'wait' "
                "AND l.step = k.step AND l.visit = k.visit"
            ),
            {
                "enrolments": [each.enrolment_id for each in waits],
                "steps": [each.step for each in waits],
                "visits": [each.visit for each in waits],
            },
        )
    for each in met:
        listener, fact = each.listener, each.fact
        if listener.kind == "goal":
            await session.execute(
                text(
                    "WITH g AS (DELETE FROM listener WHERE enrolment_id = :id AND kind = 'goal') "
                    "UPDATE enrolment SET goal_at = coalesce(goal_at, :at) WHERE id = :id"
                ),
                {"id": listener.enrolment_id, "at": fact.at},
            )
        if listener.kind == "exit" or (listener.kind == "goal" and listener.path == "exit"):
            reason = "goal" if listener.kind == "goal" else f"exit: {_why(listener)}"
            await session.execute(
                text(
                    "WITH w AS (DELETE FROM watch WHERE enrolment_id = :id) "
                    "UPDATE enrolment SET state = 'ending', reason = :reason WHERE id = :id AND state = 'running'"
                ),
                {"id": listener.enrolment_id, "reason": reason},
            )


def _why(listener: Listener) -> str:
    match listener.source:
        case "event":
            return f"event {listener.name!r}"
        case "profile":
            return f"trait {(listener.condition or {}).get('trait')!r}"
        case "segment_entered":
            return f"entered segment {listener.name!r}"
        case "segment_left":
            return f"left segment {listener.name!r}"
        case "condition":
            return f"condition {listener.path}"
        case _:
            return listener.path
