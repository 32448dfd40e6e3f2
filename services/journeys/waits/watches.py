"""Watches: conditions that end a wait or an enrolment once they hold, and waits that follow a date. Rows, and what stirs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import Condition, TraitIs, bind, references
from journeys import MISSING, Journey, resolve
from journeys.model import ConditionPath, OnCondition, WaitFor

Kind = Literal["wait", "exit", "date"]

# Whoever registers a wait asks its conditions next; the watcher does after this long (real time).
_LEASE = timedelta(seconds=10)
# Nothing is looked at again sooner than this (real time).
SHORTLY = timedelta(milliseconds=100)

# What a watch may mention, besides `event:NAME`, `segment:KEY` and `computed:KEY`.
TRAITS = "trait"
ANYTHING = "*"  # mentioned by none: it stirs all of a person's watches


@dataclass(frozen=True, slots=True)
class Watch:
    """A row of the table `watch`. `look` counts what stirred it; `id` is 0 before it is written."""

    enrolment_id: UUID
    profile_id: UUID
    kind: Kind
    step: str
    visit: int
    path: str
    condition: dict[str, Any] | None
    mentions: list[str]
    look_at: datetime | None
    id: int = 0
    look: int = 0

    @property
    def key(self) -> tuple[UUID, str, int]:
        return (self.enrolment_id, self.step, self.visit)


def for_enrolment(journey: Journey, enrolment_id: UUID, profile_id: UUID, entry: Mapping[str, Any], now: datetime) -> list[Watch]:
    """The exit rules that are conditions, or traits that time or a reference bears on.

    What refers to the profile is bound at the first look, which is now: whoever enters by an event brings no traits.
    """
    found: list[Watch] = []
    for number, rule in enumerate(journey.exit_when):
        if isinstance(rule, OnCondition):
            condition: Condition = rule.if_
        elif isinstance(rule, TraitIs) and (rule.op in ("older_than", "newer_than") or references(rule).refs):
            condition = rule
        else:
            continue
        bound = bound_to(condition, {"entry": dict(entry)}, only="entry.")
        path = f"exit_when[{number}]"
        found.append(Watch(enrolment_id, profile_id, "exit", "", 0, path, bound.model_dump(mode="json"), mentioned(bound), now))
    return found


def for_wait(
    step: WaitFor, visit: int, enrolment_id: UUID, profile_id: UUID, context: Mapping[str, JsonValue], now: datetime
) -> list[Watch]:
    """One watch per path of a `wait_for` that is a condition, in the paths' order."""
    found: list[Watch] = []
    for path in step.paths:
        if isinstance(path, ConditionPath):
            bound = bound_to(path.if_, context)
            data = bound.model_dump(mode="json")
            found.append(Watch(enrolment_id, profile_id, "wait", step.id, visit, path.id, data, mentioned(bound), now))
    return found


def bound_to(condition: Condition, context: Mapping[str, JsonValue], *, only: str = "") -> Condition:
    """The condition with constants for its references; those that do not begin with `only` stay."""

    def value(ref: str) -> JsonValue:
        found = resolve(ref, context)
        return None if found is MISSING else found  # type: ignore[return-value]

    if any(not ref.startswith(only) for ref in references(condition).refs):
        return condition
    return bind(condition, value)


def mentioned(condition: Condition) -> list[str]:
    """What changes of a person may change the answer."""
    names = references(condition)
    return [
        *([TRAITS] if names.traits else []),
        *(f"event:{name}" for name in sorted(names.events)),
        *(f"segment:{name}" for name in sorted(names.segments)),
    ]


