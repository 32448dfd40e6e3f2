"""What attempts come to, in SQL: outcomes in bulk, and when the next channel's turn has come.

`wait` and `grace` are real time, counted by the database; `now` is virtual.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

MOST_CALLS = 32_767  # a smallint
FELL_BACK = "fell_back"
"""Why an attempt is taken back that could go again when the next channel's turn has come already."""

_HOLD = text("SELECT id FROM attempt WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_OVERTAKEN = "r.state = 'queued' AND m.number > a.number"
_SETTLE = text(
    f"UPDATE attempt a SET state = CASE WHEN {_OVERTAKEN} THEN 'cancelled' ELSE r.state END, "
    f"reason = CASE WHEN {_OVERTAKEN} THEN '{FELL_BACK}' WHEN r.reason = '' THEN a.reason ELSE r.reason END, "
    "provider_id = coalesce(nullif(r.provider_id, ''), a.provider_id), lease_until = NULL, claimed_by = NULL, "
    "not_before = CASE WHEN r.state = 'queued' THEN now() + make_interval(secs => r.wait) ELSE a.not_before END, "
    "not_taken_since = CASE WHEN r.state = 'queued' THEN coalesce(a.not_taken_since, now()) "
    "WHEN r.state = 'unknown' THEN a.not_taken_since END, "
    "unknown_since = CASE WHEN r.state = 'unknown' THEN coalesce(a.unknown_since, now()) END, "
    "check_at = CASE WHEN r.state = 'unknown' THEN now() + make_interval(secs => r.wait) END "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, state text, reason text, provider_id text, wait float8, "
    "calls smallint), message m WHERE a.id = r.id AND m.id = a.message_id AND a.calls = coalesce(r.calls, a.calls) AND "
    "(a.state IN ('claimed', 'calling', 'unknown') OR (a.state = 'sent' AND "
    "r.state = 'sent')) RETURNING a.id, a.state"
)
_ARM = text(
    "UPDATE message m SET fallback_due = :now + make_interval(secs => m.within_seconds), fallback_floor = now() + :grace "
    "FROM attempt a WHERE a.id = ANY(CAST(:ids AS uuid[])) AND m.id = a.message_id AND m.number = a.number "
    "AND m.unless IS NOT NULL AND m.cancelled_at IS NULL AND a.status NOT IN ('bounced', 'rejected')"
)
_OFFER = text(
    "UPDATE message m SET fallback_due = :now, fallback_floor = now() FROM attempt a WHERE a.id = ANY(CAST(:ids AS uuid[])) "
    "AND m.id = a.message_id AND m.number = a.number AND m.cancelled_at IS NULL "
    "AND a.not_taken_since <= now() - CAST(:patience AS interval) AND jsonb_array_length(m.channels) > m.position + 1"
)
_TAKE_BACK = text(
    f"UPDATE attempt SET state = 'cancelled', reason = '{FELL_BACK}' WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'queued' "
    "RETURNING id"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt becomes. `wait`: real seconds until it is tried (queued) or looked up (unknown) again.

    `calls`: it takes effect only if no further call was made since.
    """

    id: UUID
    state: str
    reason: str = ""
    provider_id: str = ""
    wait: float = 0.0
    calls: int | None = None


async def hold(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Locks attempts in order of id, before anything else is written about them.

    A dispatcher's answer and the provider's callback about the same attempts then wait for one another; in any other
    order each can hold what the other needs.
    """
    await session.execute(_HOLD, {"ids": list(ids)})


async def settle(session: AsyncSession, settled: Sequence[Settled]) -> dict[UUID, str]:
    """Writes outcomes in bulk; answers the states of those that took effect (a provider's report may have been faster).

    What would be queued again is `cancelled` when the next channel's turn has come: whoever moves a message on holds
    its attempts, so that the lock taken here shows it.
    """
    if not settled:
        return {}
    await hold(session, [each.id for each in settled])
    rows = [asdict(each) for each in settled]
    return {row[0]: row[1] for row in (await session.execute(_SETTLE, {"rows": orjson.dumps(rows).decode()})).all()}


def overtaken(settled: Sequence[Settled], states: Mapping[UUID, str]) -> list[UUID]:
    """Of what was to be queued again those that `settle` took back."""
    return [each.id for each in settled if each.state == "queued" and states.get(each.id) == "cancelled"]


async def arm_fallbacks(session: AsyncSession, ids: Sequence[UUID], now: datetime, grace: timedelta) -> None:
    """Starts the time that the wanted receipt has, from now (virtual), with `grace` as its floor in real time."""
    if ids:
        await session.execute(_ARM, {"ids": list(ids), "now": now, "grace": grace})


async def offer_fallbacks(session: AsyncSession, ids: Sequence[UUID], now: datetime, patience: timedelta) -> None:
    """Lets a further channel be tried now (virtual), if there is one, though these attempts are still queued.

    Only for those that their provider has not taken for as long as `patience` (real).
    """
    if ids:
        await session.execute(_OFFER, {"ids": list(ids), "now": now, "patience": patience})


async def take_back(session: AsyncSession, ids: Sequence[UUID]) -> list[UUID]:
    """Cancels those that are queued, since the next channel's turn has come; answers them."""
    if not ids:
        return []
    return [row[0] for row in (await session.execute(_TAKE_BACK, {"ids": list(ids)})).all()]
