"""Where enrolments under way stand, one narrow row each: who is late or stuck is found without reading their histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import StepItem

Key = tuple[UUID, str, int]

# How late a decision came after the wait before it: nothing where a signal ended that wait, or its time is not up.
LATE = "CASE WHEN p.due <= {at} THEN extract(epoch FROM {at} - greatest(p.due, p.since)) END"


async def started(session: AsyncSession, enrolments: Sequence[UUID]) -> None:
    """Their workflows are to be started: from now on they are under way."""
    if enrolments:
        await session.execute(
            text("INSERT INTO place (enrolment_id) SELECT unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING"),
            {"ids": list(enrolments)},
        )


async def told(session: AsyncSession, signals: Sequence[tuple[UUID, str, Mapping[str, Any]]]) -> None:
    """These (enrolment, kind, body) are on their way to workflows, which must move on at them; a wait so ended is due no more.

    A `matched` concerns the wait it names only, an `interrupt` whatever the person waits for. A `refresh` ends nothing: it is
    told until the wait has been asked about. A `move` is kept as well, for a workflow that must begin anew.
    """
    ending = {row[0]: row for row in signals if row[1] in {"matched", "interrupt"}}
    if ending:
        await session.execute(
            text(
                "UPDATE place p SET told = jsonb_build_object('kind', k.kind, 'body', k.body), told_at = now(), due = NULL, "
                "suspect_at = NULL FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:bodies AS jsonb[])) "
                "AS k(id, kind, body) WHERE p.enrolment_id = k.id AND (k.kind = 'interrupt' "
                "OR (p.step = k.body->>'step' AND p.visit = CAST(k.body->>'visit' AS int)))"
            ),
            _columns(list(ending.values())),
        )
    asking = {row[0]: row for row in signals if row[1] == "refresh"}
    if asking:
        await session.execute(
            text(
                "UPDATE place p SET told = jsonb_build_object('kind', k.kind, 'body', k.body), told_at = now(), "
                "suspect_at = NULL FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:bodies AS jsonb[])) "
                "AS k(id, kind, body) WHERE p.enrolment_id = k.id AND p.step = k.body->>'step' "
                "AND p.visit = CAST(k.body->>'visit' AS int) "
                "AND (p.told IS NULL OR p.told->>'kind' = 'refresh')"
            ),
            _columns(list(asking.values())),
        )
    moves = {row[0]: row for row in signals if row[1] == "move"}
    if moves:
        await session.execute(
            text(
                "UPDATE place p SET moved = jsonb_build_object('step', p.step, 'visit', p.visit, 'move_to', k.body) "
                "FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:bodies AS jsonb[])) AS k(id, kind, body) "
                "WHERE p.enrolment_id = k.id AND p.moved->'move_to' IS DISTINCT FROM k.body"
            ),
            _columns(list(moves.values())),
        )


async def moved_from(session: AsyncSession, item: StepItem, *, by_hand: bool) -> None:
    """The newest move began where the workflow asked this, at which nothing may have been decided yet."""
    stood = item.model_dump(mode="json", include={"step", "visit", "event_id", "rounds"}) | {"by_hand": by_hand}
    await session.execute(
        text("UPDATE place SET moved = moved || CAST(:stood AS jsonb) WHERE enrolment_id = :id"),
        {"id": item.enrolment_id, "stood": orjson.dumps(stood).decode()},
    )


async def asked(session: AsyncSession, enrolments: Sequence[UUID]) -> None:
    """Their workflows have asked about where they stand: they are there, and a `refresh` has had its effect."""
    if enrolments:
        await session.execute(
            text(
                "UPDATE place SET suspect_at = NULL, told = CASE WHEN told->>'kind' <> 'refresh' THEN told END, "
                "told_at = CASE WHEN told->>'kind' <> 'refresh' THEN told_at END WHERE enrolment_id = ANY(:ids) "
                "AND (suspect_at IS NOT NULL OR told->>'kind' = 'refresh')"
            ),
            {"ids": list(enrolments)},
        )


async def met(session: AsyncSession, keys: Sequence[Key]) -> None:
    """These waits are over by what was found looking back: they are due no more."""
    if keys:
        await session.execute(
            text(
                "UPDATE place p SET due = NULL FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) "
                "AS k(id, step, visit) WHERE p.enrolment_id = k.id AND p.step = k.step AND p.visit = k.visit"
            ),
            {"ids": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]},
        )


async def retimed(session: AsyncSession, deadlines: Mapping[Key, datetime | None], now: datetime) -> None:
    """These waits end at another instant than was decided first. Nobody is late for one that has passed before it was known."""
    if deadlines:
        keys = list(deadlines)
        await session.execute(
            text(
                "UPDATE place p SET due = CASE WHEN k.due IS NOT NULL THEN greatest(k.due, CAST(:now AS timestamptz)) END, "
                "suspect_at = NULL FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), "
                "CAST(:visits AS int[]), CAST(:dues AS timestamptz[])) AS k(id, step, visit, due) "
                "WHERE p.enrolment_id = k.id AND p.step = k.step AND p.visit = k.visit "
                "AND (p.told IS NULL OR p.told->>'kind' = 'refresh')"
            ),
            {
                "ids": [key[0] for key in keys],
                "steps": [key[1] for key in keys],
                "visits": [key[2] for key in keys],
                "dues": list(deadlines.values()),
                "now": now,
            },
        )


def _columns(signals: Sequence[tuple[UUID, str, Mapping[str, Any]]]) -> dict[str, object]:
    return {
        "ids": [signal[0] for signal in signals],
        "kinds": [signal[1] for signal in signals],
        "bodies": [orjson.dumps(dict(signal[2])).decode() for signal in signals],
    }