async def register(session: AsyncSession, watches: Sequence[Watch]) -> None:
    """Writes watches, in their order; those that are there already stay. They are of the profile that the enrolment has now."""
    if not watches:
        return
    await session.execute(
        text(
            "INSERT INTO watch (enrolment_id, profile_id, kind, step, visit, path, condition, mentions, look_at, look, "
            "leased_until) SELECT u.id, e.profile_id, u.kind, u.step, u.visit, u.path, u.condition, u.mentions, u.look_at, 0, "
            "CASE WHEN u.kind = 'wait' THEN now() + CAST(:lease AS interval) END "
            "FROM unnest(CAST(:enrolments AS uuid[]), CAST(:kinds AS text[]), CAST(:steps AS text[]), CAST(:visits AS int[]), "
            "CAST(:paths AS text[]), CAST(:conditions AS jsonb[]), CAST(:mentions AS jsonb[]), CAST(:looks AS timestamptz[])) "
            "AS u(id, kind, step, visit, path, condition, mentions, look_at) "
            "JOIN enrolment e ON e.id = u.id FOR SHARE OF e ON CONFLICT DO NOTHING"
        ),
        {
            "lease": _LEASE,
            "enrolments": [each.enrolment_id for each in watches],
            "kinds": [each.kind for each in watches],
            "steps": [each.step for each in watches],
            "visits": [each.visit for each in watches],
            "paths": [each.path for each in watches],
            "conditions": [None if each.condition is None else orjson.dumps(each.condition).decode() for each in watches],
            "mentions": [orjson.dumps(each.mentions).decode() for each in watches],
            "looks": [each.look_at for each in watches],
        },
    )


async def stir(session: AsyncSession, happened: Iterable[tuple[UUID, str]], now: datetime) -> set[tuple[UUID, str, int]] | None:
    """Has everything looked at again that mentions what happened to these profiles: one query by index.

    Returns the waits (enrolment, step, visit) with a condition among them; None where nothing was stirred at all.
    """
    pairs = sorted(set(happened))
    if not pairs:
        return None
    rows = (
        await session.execute(
            text(
                "UPDATE watch w SET look = w.look + 1, look_at = least(w.look_at, CAST(:now AS timestamptz)) FROM (SELECT m.id "
                "FROM unnest(CAST(:profiles AS uuid[]), CAST(:names AS text[])) AS k(profile_id, name) "
                "JOIN watch m ON m.profile_id = k.profile_id AND (k.name = '*' OR jsonb_exists(m.mentions, k.name)) "
                "ORDER BY m.id FOR UPDATE OF m) AS mentioning WHERE w.id = mentioning.id "
                "RETURNING w.kind, w.enrolment_id, w.step, w.visit"
            ),
            {"profiles": [pair[0] for pair in pairs], "names": [pair[1] for pair in pairs], "now": now},
        )
    ).all()
    return {(row.enrolment_id, row.step, row.visit) for row in rows if row.kind == "wait"} if rows else None


async def stir_all(session: AsyncSession, name: str, now: datetime) -> None:
    """Has everything looked at again that mentions `name`, whoever's it is."""
    await session.execute(
        text(
            "UPDATE watch SET look = look + 1, look_at = least(look_at, CAST(:now AS timestamptz)) "
            "WHERE jsonb_exists(mentions, :name)"
        ),
        {"name": name, "now": now},
    )


async def of_waits(session: AsyncSession, keys: Sequence[tuple[UUID, str, int]]) -> dict[tuple[UUID, str, int], list[Watch]]:
    """The conditions that these waits (enrolment, step, visit) wait for, in the paths' order."""
    rows = await session.execute(
        text(
            "SELECT w.enrolment_id, w.profile_id, w.kind, w.step, w.visit, w.path, w.condition, w.mentions, w.look_at, w.id, "
            "w.look "
            "FROM unnest(CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) AS "
            "k(enrolment_id, step, visit) JOIN watch w USING (enrolment_id, step, visit) WHERE w.kind = 'wait' ORDER BY w.id"
        ),
        {"enrolments": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]},
    )
    found: dict[tuple[UUID, str, int], list[Watch]] = {}
    for row in rows.all():
        found.setdefault((row.enrolment_id, row.step, row.visit), []).append(Watch(*row))
    return found
