"""What comes back: providers' reports, customers' replies, unsubscribes and clicks, each written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.receipts import ProviderReceipt, Reply, Suppress
from contracts.channels import Channel, Purpose, Status
from contracts.profiles import ConsentEntry, ConsentState
from infra.clock import Clock
from infra.db import Database
from services.channels import suppressions
from services.channels.address import hashed
from services.channels.consents import ConsentPost
from services.channels.links import Unsubscribe
from services.channels.receipt_book import ReceiptBook, Report
from services.channels.suppressions import Suppressed

log = structlog.get_logger(__name__)

_KNOWN = text(
    "SELECT a.id, a.provider_id, a.channel, m.profile_id, m.purpose FROM attempt a JOIN message m ON m.id = a.message_id "
    "WHERE a.id = ANY(CAST(:ids AS uuid[])) OR (a.provider_id <> '' AND a.provider_id = ANY(CAST(:provider_ids AS text[])))"
)
_STRAY = text(
    "INSERT INTO stray_report (event_id, raw) SELECT event_id, raw FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(event_id text, raw jsonb) ON CONFLICT DO NOTHING"
)
_ANSWERED = text(
    "SELECT a.id FROM attempt a WHERE a.channel = :channel AND a.address_hash = :hash AND a.calls > 0 AND a.state <> 'refused' "
    "ORDER BY (a.provider_id = :answers AND a.provider_id <> '') DESC, a.created_at DESC, a.id DESC LIMIT 1"
)
_PEOPLE = text(
    "SELECT DISTINCT m.profile_id, CASE WHEN m.purpose = 'transactional' THEN 'marketing' ELSE m.purpose END AS purpose "
    "FROM attempt a JOIN message m ON m.id = a.message_id WHERE a.channel = :channel AND a.address_hash = :hash LIMIT 100"
)
_OFFERED = text(
    "SELECT a.id FROM attempt a WHERE a.message_id = :message AND a.channel = :channel ORDER BY a.number DESC, a.id LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class _Known:
    id: UUID
    channel: str
    profile_id: UUID
    purpose: str


class Intake:
    """The one way in for news of messages that were sent."""

    def __init__(self, database: Database, book: ReceiptBook, consents: ConsentPost, clock: Clock) -> None:
        self._database = database
        self._book = book
        self._consents = consents
        self._clock = clock

    async def reports(self, receipts: Sequence[ProviderReceipt]) -> None:
        """Writes providers' reports; suppresses addresses and takes consent back where they say so."""
        if not receipts:
            return
        now = self._clock.now()
        async with self._database.begin() as session:
            known = await self._known(session, receipts)
            fresh = await self._book.record(
                session, [self._report(r, known[r.event_id], now) for r in receipts if r.event_id in known]
            )
            stray = [{"event_id": r.event_id, "raw": r.raw} for r in receipts if r.event_id not in known]
            if stray:
                await session.execute(_STRAY, {"rows": orjson.dumps(stray).decode()})
            news = {receipt.id for receipt in fresh}
            told = [
                (r, known[r.event_id])
                for r in receipts
                if r.event_id in known and self._report(r, known[r.event_id], now).id in news
            ]
            reasons = {str(attempt.id): r.suppress.value for r, attempt in told if r.suppress}
            await suppressions.add_for_attempts(session, reasons, now)
            entries = [
                self._withdrawal(a.profile_id, a.channel, a.purpose, f"provider: {_name(r)}", now) for r, a in told if r.withdraw
            ]
            await self._consents.owe(session, entries)
        self._book.notify()
        if entries:
            await self._consents.deliver()

    async def reply(self, reply: Reply) -> None:
        """A customer's words: a receipt of the newest message to them; a stop word ends, a start word resumes messages.

        A start word gives consent to nothing new: profiles writes it only where a stop word took a consent back.
        """
        now = self._clock.now()
        hash_ = hashed(reply.channel, reply.address)
        where = {"channel": reply.channel.value, "hash": hash_}
        entries: list[ConsentEntry] = []
        async with self._database.begin() as session:
            answered = (await session.execute(_ANSWERED, where | {"answers": reply.answers})).first()
            fresh = True
            if answered:
                replied = Report(
                    answered[0], Status.REPLIED, now, reply.event_id, text=reply.text, raw=reply.raw, from_provider=True
                )
                reports = [replied]
                if reply.word == "stop":
                    reports.append(Report(answered[0], Status.UNSUBSCRIBED, now, text=reply.text, raw=reply.raw))
                fresh = replied.id in {receipt.id for receipt in await self._book.record(session, reports)}
            else:
                rows = orjson.dumps([{"event_id": reply.event_id, "raw": reply.raw}]).decode()
                await session.execute(_STRAY, {"rows": rows})
            if fresh and reply.word:
                entries = await self._word(session, reply, hash_, now)
                await self._consents.owe(session, entries)
        self._book.notify()
        if entries:
            await self._consents.deliver()

    async def unsubscribe(self, wish: Unsubscribe, source: str) -> None:
        """Takes back one consent, by the link of a message; repeating changes nothing more."""
        now = self._clock.now()
        async with self._database.begin() as session:
            values = {"message": wish.message_id, "channel": wish.channel.value}
            offered = (await session.execute(_OFFERED, values)).first()
            if offered:
                await self._book.record(session, [Report(offered[0], Status.UNSUBSCRIBED, now, reason=source)])
            entry = self._withdrawal(wish.profile_id, wish.channel, wish.purpose, source, now, purpose_as_is=True)
            await self._consents.owe(session, [entry])
        self._book.notify()
        await self._consents.deliver()

    async def clicked(self, attempt_id: UUID, url: str | None) -> None:
        """A click on a push notification, told by the page's service worker; one per attempt."""
        async with self._database.begin() as session:
            known = (await session.execute(_KNOWN, {"ids": [attempt_id], "provider_ids": []})).first()
            if known is not None and known.channel == Channel.WEB_PUSH:
                report = Report(attempt_id, Status.CLICKED, self._clock.now(), "push", url=url, from_provider=True)
                await self._book.record(session, [report])
        self._book.notify()

    async def _known(self, session: AsyncSession, receipts: Sequence[ProviderReceipt]) -> dict[str, _Known]:
        ids = [receipt.attempt for receipt in receipts if receipt.attempt]
        provider_ids = [receipt.provider_id for receipt in receipts if not receipt.attempt and receipt.provider_id]
        rows = (await session.execute(_KNOWN, {"ids": ids, "provider_ids": provider_ids})).all()
        by_id = {row.id: _Known(row.id, row.channel, row.profile_id, row.purpose) for row in rows}
        by_provider = {row.provider_id: by_id[row.id] for row in rows if row.provider_id}
        found: dict[str, _Known] = {}
        for receipt in receipts:
            attempt = by_id.get(receipt.attempt) if receipt.attempt else by_provider.get(receipt.provider_id)
            if attempt is not None:
                found[receipt.event_id] = attempt
        return found

    def _report(self, receipt: ProviderReceipt, attempt: _Known, now: datetime) -> Report:
        at = receipt.at if receipt.at is not None and self._clock.is_real_time and receipt.at <= now else now
        return Report(
            attempt_id=attempt.id,
            status=receipt.status,
            at=at,
            event_id=receipt.event_id,
            text=receipt.text,
            url=receipt.url,
            reason=receipt.reason,
            provider_id=receipt.provider_id,
            raw=receipt.raw,
            from_provider=True,
        )

    async def _word(self, session: AsyncSession, reply: Reply, hash_: str, now: datetime) -> list[ConsentEntry]:
        people = (await session.execute(_PEOPLE, {"channel": reply.channel.value, "hash": hash_})).all()
        source = f"{reply.channel.value} reply"
        if reply.word == "stop":
            stop = Suppressed(
                channel=reply.channel, address_hash=hash_, reason=Suppress.STOP.value, source="reply", created_at=now
            )
            await suppressions.add(session, [stop])
            return [self._withdrawal(row.profile_id, reply.channel.value, row.purpose, source, now, reply.text) for row in people]
        if not await suppressions.remove(session, reply.channel, hash_, reason=Suppress.STOP.value):
            return []  # who never stopped has nothing to resume: this is an ordinary reply
        return [
            ConsentEntry(
                profile_id=row.profile_id,
                channel=reply.channel.value,
                purpose=row.purpose,
                state=ConsentState.GRANTED,
                source=source,
                wording=reply.text,
                at=now,
                restores=source,
            )
            for row in people
        ]

    @staticmethod
    def _withdrawal(
        profile_id: UUID, channel: str, purpose: str, source: str, at: datetime, wording: str = "", *, purpose_as_is: bool = False
    ) -> ConsentEntry:
        if purpose == Purpose.TRANSACTIONAL and not purpose_as_is:
            purpose = Purpose.MARKETING
        return ConsentEntry(
            profile_id=profile_id,
            channel=channel,
            purpose=purpose,
            state=ConsentState.WITHDRAWN,
            source=source,
            wording=wording,
            at=at,
        )


def _name(receipt: ProviderReceipt) -> Any:
    return receipt.raw.get("event") or receipt.reason or receipt.status.value
