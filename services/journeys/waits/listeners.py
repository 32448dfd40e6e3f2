"""Listeners: what an enrolment waits for, registered in the database so that the router signals nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Literal, assert_never
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import Person, add, bind_filter, compile_filter, evaluate, parse_condition, parse_filter, references
from conditions.model import Condition, Filter, TraitIs
from contracts.channels import Status
from journeys import MISSING, Journey, resolve
from journeys.model import (
    ConditionPath,
    EventPath,
    MessagePath,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    SegmentEnteredPath,
    SegmentLeftPath,
    WaitFor,
)

Kind = Literal["wait", "exit", "goal"]
Source = Literal["event", "receipt", "profile", "segment_entered", "segment_left", "condition"]

# An event whose own clock is this much behind ours still counts for a wait that was registered before it arrived.
CLOCK_SKEW = timedelta(minutes=5)

_REACHED = {
    Status.SENT: frozenset({"sent"}),
    Status.DELIVERED: frozenset({"sent", "delivered"}),
    Status.OPENED: frozenset({"sent", "delivered", "opened"}),
    Status.CLICKED: frozenset({"sent", "delivered", "opened", "clicked"}),
    Status.REPLIED: frozenset({"sent", "delivered", "replied"}),
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A row of the table `listener`. A wait's is `ready` once it has looked back."""

    enrolment_id: UUID
    profile_id: UUID
    kind: Kind
    source: Source
    name: str
    step: str
    visit: int
    path: str
    condition: dict[str, Any] | None
    since: datetime
    until: datetime | None = None
    ready: bool = True

    def met_by(self, fact: Mapping[str, Any], at: datetime) -> bool:
        """Whether an event, receipt or change of traits at `at` meets it."""
        if at + CLOCK_SKEW < self.since or (self.until is not None and at > self.until):
            return False
        match self.source:
            case "event":
                return self.condition is None or _filter(orjson.dumps(self.condition))(fact["properties"])
            case "receipt":
                wanted = self.condition["status"] if self.condition else ""
                return wanted in reached(Status(fact["event"]))
            case "profile":
                assert self.condition is not None
                return evaluate(_condition(orjson.dumps(self.condition)), Person(traits=fact["properties"]), at).matches
            case "segment_entered" | "segment_left" | "condition":
                return True
            case _:
                assert_never(self.source)


def reached(status: Status) -> frozenset[str]:
    """All outcomes that a message with this newest status has had: an opened one was delivered."""
    return _REACHED.get(status, frozenset({status.value}))


def for_enrolment(
    journey: Journey, enrolment_id: UUID, profile_id: UUID, context: Mapping[str, JsonValue], entered_at: datetime, zone: tzinfo
) -> list[Listener]:
    """The exit criteria and the goal, registered for the whole enrolment. The goal's term is counted in the person's zone."""
    found: list[Listener] = []

    def listen(
        kind: Kind, source: Source, name: str, path: str, condition: dict[str, Any] | None, until: datetime | None = None
    ) -> None:
        found.append(Listener(enrolment_id, profile_id, kind, source, name, "", 0, path, condition, entered_at, until))

    for number, rule in enumerate(journey.exit_when):
        path = f"exit_when[{number}]"
        match rule:
            case OnEvent():
                listen("exit", "event", rule.event, path, _bound(rule.where, context))
            case TraitIs():
                if not references(rule).refs:  # with references it is a watch
                    listen("exit", "profile", "", path, rule.model_dump(mode="json"))
            case OnSegmentEntered():
                listen("exit", "segment_entered", rule.segment_entered, path, None)
            case OnSegmentLeft():
                listen("exit", "segment_left", rule.segment_left, path, None)
            case OnCondition():
                pass  # a watch
            case _:
                assert_never(rule)
    if journey.goal is not None:
        goal = journey.goal
        until = add(entered_at, goal.within, zone) if goal.within else None
        listen("goal", "event", goal.event, goal.on_reached, _bound(goal.where, context), until)
    return found


def for_wait(
    step: WaitFor, visit: int, enrolment_id: UUID, profile_id: UUID, context: Mapping[str, JsonValue], since: datetime
) -> list[Listener]:
    """One listener per path of a `wait_for` that something which happens can take, in the paths' order."""
    found: list[Listener] = []
    for path in step.paths:
        match path:
            case EventPath():
                source: Source = "event"
                name, condition = path.event, _bound(path.where, context)
            case MessagePath():
                source, name, condition = "receipt", path.message, {"status": path.status}
            case SegmentEnteredPath():
                source, name, condition = "segment_entered", path.segment_entered, None
            case SegmentLeftPath():
                source, name, condition = "segment_left", path.segment_left, None
            case ConditionPath():
                continue  # a watch
            case _:
                assert_never(path)
        met_by = (source, name, step.id, visit, path.id, condition, since)
        found.append(Listener(enrolment_id, profile_id, "wait", *met_by, ready=False))
    return found


