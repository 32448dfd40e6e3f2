"""What became of messages, for people who ask why: the ledger read back, receipts searched, counts per step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import JsonValue
from sqlalchemy import text

from contracts.base import Wire
from contracts.channels import CancelMessages, Channel, Receipt, ReceiptFilter, Status
from infra.clock import Clock
from infra.db import Database
from services.channels.receipt_book import ReceiptBook, Report

_MESSAGES = text(
    "SELECT id, key, profile_id, template, template_version, channels, purpose, unless, within_seconds, valid_until, enrolment, "
    "journey, step, visit, created_at, decision, reason, detail, fallback_note, cancelled_at FROM message "
    "WHERE (CAST(:enrolment AS uuid) IS NULL OR enrolment = :enrolment) AND (CAST(:profile AS uuid) IS "
    "NULL OR profile_id = :profile) "
    "AND (CAST(:journey AS text) IS NULL OR journey = :journey) AND (CAST(:before AS uuid) IS NULL OR id < :before) "
    "ORDER BY id DESC LIMIT :limit"
)
_ATTEMPTS = text(
    "SELECT id, message_id, number, channel, because, state, status, reason, provider_id, calls, created_at, sent_at, "
    "CASE WHEN state = 'queued' THEN held_until END AS held_until, "
    "CASE WHEN :body THEN content END AS content, CASE WHEN :body THEN address END AS address "
    "FROM attempt WHERE message_id = ANY(CAST(:ids AS uuid[])) ORDER BY number, id"
)
_RECEIPTS = text(
    "SELECT id, message_id, status, channel, attempt_number, at, text, url, reason FROM receipt "
    "WHERE message_id = ANY(CAST(:ids AS uuid[])) ORDER BY at, id"
)
_SEARCH = text(
    "SELECT f.number - 1 AS place, r.id, r.message_id, r.status, r.channel, r.attempt_number, r.at, r.text, r.url, r.reason, "
    "m.enrolment, m.journey, m.step, m.visit FROM json_to_recordset(CAST(:filters AS json)) AS f(number "
    "int, enrolment uuid, step text, "
    "visit int) JOIN message m ON m.enrolment = f.enrolment AND m.step = f.step AND (f.visit IS NULL OR m.visit = f.visit) "
    "JOIN receipt r ON r.message_id = m.id ORDER BY r.at, r.id"
)
_CANCEL = text(
    "UPDATE message SET cancelled_at = :now, fallback_due = NULL WHERE enrolment = ANY(CAST(:ids AS uuid[])) "
    "AND cancelled_at IS NULL AND decision = 'accepted'"
)
_CANCEL_ATTEMPTS = text(
    "UPDATE attempt a SET state = 'cancelled', reason = 'cancelled', claimed_by = NULL, lease_until = NULL FROM message m "
    "WHERE m.enrolment = ANY(CAST(:ids AS uuid[])) AND a.message_id = m.id AND a.state IN ('queued', 'claimed') RETURNING a.id"
)
_COUNTS = text(
    "SELECT m.step, a.channel, count(*) AS attempts, count(*) FILTER (WHERE a.sent_at IS NOT NULL) AS sent, "
    "count(*) FILTER (WHERE s.statuses && ARRAY['delivered','opened','clicked','replied','complained']) AS delivered, "
    "count(*) FILTER (WHERE s.statuses && ARRAY['opened','clicked']) AS opened, "
    "count(*) FILTER (WHERE 'clicked' = ANY(s.statuses)) AS clicked, count(*) FILTER (WHERE 'replied' = "
    "ANY(s.statuses)) AS replied, "
    "count(*) FILTER (WHERE s.statuses && ARRAY['bounced','rejected']) AS failed, "
    "count(*) FILTER (WHERE a.state = 'unknown') AS unknown, count(*) FILTER (WHERE a.state = 'cancelled') AS cancelled, "
    "count(*) FILTER (WHERE a.number < m.number) AS fell_back FROM message m JOIN attempt a ON a.message_id = m.id "
    "LEFT JOIN LATERAL (SELECT array_agg(r.status) AS statuses FROM receipt r WHERE r.message_id = m.id "
    "AND r.attempt_id = a.id) s ON true "
    "WHERE m.journey = :journey GROUP BY m.step, a.channel ORDER BY m.step, a.channel"
)
_SKIPPED = text(
    "SELECT step, reason, count(*) AS skipped FROM message WHERE journey = :journey AND decision = 'skipped' "
    "GROUP BY step, reason ORDER BY step, reason"
)


class ReceiptLine(Wire):
    status: Status
    at: datetime
    text: str | None
    url: str | None
    reason: str


class AttemptStory(Wire):
    """One try. `because`: why this channel's turn came (channels passed over, or the fallback's cause).

    `held_until`: it is queued until quiet hours end for the person.
    """

    id: UUID
    number: int
    channel: Channel
    because: str
    state: str
    status: Status
    reason: str
    provider_id: str
    calls: int
    created_at: datetime
    sent_at: datetime | None
    held_until: datetime | None = None
    address: str | None = None
    content: dict[str, JsonValue] | None = None


class MessageStory(Wire):
    """One logical message. `decision` is accepted or skipped, with `reason` and `detail`."""

    id: UUID
    key: str
    profile_id: UUID
    template: str
    template_version: int | None
    channels: tuple[Channel, ...]
    purpose: str
    unless: Status | None
    within_seconds: float | None
    valid_until: datetime | None
    enrolment: UUID | None
    journey: str
    step: str
    visit: int
    created_at: datetime
    decision: str
    reason: str
    detail: str
    fallback_note: str
    cancelled_at: datetime | None
    attempts: tuple[AttemptStory, ...]
    receipts: tuple[ReceiptLine, ...]


class Stories(Wire):
    """Newest first. `next` goes into `before` for the page behind this one; none: that was all."""

    messages: tuple[MessageStory, ...]
    next: UUID | None


class ChannelCounts(Wire):
    channel: Channel
    attempts: int
    sent: int
    delivered: int
    opened: int
    clicked: int
    replied: int
    failed: int
    unknown: int
    cancelled: int
    fell_back: int


class StepCounts(Wire):
    """One step. `skipped`: reason → messages."""

    step: str
    channels: tuple[ChannelCounts, ...]
    skipped: dict[str, int]


class Stats(Wire):
    journey: str
    steps: tuple[StepCounts, ...]


class Story:
    """Reads the ledger, and takes back what it still holds."""

    def __init__(self, database: Database, book: ReceiptBook, clock: Clock) -> None:
        self._database = database
        self._book = book
        self._clock = clock

    async def messages(
        self, *, enrolment: UUID | None, profile_id: UUID | None, journey: str | None, before: UUID | None, limit: int, body: bool
    ) -> Stories:
        """Messages with their attempts and receipts; addresses and rendered content only with `body`."""
        values = {"enrolment": enrolment, "profile": profile_id, "journey": journey, "before": before, "limit": limit}
        async with self._database.read() as session:
            rows = (await session.execute(_MESSAGES, values)).mappings().all()
            ids = [row["id"] for row in rows]
            attempts = (await session.execute(_ATTEMPTS, {"ids": ids, "body": body})).mappings().all()
            receipts = (await session.execute(_RECEIPTS, {"ids": ids})).mappings().all()
        stories = tuple(
            MessageStory.model_validate(
                {
                    **row,
                    "attempts": [dict(attempt) for attempt in attempts if attempt["message_id"] == row["id"]],
                    "receipts": [dict(receipt) for receipt in receipts if receipt["message_id"] == row["id"]],
                }
            )
            for row in rows
        )
        return Stories(messages=stories, next=stories[-1].id if len(stories) == limit else None)

    async def receipts(self, filters: Sequence[ReceiptFilter]) -> tuple[tuple[Receipt, ...], ...]:
        """One list per filter, each in order of time."""
        rows = [{"number": n, **each.__dict__} for n, each in enumerate(filters, start=1)]
        async with self._database.read() as session:
            found = (await session.execute(_SEARCH, {"filters": orjson.dumps(rows).decode()})).mappings().all()
        lists: list[list[Receipt]] = [[] for _ in filters]
        for row in found:
            lists[row["place"]].append(Receipt.model_validate(dict(row)))
        return tuple(tuple(each) for each in lists)

    async def cancel(self, wish: CancelMessages) -> int:
        """Takes back what these enrolments have not sent, further fallbacks included; answers how many attempts."""
        now = self._clock.now()
        async with self._database.begin() as session:
            await session.execute(_CANCEL, {"ids": list(wish.enrolments), "now": now})
            cancelled = [row[0] for row in (await session.execute(_CANCEL_ATTEMPTS, {"ids": list(wish.enrolments)})).all()]
            await self._book.record(session, [Report(id_, Status.CANCELLED, now, reason="cancelled") for id_ in cancelled])
        self._book.notify()
        return len(cancelled)

    async def stats(self, journey: str) -> Stats:
        """Counts per step and channel, and skipped ones by reason."""
        async with self._database.read() as session:
            counts = (await session.execute(_COUNTS, {"journey": journey})).mappings().all()
            skipped = (await session.execute(_SKIPPED, {"journey": journey})).all()
        steps: dict[str, list[Any]] = {}
        for row in counts:
            steps.setdefault(row["step"], []).append(ChannelCounts.model_validate(dict(row)))
        reasons: dict[str, dict[str, int]] = {}
        for step, reason, count in skipped:
            reasons.setdefault(step, {})[reason] = count
        names = sorted({*steps, *reasons})
        return Stats(
            journey=journey,
            steps=tuple(
                StepCounts(step=name, channels=tuple(steps.get(name, ())), skipped=reasons.get(name, {})) for name in names
            ),
        )
