"""What a marketer asks: how many are where, and why somebody did or did not get something."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.errors import NotFound
from services.journeys.lateness import LAST_HOUR, Lateness, recent_lateness
from services.journeys.lifecycle.states import state_view


class StepCount(BaseModel):
    """How many people had this kind of decision at a step. `choices` counts the paths of branches, splits and repetitions."""

    step: str
    kinds: dict[str, int]
    choices: dict[str, int]
    waiting_now: int = 0


class Stats(BaseModel):
    """A journey in numbers, all versions together. `reasons` says how the ended ones ended, `lateness` is the last hour's."""

    journey: str
    state: str
    held: int
    """Of those running: have yet to be started."""
    parked: int
    """Of those running: wait at a step that acts for the end of a pause."""
    entered: int
    running: int
    ended: int
    goal_reached: int
    held_out: int
    refused: int
    reasons: dict[str, int]
    steps: list[StepCount]
    lateness: Lateness


class EnrolmentView(BaseModel):
    """One person's life in one journey. `step` is where they are or ended."""

    id: UUID
    journey: str
    version: str
    profile_id: UUID
    entry_key: str
    number: int
    entered_at: datetime
    state: str
    reason: str | None
    ended_at: datetime | None
    goal_at: datetime | None
    step: str | None = None
    due: datetime | None = None


class StoryLine(BaseModel):
    """One thing that happened, with the values it rested on."""

    at: datetime
    what: str
    step: str | None = None
    visit: int | None = None
    outcome: dict[str, Any] = {}
    seen: dict[str, Any] = {}


class Story(BaseModel):
    enrolment: EnrolmentView
    entry: dict[str, Any]
    lines: list[StoryLine]


class Refusal(BaseModel):
    """Why somebody who met the trigger did not enter; `seen` are the values that it rests on."""

    journey: str
    profile_id: UUID
    event_id: str
    reason: str
    at: datetime
    seen: dict[str, Any]


_ENROLMENTS = (
    "SELECT e.id, e.journey, e.version, e.profile_id, e.entry_key, e.number, e.entered_at, e.state, e.reason, "
    "e.ended_at, e.goal_at, "
    "d.step, CASE WHEN e.state = 'ended' THEN NULL ELSE d.deadline END AS due FROM enrolment e "
    "LEFT JOIN LATERAL (SELECT step, deadline FROM decision d WHERE d.enrolment_id = e.id ORDER BY d.at DESC, "
    "d.deadline DESC NULLS LAST LIMIT 1) d ON true "
)


async def stats(session: AsyncSession, journey: str, clock: Clock) -> Stats:
    """The journey in numbers. Raises `NotFound`."""
    view = await state_view(session, journey)
    key = {"key": journey}
    people = (
        await session.execute(
            text(
                "SELECT count(*) AS entered, count(*) FILTER (WHERE state <> 'ended') AS running, count(*) FILTER "
                "(WHERE state = 'ended') "
                "AS ended, count(goal_at) AS goals, (SELECT count(*) FROM refusal WHERE journey = :key) AS refused "
                "FROM enrolment WHERE journey = :key"
            ),
            key,
        )
    ).one()
    reasons = await session.execute(
        text("SELECT reason, count(*) FROM enrolment WHERE journey = :key AND state = 'ended' GROUP BY 1"),
        key,
    )
    decisions = await session.execute(
        text(
            "SELECT step, kind, outcome->>'path' AS path, count(*) AS n, min(at) AS first FROM decision WHERE journey "
            "= :key GROUP BY 1, 2, 3 ORDER BY 5"
        ),
        key,
    )
    counts: dict[str, StepCount] = {}
    held = 0
    for row in decisions.all():
        count = counts.setdefault(row.step, StepCount(step=row.step, kinds={}, choices={}))
        count.kinds[row.kind] = count.kinds.get(row.kind, 0) + row.n
        if row.path is not None:
            count.choices[row.path] = row.n
        held += row.n if row.kind == "held_out" else 0
    now = await session.execute(
        text(
            "SELECT p.step, count(*) FROM enrolment e JOIN place p ON p.enrolment_id = e.id WHERE e.journey = :key "
            "AND e.state <> 'ended' AND p.step IS NOT NULL GROUP BY 1"
        ),
        key,
    )
    for step, number in now.all():
        counts.setdefault(step, StepCount(step=step, kinds={}, choices={})).waiting_now = number
    return Stats(
        journey=journey,
        state=view.state,
        held=view.held,
        parked=view.parked,
        entered=people.entered,
        running=people.running,
        ended=people.ended,
        goal_reached=people.goals,
        held_out=held,
        refused=people.refused,
        reasons={row[0]: row[1] for row in reasons.all()},
        steps=list(counts.values()),
        lateness=await recent_lateness(session, clock, LAST_HOUR, journey),
    )


