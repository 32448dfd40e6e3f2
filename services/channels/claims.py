"""The dispatcher's rows in SQL: claim, mark as calling, give back, find what was left behind.

All instants here are the database's own (real), so that dispatchers on several hosts agree; `sent_at` is virtual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.message import Content, EmailContent, OutgoingMessage, PushContent, TextContent
from contracts.channels import Channel
from infra.clock import Clock
from services.channels.settling import FELL_BACK

log = structlog.get_logger(__name__)


_REAL = "now() + make_interval(secs => greatest(extract(epoch FROM {virtual} - :virtual_now) / :factor, 0))"
_FIELDS = (
    "a.id, a.message_id, a.number, a.channel, a.address, a.address_hash, a.content, a.calls, a.called_at, a.unknown_since, "
    "m.profile_id, m.purpose, m.valid_until, m.within_seconds, m.zone"
)
_CLAIM = text(
    "WITH due AS (SELECT id FROM attempt WHERE state = 'queued' AND not_before <= now() AND channel = "
    "ANY(CAST(:channels AS text[])) "
    "ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED) "
    "UPDATE attempt a SET state = 'claimed', claimed_by = :me, lease_until = now() + :lease, held_until = NULL "
    "FROM due, message m "
    f"WHERE a.id = due.id AND m.id = a.message_id RETURNING {_FIELDS}"
)
_CALLING = text(
    "UPDATE attempt a SET state = 'calling', calls = least(a.calls + 1, 32767), called_at = now(), lease_until = now() + :lease "
    "WHERE a.id = ANY(CAST(:ids AS uuid[])) AND a.state = 'claimed' AND a.claimed_by = :me AND a.lease_until > now() "
    "AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.address_hash = a.address_hash AND s.channel = a.channel) "
    "AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = a.message_id AND (m.cancelled_at IS NOT NULL OR m.number > a.number)) "
    "RETURNING a.id"
)
_BLOCKED = text(
    "SELECT a.id, CASE WHEN m.cancelled_at IS NOT NULL THEN 'cancelled' "
    f"WHEN m.number > a.number THEN '{FELL_BACK}' ELSE 'suppressed' END FROM attempt a "
    "JOIN message m ON m.id = a.message_id LEFT JOIN suppression s ON s.address_hash = a.address_hash AND s.channel = a.channel "
    "WHERE a.id = ANY(CAST(:ids AS uuid[])) AND a.state = 'claimed' AND a.claimed_by = :me "
    "AND (m.cancelled_at IS NOT NULL OR m.number > a.number OR s.channel IS NOT NULL)"
)
_RELEASE = text(
    "UPDATE attempt SET state = 'queued', claimed_by = NULL, lease_until = NULL, not_before = now() + :wait "
    "WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'claimed' AND claimed_by = :me"
)
_HOLD_BACK = text(
    "UPDATE attempt a SET state = 'queued', claimed_by = NULL, lease_until = NULL, held_until = r.until, not_taken_since = NULL, "
    f"not_before = {_REAL.format(virtual='r.until')} "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, until timestamptz) "
    "WHERE a.id = r.id AND a.state = 'claimed' AND a.claimed_by = :me"
)
_AIM = text(
    f"UPDATE attempt SET not_before = {_REAL.format(virtual='held_until')} WHERE id IN "
    "(SELECT id FROM attempt WHERE state = 'queued' AND held_until IS NOT NULL ORDER BY id FOR NO KEY UPDATE)"
)
_ABANDONED = text(
    "UPDATE attempt SET state = 'queued', claimed_by = NULL, lease_until = NULL WHERE id IN (SELECT id FROM attempt "
    "WHERE state = 'claimed' AND lease_until < now() FOR UPDATE SKIP LOCKED)"
)
_INTERRUPTED = text(
    "UPDATE attempt SET state = 'unknown', unknown_since = now(), check_at = now(), claimed_by = NULL, lease_until = NULL "
    "WHERE id IN (SELECT id FROM attempt WHERE state = 'calling' AND lease_until < now() FOR UPDATE SKIP LOCKED) RETURNING id"
)
_UNKNOWN = text(
    "WITH due AS (SELECT id FROM attempt WHERE state = 'unknown' AND check_at <= now() ORDER BY check_at LIMIT :most "
    "FOR UPDATE SKIP LOCKED) UPDATE attempt a SET check_at = now() + :lease FROM due, message m "
    f"WHERE a.id = due.id AND m.id = a.message_id RETURNING {_FIELDS}, now() - a.unknown_since AS unknown_for"
)
_TAKEN = text(
    "SELECT provider_id FROM attempt WHERE address_hash = ANY(CAST(:hashes AS text[])) AND provider_id <> '' "
    "AND called_at > now() - interval '7 days'"
)

_CONTENT: dict[Channel, TypeAdapter[Any]] = {
    Channel.EMAIL: TypeAdapter(EmailContent),
    Channel.SMS: TypeAdapter(TextContent),
    Channel.WHATSAPP: TypeAdapter(TextContent),
    Channel.WEB_PUSH: TypeAdapter(PushContent),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt in hand, with what its dispatch depends on."""

    id: UUID
    number: int
    address_hash: str
    calls: int
    called_at: datetime | None
    profile_id: UUID
    purpose: str
    valid_until: datetime | None
    zone: str | None
    falls_back: bool
    message: OutgoingMessage
    unknown_for: timedelta = timedelta()


