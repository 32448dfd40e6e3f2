"""What calls and awaited journeys came to: kept for references, and told to the step that waits for it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import MatchedSignal
from infra.db import Database
from infra.http import Coalescer
from services.journeys import places
from services.journeys.outgoing import Outgoing, write

_MATCH = text(
    "INSERT INTO match (enrolment_id, event_id, kind, step, visit, path, body, at) "
    "SELECT e.id, k.event, 'wait', k.step, k.visit, k.path, '{}', k.at FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:events AS text[]), CAST(:steps AS text[]), CAST(:visits AS int[]), CAST(:paths AS text[]), "
    "CAST(:ats AS timestamptz[])) "
    "AS k(id, event, step, visit, path, at) JOIN enrolment e ON e.id = k.id AND e.state = 'running' "
    "ON CONFLICT DO NOTHING RETURNING enrolment_id, event_id, (SELECT journey FROM enrolment WHERE id = enrolment_id) AS journey"
)
_RESULT = text(
    "INSERT INTO result (enrolment_id, step, body, at) SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), "
    "CAST(:bodies AS jsonb[]), CAST(:ats AS timestamptz[])) "
    "ON CONFLICT (enrolment_id, step) DO UPDATE SET body = excluded.body, at = excluded.at"
)
# The story of each visit says what came of it; the answer itself stays with the newest.
_TOLD = text(
    "UPDATE decision d SET seen = d.seen || jsonb_build_object('came_to', k.brief) FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:steps AS text[]), CAST(:visits AS int[]), CAST(:briefs AS jsonb[])) AS k(id, step, visit, brief) "
    "WHERE d.enrolment_id = k.id AND d.step = k.step AND d.visit = k.visit"
)
_READ = text("SELECT enrolment_id, step, body FROM result WHERE enrolment_id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the step `step` at `visit` came to. `path` is the engine's: ok or failed of a call, ended of a journey.

    `event_id` tells answers apart: the same one counts once. `body` is what `results.STEP` refers to from then on.
    """

    enrolment_id: UUID
    step: str
    visit: int
    path: str
    event_id: str
    body: dict[str, Any]
    at: datetime

    @property
    def brief(self) -> dict[str, Any]:
        """For the story: without what the called service wrote."""
        return {name: value for name, value in self.body.items() if name not in ("headers", "body")}


async def answer(session: AsyncSession, answers: Sequence[Answer], *, signal: bool = True) -> list[Outgoing]:
    """Keeps answers of enrolments that still run; returns the signals to deliver (none where the caller answers by itself)."""
    if not answers:
        return []
    columns = {
        "ids": [each.enrolment_id for each in answers],
        "steps": [each.step for each in answers],
        "visits": [each.visit for each in answers],
        "ats": [each.at for each in answers],
    }
    events, paths = [each.event_id for each in answers], [each.path for each in answers]
    rows = await session.execute(_MATCH, {**columns, "events": events, "paths": paths})
    journeys = {(row.enrolment_id, row.event_id): row.journey for row in rows.all()}
    fresh = [each for each in answers if (each.enrolment_id, each.event_id) in journeys]
    if not fresh:
        return []
    await session.execute(
        _RESULT,
        {
            "ids": [each.enrolment_id for each in fresh],
            "steps": [each.step for each in fresh],
            "bodies": [orjson.dumps(each.body).decode() for each in fresh],
            "ats": [each.at for each in fresh],
        },
    )
    await session.execute(
        _TOLD,
        {
            "ids": [each.enrolment_id for each in fresh],
            "steps": [each.step for each in fresh],
            "visits": [each.visit for each in fresh],
            "briefs": [orjson.dumps(each.brief).decode() for each in fresh],
        },
    )
    if not signal:
        await places.met(session, [(each.enrolment_id, each.step, each.visit) for each in fresh])
        return []
    return await write(session, [_signal(each, journeys[each.enrolment_id, each.event_id]) for each in fresh])


class Results:
    """Reads what earlier steps of enrolments came to: questions that are asked at the same time are one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.of: Coalescer[UUID, dict[str, JsonValue]] = Coalescer(self._read, most=200)

    async def _read(self, ids: Sequence[UUID]) -> list[dict[str, JsonValue]]:
        found: dict[UUID, dict[str, JsonValue]] = {}
        async with self._database.read() as session:
            for row in (await session.execute(_READ, {"ids": list(set(ids))})).all():
                found.setdefault(row.enrolment_id, {})[row.step] = row.body
        return [found.get(each, {}) for each in ids]


def _signal(each: Answer, journey: str) -> Outgoing:
    body = MatchedSignal(step=each.step, visit=each.visit, path=each.path, event_id=each.event_id).model_dump(mode="json")
    return Outgoing(each.enrolment_id, journey, "matched", body, f"{each.event_id}:{each.step}:{each.visit}")
