"""People about whom another service is asked before they may enter: written with the trigger, admitted a moment later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys.entry.admission import Entrant
from services.journeys.lifecycle.versions import Versions

_ADD = text(
    "INSERT INTO candidate (journey, event_id, profile_id, entrant) SELECT u.* FROM unnest(CAST(:journeys AS text[]), "
    "CAST(:events AS text[]), CAST(:profiles AS uuid[]), CAST(:entrants AS jsonb[])) AS u(journey, event_id, profile_id, entrant)"
    " "
    "WHERE NOT EXISTS (SELECT 1 FROM refusal r WHERE r.journey = u.journey AND r.event_id = u.event_id) "
    "ON CONFLICT (journey, event_id) DO NOTHING"
)
# Of one person and journey only the first, so that they are decided in order.
_CLAIM = text(
    "UPDATE candidate SET next_at = now() + CAST(:lease AS interval), attempts = attempts + 1 WHERE id IN (SELECT id FROM "
    "candidate c WHERE next_at <= now() AND NOT EXISTS (SELECT 1 FROM candidate b WHERE b.profile_id = c.profile_id "
    "AND b.journey = c.journey AND b.id < c.id) ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) "
    "RETURNING id, journey, profile_id, entrant, attempts"
)
_HOLD = text("SELECT id FROM candidate WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_DONE = text("DELETE FROM candidate WHERE id = ANY(:ids)")
_LATER = text("UPDATE candidate SET next_at = now() + make_interval(secs => :seconds) WHERE id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody in hand; `attempts` counts how often they were."""

    id: int
    entrant: Entrant
    attempts: int


async def add(session: AsyncSession, entrants: Sequence[Entrant]) -> None:
    """Writes candidates in the caller's transaction. A trigger that was decided about before is not decided again."""
    if not entrants:
        return
    values = {
        "journeys": [each.journey.key for each in entrants],
        "events": [each.event_id for each in entrants],
        "profiles": [each.profile_id for each in entrants],
        "entrants": [orjson.dumps(_packed(each)).decode() for each in entrants],
    }
    await session.execute(_ADD, values)


async def claim(session: AsyncSession, versions: Versions, limit: int, lease: timedelta) -> list[Candidate]:
    """Takes those that are due, in order, leased to the caller."""
    rows = sorted((await session.execute(_CLAIM, {"limit": limit, "lease": lease})).all(), key=lambda row: row.id)
    return [
        Candidate(
            row.id, _unpacked(row.entrant, row.profile_id, await versions.journey(row.entrant["version"], session)), row.attempts
        )
        for row in rows
    ]


async def hold(session: AsyncSession, ids: Sequence[int]) -> set[int]:
    """Locks candidates until the end of the transaction; answers those that are still there."""
    return {row[0] for row in (await session.execute(_HOLD, {"ids": list(ids)})).all()}


async def done(session: AsyncSession, ids: Sequence[int]) -> None:
    """Forgets those who were decided about."""
    if ids:
        await session.execute(_DONE, {"ids": list(ids)})


async def later(session: AsyncSession, ids: Sequence[int], seconds: float) -> None:
    """Gives candidates back, to be asked about again."""
    if ids:
        await session.execute(_LATER, {"ids": list(ids), "seconds": seconds})


def _packed(entrant: Entrant) -> dict[str, Any]:
    return {
        "version": entrant.version,
        "entry": entrant.entry,
        "at": entrant.at,
        "traits": entrant.traits,
        "position": entrant.position,
        "key": entrant.key,
    }


def _unpacked(data: dict[str, Any], profile_id: UUID, journey: Any) -> Entrant:
    """What happened since the trigger may have met a criterion: it is looked back for."""
    return Entrant(
        journey,
        data["version"],
        profile_id,
        data["entry"],
        datetime.fromisoformat(data["at"]),
        data["traits"],
        data["position"],
        look_back=True,
        key=data["key"],
    )
