"""Enrolments as the step service sees them: who, in which version, and what was decided before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import StepItem
from services.journeys import deferrals, places
from services.journeys.event_ids import DERIVED
from services.journeys.outgoing import Outgoing
from services.journeys.steps.awaiting import Parent
from services.journeys.steps.results import answer

Key = tuple[UUID, str, int]

LEFT = "left"
"""Under which the decision of a wait has seen that somebody was moved away from it before it was over: `{"at", "to"}`."""

CUT_SHORT = "cut_short"
"""Under which the decision of a wait has seen that another version's measure of it was over when it came: `{"at", "was"}`."""

# So far may the feed be ahead of a look back.
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One person's life in one journey; `entry` is the fact that started it."""

    id: UUID
    journey: str
    version: str
    profile_id: UUID
    entry: dict[str, Any]
    position: str | None
    entered_at: datetime
    state: str
    reason: str | None
    moving: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for (enrolment, step, visit), with the values looked at. `deadline` is virtual.

    `arrived_at`, where it is known, is when the person came to the step, which may be long before it was decided.
    """

    enrolment_id: UUID
    journey: str
    step: str
    visit: int
    kind: str
    outcome: dict[str, Any]
    seen: dict[str, Any]
    at: datetime
    deadline: datetime | None = None
    arrived_at: datetime | None = None

    @property
    def key(self) -> Key:
        return (self.enrolment_id, self.step, self.visit)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything the database holds about a batch of steps."""

    enrolments: dict[UUID, Enrolment]
    decisions: dict[Key, Decision]
    events: dict[tuple[UUID, str], tuple[dict[str, Any], str | None]]

    def woken_by(self, item: StepItem, enrolment: Enrolment) -> tuple[dict[str, Any], str | None]:
        """The event that woke the path which the workflow is on, and where the feed stood: the entry where none did."""
        woken = self.events.get((item.enrolment_id, item.event_id)) if item.event_id else None
        return woken or (enrolment.entry, enrolment.position)


async def load(session: AsyncSession, items: Sequence[StepItem]) -> Known:
    """Enrolments, earlier decisions under the same keys, and the events that woke the last paths.

    Workflows know events by derived ids; those that were told of them earlier, by their own.
    """
    enrolments = await session.execute(
        text(
            "SELECT id, journey, version, profile_id, entry, position, entered_at, state, reason, moving FROM enrolment "
            "WHERE id = ANY(:ids)"
        ),
        {"ids": list({item.enrolment_id for item in items})},
    )
    woken = {(item.enrolment_id, item.event_id) for item in items if item.event_id is not None}
    events: dict[tuple[UUID, str], tuple[dict[str, Any], str | None]] = {}
    if woken:
        rows = await session.execute(
            text(
                "SELECT k.enrolment_id, k.event_id, m.body, m.position FROM match m JOIN unnest(CAST(:enrolments AS uuid[]), "
                "CAST(:events AS text[])) AS k(enrolment_id, event_id) ON m.enrolment_id = k.enrolment_id "
                f"AND k.event_id IN (m.event_id, {DERIVED}) ORDER BY m.position NULLS FIRST"
            ),
            {"enrolments": [each[0] for each in woken], "events": [each[1] for each in woken]},
        )
        events = {(row.enrolment_id, row.event_id): (row.body, row.position) for row in rows.all()}
    return Known(
        {row.id: Enrolment(*row) for row in enrolments.all()},
        await decided(session, [(item.enrolment_id, item.step, item.visit) for item in items]),
        events,
    )