async def enrolments(
    session: AsyncSession, *, journey: str | None, profile_id: UUID | None, state: str | None, after: UUID | None, limit: int
) -> list[EnrolmentView]:
    """Enrolments in order of id."""
    rows = await session.execute(
        text(
            _ENROLMENTS + "WHERE (CAST(:journey AS text) IS NULL OR e.journey = :journey) "
            "AND (CAST(:profile AS uuid) IS NULL OR e.profile_id = :profile) AND (CAST(:state AS text) IS NULL OR "
            "e.state = :state) "
            "AND (CAST(:after AS uuid) IS NULL OR e.id > :after) ORDER BY e.id LIMIT :limit"
        ),
        {"journey": journey, "profile": profile_id, "state": state, "after": after, "limit": limit},
    )
    return [EnrolmentView(**row) for row in rows.mappings().all()]


async def story(session: AsyncSession, enrolment_id: UUID) -> Story:
    """Everything that was decided for and happened to one enrolment, in order. Raises `NotFound`."""
    row = (await session.execute(text(_ENROLMENTS + "WHERE e.id = :id"), {"id": enrolment_id})).mappings().first()
    if row is None:
        raise NotFound("enrolment", enrolment_id)
    view = EnrolmentView(**row)
    entry = (await session.execute(text("SELECT entry FROM enrolment WHERE id = :id"), {"id": enrolment_id})).scalar_one()
    decisions = await session.execute(
        text("SELECT at, kind, step, visit, outcome, seen, deadline FROM decision WHERE enrolment_id = :id ORDER BY at"),
        {"id": enrolment_id},
    )
    lines = [
        StoryLine(
            at=each.at,
            what=each.kind,
            step=each.step,
            visit=each.visit,
            outcome=each.outcome | ({"until": each.deadline.isoformat()} if each.deadline else {}),
            seen=each.seen,
        )
        for each in decisions.all()
    ]
    matches = await session.execute(
        text("SELECT at, kind, step, visit, path, body FROM match WHERE enrolment_id = :id ORDER BY at"), {"id": enrolment_id}
    )
    lines += [
        StoryLine(
            at=each.at,
            what=f"{each.kind} met",
            step=each.step or None,
            visit=each.visit or None,
            outcome={"path": each.path},
            seen=each.body,
        )
        for each in matches.all()
    ]
    lines.append(StoryLine(at=view.entered_at, what="entered", seen=entry))
    if view.ended_at is not None:
        lines.append(StoryLine(at=view.ended_at, what="ended", outcome={"reason": view.reason}))
    order = {"entered": 0, "ended": 2}
    return Story(enrolment=view, entry=entry, lines=sorted(lines, key=lambda line: (line.at, order.get(line.what, 1))))


async def refusals(session: AsyncSession, *, profile_id: UUID | None, journey: str | None, limit: int) -> list[Refusal]:
    """Who met a trigger and did not enter, newest first."""
    wanted = {"profile_id": profile_id, "journey": journey}
    # Only what is asked for is in the query: each has an index of its own.
    asked = {name: value for name, value in wanted.items() if value is not None}
    where = "WHERE " + " AND ".join(f"{name} = :{name}" for name in asked) if asked else ""
    rows = await session.execute(
        text(f"SELECT journey, profile_id, event_id, reason, at, seen FROM refusal {where} ORDER BY at DESC LIMIT :limit"),
        asked | {"limit": limit},
    )
    return [Refusal(**row) for row in rows.mappings().all()]
