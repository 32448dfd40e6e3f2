"""What Temporal is to be told, written in the transaction of its cause and delivered after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys import places

# Whoever writes a row delivers it; another process takes it over after this long (real time).
LEASE = timedelta(seconds=10)
# The journey's key beside the signal's own fields, of which a move's has the same name.
_JOURNEY = "$journey"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A workflow to start or to signal. `id` is the row's, 0 before it is written.

    `payload` is the signal's body (`contracts.journeys`); Temporal takes a signal of the same `request_id` once.
    """

    enrolment_id: UUID
    journey: str
    kind: Literal["start", "look_back", "matched", "interrupt", "refresh", "move"]
    payload: dict[str, Any]
    request_id: str
    id: int = 0


async def write(session: AsyncSession, rows: Sequence[Outgoing]) -> list[Outgoing]:
    """Writes rows leased to this process; returns them with their ids, for the deliverer."""
    if not rows:
        return []
    answer = await session.execute(
        text(
            "INSERT INTO outgoing (enrolment_id, kind, payload, request_id, leased_until) "
            "SELECT e, k, p, r, now() + CAST(:lease AS interval) FROM unnest(CAST(:enrolments AS uuid[]), CAST(:kinds "
            "AS text[]), "
            "CAST(:payloads AS jsonb[]), CAST(:requests AS text[])) WITH ORDINALITY AS u(e, k, p, r, n) ORDER BY n RETURNING id"
        ),
        {
            "lease": LEASE,
            "enrolments": [row.enrolment_id for row in rows],
            "kinds": [row.kind for row in rows],
            "payloads": [orjson.dumps(row.payload | {_JOURNEY: row.journey}).decode() for row in rows],
            "requests": [row.request_id for row in rows],
        },
    )
    ids = sorted(row[0] for row in answer.all())
    await places.started(session, [row.enrolment_id for row in rows if row.kind == "start"])
    await places.told(session, [(row.enrolment_id, row.kind, row.payload) for row in rows])
    return [
        Outgoing(row.enrolment_id, row.journey, row.kind, row.payload, row.request_id, number)
        for row, number in zip(rows, ids, strict=True)
    ]


async def take_over(session: AsyncSession, limit: int) -> list[Outgoing]:
    """Leases rows that nobody delivers any more, oldest first."""
    answer = await session.execute(
        text(
            "UPDATE outgoing SET leased_until = now() + CAST(:lease AS interval) WHERE id IN ("
            "SELECT id FROM outgoing WHERE leased_until <= now() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) "
            "RETURNING id, enrolment_id, kind, payload, request_id"
        ),
        {"lease": LEASE, "limit": limit},
    )
    rows = sorted(answer.all(), key=lambda row: row.id)
    return [
        Outgoing(
            row.enrolment_id,
            row.payload.get(_JOURNEY) or row.payload["journey"],  # as it was written before there were moves
            row.kind,
            {key: value for key, value in row.payload.items() if key != _JOURNEY},
            row.request_id,
            row.id,
        )
        for row in rows
    ]


async def delivered(session: AsyncSession, ids: Sequence[int]) -> None:
    """Forgets rows that Temporal has."""
    await session.execute(text("DELETE FROM outgoing WHERE id = ANY(:ids)"), {"ids": list(ids)})