async def arrivals(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> dict[UUID, tuple[datetime, str, datetime]]:
    """When each of these enrolments left its last step: what happens from then on happens at the next one.

    A wait was left when its event happened (but not before the person had come to it) or its time was up, every other step
    when it was decided. It may be long ago, if no worker ran since. Those that were nowhere yet are not in the answer.

    With it comes the step that was left, and since when things count if that very wait begins again: an event whose own clock
    is behind may come after the one that ended it, and must not be lost.
    """
    rows = await session.execute(
        text(
            "SELECT p.enrolment_id, p.step, greatest(p.since, m.at, t.at) AS at, "
            "greatest(p.since, m.at - CAST(:overlap AS interval), t.at) AS again FROM place p "
            "LEFT JOIN LATERAL (SELECT max(at) AS at FROM match WHERE enrolment_id = p.enrolment_id AND kind = 'wait' "
            "AND step = p.step AND visit = p.visit) m ON true, "
            "LATERAL (SELECT CASE WHEN p.due IS NOT NULL THEN least(p.due, CAST(:now AS timestamptz)) END AS at) t "
            "WHERE p.enrolment_id = ANY(:ids) AND p.step IS NOT NULL"
        ),
        {"ids": list(ids), "now": now, "overlap": OVERLAP},
    )
    return {row.enrolment_id: (row.at, row.step, row.again) for row in rows.all()}


async def newest_visits(session: AsyncSession, steps: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], int]:
    """The newest visit of these (enrolment, step) that was decided: its message is the one that is waited for."""
    wanted = sorted(set(steps))
    if not wanted:
        return {}
    rows = await session.execute(
        text(
            "SELECT d.enrolment_id, d.step, max(d.visit) AS visit FROM decision d JOIN unnest(CAST(:enrolments AS uuid[]), "
            "CAST(:steps AS text[])) AS k(enrolment_id, step) USING (enrolment_id, step) WHERE d.kind <> 'deferred' GROUP BY 1, 2"
        ),
        {"enrolments": [each[0] for each in wanted], "steps": [each[1] for each in wanted]},
    )
    return {(row.enrolment_id, row.step): row.visit for row in rows.all()}


async def decided(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, Decision]:
    """The decisions that were made under these keys; a deferral is none yet."""
    rows = await session.execute(
        text(
            "SELECT enrolment_id, journey, step, visit, kind, outcome, seen, at, deadline FROM decision "
            "JOIN unnest(CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) "
            "AS k(enrolment_id, step, visit) USING (enrolment_id, step, visit) WHERE kind <> 'deferred'"
        ),
        {"enrolments": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]},
    )
    return {decision.key: decision for row in rows.all() for decision in (Decision(*row),)}


async def keep(session: AsyncSession, decisions: Sequence[Decision]) -> set[Key]:
    """Writes decisions; returns the keys of those that are new.

    A decision that was made before stays; a deferral, which only says until when nothing is decided, gives way to one that
    tells of it. New ones say where their enrolments stand now, and how late after their last wait.
    """
    if not decisions:
        return set()
    rows = await session.execute(
        text(
            "WITH given AS (SELECT * FROM unnest(CAST(:enrolments AS uuid[]), CAST(:journeys AS text[]), CAST(:steps AS text[]), "
            "CAST(:visits AS int[]), CAST(:kinds AS text[]), CAST(:outcomes AS jsonb[]), CAST(:seens AS jsonb[]), "
            "CAST(:ats AS timestamptz[]), CAST(:deadlines AS timestamptz[]), CAST(:arrivals AS timestamptz[])) "
            "AS g(enrolment_id, journey, step, visit, kind, outcome, seen, at, deadline, arrived)), "
            "kept AS (INSERT INTO decision (enrolment_id, journey, step, visit, kind, outcome, seen, at, deadline, late) "
            "SELECT g.enrolment_id, g.journey, g.step, g.visit, g.kind, g.outcome, g.seen, g.at, g.deadline, "
            + places.LATE.format(at="g.at")
            + " FROM given g LEFT JOIN place p ON p.enrolment_id = g.enrolment_id "
            "ON CONFLICT (enrolment_id, step, visit) DO UPDATE SET kind = excluded.kind, "
            f"outcome = excluded.outcome, seen = {deferrals.SEEN_OF_NEXT}, at = excluded.at, deadline = excluded.deadline, "
            "late = coalesce(excluded.late, decision.late) "
            "WHERE decision.kind = 'deferred' RETURNING enrolment_id, step, visit), "
            "stands AS (INSERT INTO place (enrolment_id, step, visit, since, due) "
            "SELECT DISTINCT ON (g.enrolment_id) g.enrolment_id, g.step, g.visit, coalesce(g.arrived, g.at), g.deadline "
            "FROM given g JOIN kept USING (enrolment_id, step, visit) ORDER BY g.enrolment_id, g.at DESC "
            "ON CONFLICT (enrolment_id) DO UPDATE SET step = excluded.step, visit = excluded.visit, since = excluded.since, "
            "due = excluded.due, told = NULL, told_at = NULL, suspect_at = NULL, changed_at = now()) "
            "SELECT enrolment_id, step, visit FROM kept"
        ),
        {
            "enrolments": [each.enrolment_id for each in decisions],
            "journeys": [each.journey for each in decisions],
            "steps": [each.step for each in decisions],
            "visits": [each.visit for each in decisions],
            "kinds": [each.kind for each in decisions],
            "outcomes": [orjson.dumps(each.outcome).decode() for each in decisions],
            "seens": [orjson.dumps(each.seen).decode() for each in decisions],
            "ats": [each.at for each in decisions],
            "deadlines": [each.deadline for each in decisions],
            "arrivals": [each.arrived_at for each in decisions],
        },
    )
    return {(row[0], row[1], row[2]) for row in rows.all()}


