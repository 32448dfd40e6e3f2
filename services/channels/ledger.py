"""The message ledger in SQL: what a batch needs to know, and its rows, each in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.message import Content
from contracts.channels import Channel, SendResult
from infra.feed.outbox import new_id
from policy import Go
from services.channels.decision import Letters

_FACTS = text(
    "SELECT 'message' AS kind, m.key AS name, json_build_object('status', m.decision, 'message_id', m.id, 'channel', m.channel, "
    "'reason', m.reason, 'detail', m.detail)::text AS value FROM message m WHERE m.key = ANY(CAST(:keys AS text[])) "
    "UNION ALL SELECT 'suppression', s.channel, s.address_hash FROM suppression s WHERE s.address_hash = "
    "ANY(CAST(:hashes AS text[])) "
    "UNION ALL SELECT 'template', t.key, max(t.version)::text FROM template t WHERE t.key = "
    "ANY(CAST(:templates AS text[])) GROUP BY t.key"
)
_ATTEMPT_COLUMNS = (
    "id uuid, message_id uuid, number smallint, channel text, address text, address_hash text, content "
    "jsonb, because text, created_at timestamptz"
)
_ATTEMPT_NAMES = "id, message_id, number, channel, address, address_hash, content, because, created_at"
_ADD = text(
    "WITH added AS (INSERT INTO message (id, key, profile_id, template, template_version, channels, "
    "purpose, unless, within_seconds, "
    "valid_until, context, enrolment, journey, step, visit, created_at, decision, channel, reason, detail, number, position, "
    "zone) "
    "SELECT id, key, profile_id, template, template_version, channels, purpose, unless, within_seconds, valid_until, context, "
    "enrolment, journey, step, visit, created_at, decision, channel, reason, detail, 1, position, zone "
    "FROM json_to_recordset(CAST(:messages AS json)) AS r(id uuid, key text, profile_id uuid, template "
    "text, template_version int, "
    "channels jsonb, purpose text, unless text, within_seconds float8, valid_until timestamptz, context jsonb, enrolment uuid, "
    "journey text, step text, visit int, created_at timestamptz, decision text, channel text, reason text, detail text, "
    "position smallint, zone text) ON CONFLICT (key) DO NOTHING RETURNING id), "
    f"tried AS (INSERT INTO attempt ({_ATTEMPT_NAMES}) SELECT {_ATTEMPT_NAMES} "
    f"FROM json_to_recordset(CAST(:attempts AS json)) AS r({_ATTEMPT_COLUMNS}) WHERE r.message_id IN (SELECT id FROM added)) "
    "SELECT id FROM added"
)
_TRY = text(
    f"INSERT INTO attempt ({_ATTEMPT_NAMES}) SELECT {_ATTEMPT_NAMES} "
    f"FROM json_to_recordset(CAST(:attempts AS json)) AS r({_ATTEMPT_COLUMNS}) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database knows about a batch: answers given before, suppressed addresses, newest template versions."""

    answers: Mapping[str, SendResult]
    suppressed: frozenset[tuple[str, str]]
    versions: Mapping[str, int]


@dataclass(slots=True)
class Rows:
    """Rows to be written together."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)


async def facts(session: AsyncSession, keys: Sequence[str], hashes: Collection[str], templates: Collection[str]) -> Facts:
    """One query for a whole batch."""
    answers: dict[str, SendResult] = {}
    suppressed: set[tuple[str, str]] = set()
    versions: dict[str, int] = {}
    values = {"keys": list(keys), "hashes": list(hashes), "templates": list(templates)}
    for kind, name, value in (await session.execute(_FACTS, values)).all():
        match kind:
            case "message":
                answers[name] = SendResult.model_validate_json(value)
            case "suppression":
                suppressed.add((name, value))
            case _:
                versions[name] = int(value)
    return Facts(answers, frozenset(suppressed), versions)


async def add(session: AsyncSession, rows: Rows) -> set[UUID]:
    """Writes messages and their attempts; answers the ids that were new. A known key writes nothing."""
    if not rows.messages:
        return set()
    values = {"messages": orjson.dumps(rows.messages).decode(), "attempts": orjson.dumps(rows.attempts).decode()}
    return {row[0] for row in (await session.execute(_ADD, values)).all()}


async def add_attempts(session: AsyncSession, attempts: Sequence[Mapping[str, Any]]) -> None:
    """Writes further attempts of known messages."""
    if attempts:
        await session.execute(_TRY, {"attempts": orjson.dumps(list(attempts)).decode()})


def attempt_rows(message_id: UUID, number: int, go: Go[Letters], because: str, created_at: object) -> list[dict[str, Any]]:
    """One row per address of the chosen channel."""
    return [
        {
            "id": new_id(),
            "message_id": message_id,
            "number": number,
            "channel": go.channel,
            "address": address.value,
            "address_hash": address.hash,
            "content": dumped(content),
            "because": because,
            "created_at": created_at,
        }
        for address, content in go.content
    ]


def what(journey: str, step: str, template: str) -> str:
    """What a person calls a message."""
    return f"{journey}/{step}" if journey else template


def dumped(content: Content) -> dict[str, Any]:
    """Rendered content as it is kept."""
    return dict(content.__dict__)


def seconds(within: timedelta | None) -> float | None:
    return within.total_seconds() if within is not None else None


def channels_of(names: Sequence[str]) -> tuple[Channel, ...]:
    return tuple(Channel(name) for name in names)