def _claim(row: Row[Any], unknown_for: timedelta) -> Claim:
    channel = Channel(row.channel)
    content: Content = _CONTENT[channel].validate_python(row.content)
    return Claim(
        id=row.id,
        number=row.number,
        address_hash=row.address_hash,
        calls=row.calls,
        called_at=row.called_at,
        profile_id=row.profile_id,
        purpose=row.purpose,
        valid_until=row.valid_until,
        zone=row.zone,
        falls_back=row.within_seconds is not None,
        message=OutgoingMessage(attempt=row.id, channel=channel, address=row.address, content=content),
        unknown_for=unknown_for,
    )


def _readable(rows: Sequence[Row[Any]]) -> tuple[list[Claim], list[UUID]]:
    """The claims, and the ids of rows that cannot be read."""
    found: list[Claim] = []
    unreadable: list[UUID] = []
    for row in rows:
        try:
            found.append(_claim(row, getattr(row, "unknown_for", timedelta())))
        except ValueError as error:
            log.warning("claims.unreadable", attempt=str(row.id), why=type(error).__name__)
            unreadable.append(row.id)
    return found, unreadable


async def claim(
    session: AsyncSession, me: UUID, channels: Sequence[Channel], most: int, lease: timedelta
) -> tuple[list[Claim], list[UUID]]:
    """Takes up to `most` due attempts of these channels, oldest first, past rows that others hold.

    Answers with them the ids of those that cannot be read, which are taken too.
    """
    values = {"me": me, "channels": list(channels), "most": most, "lease": lease}
    return _readable((await session.execute(_CLAIM, values)).all())


async def mark_calling(session: AsyncSession, me: UUID, ids: Sequence[UUID], lease: timedelta) -> set[UUID]:
    """Marks those that may really go: still ours, not cancelled, not suppressed, no further channel's turn.

    To be committed before the call.
    """
    return {row[0] for row in (await session.execute(_CALLING, {"me": me, "ids": list(ids), "lease": lease})).all()}


async def blocked(session: AsyncSession, me: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Of claimed attempts those that may not go, with the reason."""
    return {row[0]: row[1] for row in (await session.execute(_BLOCKED, {"me": me, "ids": list(ids)})).all()}


async def release(session: AsyncSession, me: UUID, ids: Sequence[UUID], wait: timedelta) -> None:
    """Gives claimed attempts back, to be claimed again after `wait`."""
    if ids:
        await session.execute(_RELEASE, {"me": me, "ids": list(ids), "wait": wait})


async def hold_back(session: AsyncSession, me: UUID, until: Mapping[UUID, datetime], clock: Clock) -> None:
    """Gives claimed attempts back, to be claimed again when `clock` shows the instant of each."""
    if until:
        rows = orjson.dumps([{"id": id_, "until": instant} for id_, instant in until.items()]).decode()
        values = {"me": me, "rows": rows, "virtual_now": clock.now(), "factor": clock.factor}
        await session.execute(_HOLD_BACK, values)


async def aim(session: AsyncSession, clock: Clock) -> None:
    """Wakes what is held back when this clock shows the time: the clock that held it back may have run at another pace."""
    await session.execute(_AIM, {"virtual_now": clock.now(), "factor": clock.factor})


async def recover(session: AsyncSession) -> list[UUID]:
    """Attempts whose dispatcher died: claimed ones are queued again, those it was calling for become unknown (answered)."""
    await session.execute(_ABANDONED)
    return [row[0] for row in (await session.execute(_INTERRUPTED)).all()]


async def unknown(session: AsyncSession, most: int, lease: timedelta) -> list[Claim]:
    """Attempts of unknown fate that are to be looked up now."""
    rows = (await session.execute(_UNKNOWN, {"most": most, "lease": lease})).all()
    return _readable(rows)[0]


async def taken(session: AsyncSession, hashes: Sequence[str]) -> frozenset[str]:
    """Provider ids that are known to belong to attempts to these addresses."""
    return frozenset(row[0] for row in (await session.execute(_TAKEN, {"hashes": list(hashes)})).all())


def grouped(claims: Sequence[Claim], size: int) -> list[Sequence[Claim]]:
    return [claims[start : start + size] for start in range(0, len(claims), size)]


def by_address(claims: Sequence[Claim]) -> Mapping[str, list[Claim]]:
    """Claims to the same address, together."""
    found: dict[str, list[Claim]] = {}
    for each in claims:
        found.setdefault(each.address_hash, []).append(each)
    return found
