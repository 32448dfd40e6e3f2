"""Writes down what became of attempts: monotone statuses, each report once, published in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.receipts import FAILED, RANK, REPEATED
from contracts.channels import MESSAGE_RECEIPT, Channel, Receipt, Status
from infra.feed.outbox import Happening, Outbox
from services.channels.settling import FELL_BACK, hold

_FACT = (
    "json_to_recordset(CAST(:rows AS json)) AS r(id text, attempt_id uuid, status text, rank smallint, "
    "at timestamptz, text text, "
    "url text, reason text, provider_id text, raw jsonb)"
)
_ADD = text(
    f"WITH given AS (SELECT r.*, a.message_id, a.number, a.channel FROM {_FACT} JOIN attempt a ON a.id = r.attempt_id), "
    "fresh AS (INSERT INTO receipt (id, attempt_id, message_id, attempt_number, channel, status, at, text, url, reason, raw) "
    "SELECT id, attempt_id, message_id, number, channel, status, at, text, url, reason, raw FROM given "
    "ON CONFLICT (id) DO NOTHING RETURNING id, attempt_id, message_id, attempt_number, channel, status, at, text, url, reason) "
    "SELECT f.*, m.profile_id, m.enrolment, m.journey, m.step, m.visit FROM fresh f JOIN message m ON m.id = f.message_id"
)
# A report proves that the provider has the message, whatever we knew before.
_RAISE = text(
    "UPDATE attempt a SET status = CASE WHEN r.rank > a.rank THEN r.status ELSE a.status END, rank = greatest(r.rank, a.rank), "
    "reason = CASE WHEN r.rank > a.rank AND r.reason <> '' THEN r.reason ELSE a.reason END, "
    "provider_id = coalesce(nullif(a.provider_id, ''), r.provider_id, ''), "
    "sent_at = coalesce(a.sent_at, CASE WHEN r.proves THEN r.at END), "
    "state = CASE WHEN r.proves AND a.state IN ('queued', 'claimed', 'calling', 'unknown') THEN 'sent' ELSE a.state END "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(attempt_id uuid, status text, rank smallint, at timestamptz, reason text, "
    "provider_id text, proves bool) "
    "WHERE a.id = r.attempt_id AND (r.rank > a.rank OR a.provider_id = '' OR a.state <> 'sent')"
)
_FALL_BACK = (
    "UPDATE message m SET fallback_due = :now, fallback_floor = now() FROM attempt a WHERE a.id = ANY(CAST(:ids AS uuid[])) "
    "AND m.id = a.message_id AND m.number = a.number AND m.cancelled_at IS NULL {} "
    "AND NOT EXISTS (SELECT 1 FROM attempt o WHERE o.message_id = m.id AND o.number = m.number "
    "AND o.status NOT IN ('bounced', 'rejected', 'cancelled'))"
)
_FALL_BACK_IF_ASKED = text(_FALL_BACK.format("AND m.unless IS NOT NULL"))
_FALL_BACK_ALWAYS = text(_FALL_BACK.format(""))


@dataclass(frozen=True, slots=True)
class Report:
    """One thing to write down. `at` is virtual. `event_id` tells apart events that may repeat (opened, clicked, …).

    `from_provider`: it proves that the provider has the message.
    """

    attempt_id: UUID
    status: Status
    at: datetime
    event_id: str = ""
    text: str | None = None
    url: str | None = None
    reason: str = ""
    provider_id: str = ""
    raw: Mapping[str, Any] | None = None
    from_provider: bool = False

    @property
    def id(self) -> str:
        """The receipt's id: a status that comes once per attempt is its own name."""
        if self.status in REPEATED and self.event_id:
            return f"{self.attempt_id}:{self.status.value}:{self.event_id}"
        return f"{self.attempt_id}:{self.status.value}"


def fell_back(attempts: Iterable[UUID], now: datetime) -> list[Report]:
    """Reports of attempts that were taken back since the next channel's turn had come."""
    return [Report(id_, Status.CANCELLED, now, reason=FELL_BACK) for id_ in attempts]


class ReceiptBook:
    """Records reports in the caller's transaction."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def record(self, session: AsyncSession, reports: Sequence[Report]) -> list[Receipt]:
        """Writes and publishes what is new; answers it. A failure of a message with a fallback makes that due at once."""
        if not reports:
            return []
        await hold(session, {report.attempt_id for report in reports})
        newest = {report.id: report for report in reports}
        rows = orjson.dumps([_row(report) for report in newest.values()]).decode()
        fresh = (await session.execute(_ADD, {"rows": rows})).all()
        await session.execute(_RAISE, {"rows": orjson.dumps(_highest(newest.values())).decode()})
        receipts = [_receipt(row) for row in fresh]
        await self._outbox.append(session, [_happening(row, receipt) for row, receipt in zip(fresh, receipts, strict=True)])
        failed = [row.attempt_id for row in fresh if Status(row.status) in FAILED]
        if failed:
            await session.execute(_FALL_BACK_IF_ASKED, {"ids": failed, "now": max(report.at for report in reports)})
        return receipts

    async def refused(self, session: AsyncSession, attempt_ids: Sequence[UUID], now: datetime) -> None:
        """These attempts were refused at the call: unreachable, so the next channel's turn comes at once, policy or not."""
        if attempt_ids:
            await session.execute(_FALL_BACK_ALWAYS, {"ids": list(attempt_ids), "now": now})

    def notify(self) -> None:
        """After the commit: wakes readers of the feed in this process."""
        self._outbox.notify()


def _row(report: Report) -> dict[str, Any]:
    return {
        "id": report.id,
        "attempt_id": report.attempt_id,
        "status": report.status,
        "rank": RANK[report.status],
        "at": report.at,
        "text": report.text,
        "url": report.url,
        "reason": report.reason,
        "provider_id": report.provider_id,
        "raw": report.raw,
    }


def _highest(reports: Any) -> list[dict[str, Any]]:
    """Per attempt the highest status: a row can be updated once by a statement."""
    best: dict[UUID, dict[str, Any]] = {}
    for report in reports:
        row = _row(report) | {"proves": report.from_provider}
        other = best.get(report.attempt_id)
        if other is not None:
            row["proves"] = row["proves"] or other["proves"]
            row["provider_id"] = row["provider_id"] or other["provider_id"]
            if other["rank"] > row["rank"]:
                row |= {name: other[name] for name in ("status", "rank", "reason")}
        best[report.attempt_id] = row
    return list(best.values())


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        id=row.id,
        message_id=row.message_id,
        status=Status(row.status),
        channel=Channel(row.channel),
        attempt_number=row.attempt_number,
        at=row.at,
        enrolment=row.enrolment,
        journey=row.journey,
        step=row.step,
        visit=row.visit,
        text=row.text,
        url=row.url,
        reason=row.reason,
    )


def _happening(row: Row[Any], receipt: Receipt) -> Happening:
    data = {name: value for name, value in receipt.__dict__.items() if value is not None}
    return Happening(type=MESSAGE_RECEIPT, subject=str(row.profile_id), time=receipt.at, data=data, id=receipt.id)