async def forget_waits(session: AsyncSession, enrolments: Sequence[UUID]) -> None:
    """Removes the waits of enrolments that have moved on, and the calls that they have not made yet."""
    if enrolments:
        await session.execute(
            text(
                "WITH w AS (DELETE FROM watch WHERE enrolment_id = ANY(:ids) AND kind <> 'exit'), "
                "c AS (DELETE FROM call WHERE enrolment_id = ANY(:ids)) "
                "DELETE FROM listener WHERE enrolment_id = ANY(:ids) AND kind = 'wait'"
            ),
            {"ids": list(enrolments)},
        )


async def leave(session: AsyncSession, key: Key, to: str, now: datetime) -> None:
    """Notes that somebody was moved away from a step at which nothing was over, if anything was decided there."""
    identifier, step, visit = key
    await session.execute(
        text(
            "UPDATE decision SET seen = seen || CAST(:seen AS jsonb) WHERE enrolment_id = :id AND step = :step "
            "AND visit = :visit AND kind <> 'deferred'"
        ),
        {
            "seen": orjson.dumps({LEFT: {"at": now.isoformat(), "to": to}}).decode(),
            "id": identifier,
            "step": step,
            "visit": visit,
        },
    )


async def ending(session: AsyncSession, ids: Sequence[UUID]) -> list[UUID]:
    """Those of these enrolments that a criterion, a merge or a person ended, and whose workflow has yet to say so."""
    rows = await session.execute(text("SELECT id FROM enrolment WHERE id = ANY(:ids) AND state = 'ending'"), {"ids": list(ids)})
    return [row[0] for row in rows.all()]


async def end(session: AsyncSession, reasons: dict[UUID, str], now: datetime) -> list[Outgoing]:
    """Marks enrolments as ended. A reason that a criterion gave stays; a goal with a term is listened for until then.

    What they still called is called no more. Returns the signals to those who wait for their end.
    """
    if not reasons:
        return []
    rows = await session.execute(
        text(
            "WITH over AS (UPDATE enrolment e SET state = 'ended', start_at = NULL, moving = NULL, "
            "reason = coalesce(e.reason, k.reason), ended_at = :now, "
            "late = (SELECT " + places.LATE.format(at="CAST(:now AS timestamptz)") + " FROM place p WHERE p.enrolment_id = e.id) "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS k(id, reason) "
            "WHERE e.id = k.id AND e.state <> 'ended' "
            "RETURNING e.id, e.reason, e.goal_at, e.parent_id, e.parent_step, e.parent_visit), "
            "gone AS (DELETE FROM place p USING over WHERE p.enrolment_id = over.id), "
            "unwatched AS (DELETE FROM watch w USING over WHERE w.enrolment_id = over.id), "
            "uncalled AS (DELETE FROM call c USING over WHERE c.enrolment_id = over.id), "
            "deaf AS (DELETE FROM listener l USING over WHERE l.enrolment_id = over.id "
            "AND (l.kind <> 'goal' OR l.until IS NULL)) "
            "SELECT * FROM over WHERE parent_id IS NOT NULL"
        ),
        {"ids": list(reasons), "reasons": list(reasons.values()), "now": now},
    )
    heard = [
        Parent(row.parent_id, row.parent_step, row.parent_visit).heard(
            str(row.id), row.reason, goal_reached=row.goal_at is not None, at=now
        )
        for row in rows.all()
    ]
    return await answer(session, heard)


async def end_held(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> tuple[set[UUID], list[Outgoing]]:
    """Ends those of these enrolments that are to end and were never started: there is nobody to signal.

    Returns them, and the signals to those who wait for their end.
    """
    rows = await session.execute(
        text("SELECT id FROM enrolment WHERE id = ANY(:ids) AND state = 'ending' AND start_at IS NOT NULL"), {"ids": list(ids)}
    )
    held = {row[0] for row in rows.all()}
    return held, await end(session, dict.fromkeys(held, "ended"), now)
