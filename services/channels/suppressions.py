"""Addresses that get nothing on a channel, by hash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.base import Wire
from contracts.channels import Channel

_ADD = text(
    "INSERT INTO suppression (address_hash, channel, reason, source, created_at) "
    "SELECT address_hash, channel, reason, source, created_at FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(address_hash text, channel text, reason text, source text, created_at timestamptz) ON CONFLICT DO NOTHING"
)
_OF_ATTEMPTS = text(
    "INSERT INTO suppression (address_hash, channel, reason, source, created_at) "
    "SELECT DISTINCT ON (a.address_hash, a.channel) a.address_hash, a.channel, r.reason, 'provider', :at "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(attempt_id uuid, reason text) JOIN attempt a ON a.id = r.attempt_id "
    "ON CONFLICT DO NOTHING"
)


class Suppressed(Wire):
    """One entry. The address itself is not kept, so that it may be forgotten and stay suppressed."""

    channel: Channel
    address_hash: str
    reason: str
    source: str
    created_at: datetime


async def add(session: AsyncSession, entries: Sequence[Suppressed]) -> None:
    """The first reason stands."""
    if entries:
        await session.execute(_ADD, {"rows": orjson.dumps([entry.__dict__ for entry in entries]).decode()})


async def add_for_attempts(session: AsyncSession, reasons: dict[str, str], at: datetime) -> None:
    """Suppresses the addresses of attempts (id → reason)."""
    if reasons:
        rows = [{"attempt_id": id_, "reason": reason} for id_, reason in reasons.items()]
        await session.execute(_OF_ATTEMPTS, {"rows": orjson.dumps(rows).decode(), "at": at})


async def remove(session: AsyncSession, channel: Channel, address_hash: str, *, reason: str | None = None) -> bool:
    """Whether there was one (with this reason, if given)."""
    statement = text(
        "DELETE FROM suppression WHERE address_hash = :hash AND channel = :channel "
        "AND (CAST(:reason AS text) IS NULL OR reason = :reason) RETURNING channel"
    )
    values = {"hash": address_hash, "channel": channel.value, "reason": reason}
    return (await session.execute(statement, values)).first() is not None


def cursor(entry: Suppressed) -> str:
    """Where the page that ends with `entry` ended: one address may be suppressed on several channels."""
    return f"{entry.address_hash}:{entry.channel.value}"


async def page(
    session: AsyncSession, channel: Channel | None, after: str, limit: int, address_hash: str | None = None
) -> list[Suppressed]:
    """In order of address hash and channel, behind `after` (hash:channel, see `cursor`)."""
    statement = text(
        "SELECT channel, address_hash, reason, source, created_at FROM suppression "
        "WHERE (address_hash, channel) > (:after, :after_channel) "
        "AND (CAST(:channel AS text) IS NULL OR channel = :channel) "
        "AND (CAST(:hash AS text) IS NULL OR address_hash = :hash) ORDER BY address_hash, channel LIMIT :limit"
    )
    behind, _, behind_channel = after.partition(":")
    values = {"after": behind, "after_channel": behind_channel, "limit": limit, "hash": address_hash}
    values["channel"] = channel.value if channel else None
    return [Suppressed.model_validate(dict(row._mapping)) for row in (await session.execute(statement, values)).all()]  # noqa: SLF001