async def register(session: AsyncSession, listeners: Sequence[Listener]) -> None:
    """Writes listeners; those that are there already stay as they are.

    They belong to the profile that the enrolment has now: it may have been merged since somebody looked.
    """
    if not listeners:
        return
    await session.execute(
        text(
            "INSERT INTO listener (enrolment_id, profile_id, kind, source, name, step, visit, path, condition, since, until, "
            "ready) SELECT u.id, e.profile_id, u.kind, u.source, u.name, u.step, u.visit, u.path, u.condition, u.since, u.until, "
            "u.ready FROM unnest(CAST(:enrolments AS uuid[]), CAST(:kinds AS text[]), "
            "CAST(:sources AS text[]), CAST(:names AS text[]), CAST(:steps AS text[]), CAST(:visits AS int[]), "
            "CAST(:paths AS text[]), CAST(:conditions AS jsonb[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS "
            "timestamptz[]), CAST(:readies AS bool[])) AS u(id, kind, source, name, step, visit, path, condition, since, until, "
            "ready) JOIN enrolment e ON e.id = u.id FOR SHARE OF e ON CONFLICT DO NOTHING"
        ),
        {
            "enrolments": [each.enrolment_id for each in listeners],
            "kinds": [each.kind for each in listeners],
            "sources": [each.source for each in listeners],
            "names": [each.name for each in listeners],
            "steps": [each.step for each in listeners],
            "visits": [each.visit for each in listeners],
            "paths": [each.path for each in listeners],
            "conditions": [None if each.condition is None else orjson.dumps(each.condition).decode() for each in listeners],
            "sinces": [each.since for each in listeners],
            "untils": [each.until for each in listeners],
            "readies": [each.ready for each in listeners],
        },
    )


async def waiting_for(
    session: AsyncSession, triggers: Iterable[tuple[UUID, Source, str]]
) -> dict[tuple[UUID, str, str], list[Listener]]:
    """The listeners that any of these (profile, source, name) could meet: exits first, then goals, then waits by rank."""
    keys = sorted(set(triggers))
    if not keys:
        return {}
    rows = await session.execute(
        text(
            "SELECT l.enrolment_id, l.profile_id, l.kind, l.source, l.name, l.step, l.visit, l.path, l.condition, "
            "l.since, l.until, l.ready "
            "FROM unnest(CAST(:profiles AS uuid[]), CAST(:sources AS text[]), CAST(:names AS text[])) AS k(profile_id, "
            "source, name) "
            "JOIN listener l USING (profile_id, source, name) ORDER BY l.kind, l.id"
        ),
        {"profiles": [key[0] for key in keys], "sources": [key[1] for key in keys], "names": [key[2] for key in keys]},
    )
    found: dict[tuple[UUID, str, str], list[Listener]] = {}
    for row in rows.all():
        found.setdefault((row.profile_id, row.source, row.name), []).append(Listener(*row))
    return found


async def waits_of(session: AsyncSession, keys: Sequence[tuple[UUID, str, int]]) -> list[list[Listener]]:
    """The registered listeners of these (enrolment, step, visit), one list per wait, paths in their order."""
    rows = await session.execute(
        text(
            "SELECT l.enrolment_id, l.profile_id, l.kind, l.source, l.name, l.step, l.visit, l.path, l.condition, "
            "l.since, l.until, l.ready "
            "FROM unnest(CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) AS "
            "k(enrolment_id, step, visit) "
            "JOIN listener l USING (enrolment_id, step, visit) WHERE l.kind = 'wait' ORDER BY l.id"
        ),
        {"enrolments": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]},
    )
    found: dict[tuple[UUID, str, int], list[Listener]] = {}
    for row in rows.all():
        found.setdefault((row.enrolment_id, row.step, row.visit), []).append(Listener(*row))
    return list(found.values())


def _bound(where: Filter | None, context: Mapping[str, JsonValue]) -> dict[str, Any] | None:
    if where is None:
        return None

    def value(ref: str) -> JsonValue:
        found = resolve(ref, context)
        return None if found is MISSING else found  # type: ignore[return-value]

    return bind_filter(where, value).model_dump(mode="json")


@lru_cache(maxsize=10_000)
def _filter(condition: bytes) -> Any:
    return compile_filter(parse_filter(orjson.loads(condition)))


@lru_cache(maxsize=10_000)
def _condition(condition: bytes) -> Condition:
    return parse_condition(orjson.loads(condition))
