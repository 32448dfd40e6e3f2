"""The tables of the channels service. Addresses and rendered content are personal data: here is where they live.

Rows are written in bulk by SQL. There are no foreign keys: a message and its attempts are written by one statement,
and a key check per attempt would lock the message's row again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from infra.feed.consumer import consumer_tables
from infra.feed.outbox import feed_tables

_REAL_NOW = text("now()")


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, apart from those of other services."""


def _instant(*, default_now: bool = False, nullable: bool = False) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable, server_default=_REAL_NOW if default_now else None))


def _text(default: str = "") -> Any:
    return Field(sa_column=Column(Text, nullable=False, server_default=default))


class Template(Table, table=True):
    """One immutable version of a template. `parts`: channel → sources; `variables`: channel → names used."""

    __tablename__ = "template"

    key: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    purpose: str | None = Field(default=None, sa_type=Text)
    parts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    variables: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = _instant()
    created_by: str = _text()


class Message(Table, table=True):
    """One logical message to one person, whatever channels it tries; skipped ones are kept with the reason.

    `number` counts the channels tried, `position` is the place of the current one in `channels`. The next channel
    is tried once `fallback_due` (virtual) and `fallback_floor` (real) have both passed.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("key", name="message_key"),
        Index("message_enrolment", "enrolment", postgresql_where=text("enrolment IS NOT NULL")),
        Index("message_profile", "profile_id"),
        Index("message_journey", "journey", "step", postgresql_where=text("journey <> ''")),
        Index("message_fallback", "fallback_due", postgresql_where=text("fallback_due IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    key: str = _text()
    profile_id: UUID
    template: str = _text()
    template_version: int | None = None
    channels: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    purpose: str = _text()
    unless: str | None = Field(default=None, sa_type=Text)
    within_seconds: float | None = None
    valid_until: datetime | None = _instant(nullable=True)
    zone: str | None = Field(default=None, sa_type=Text)
    context: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    enrolment: UUID | None = None
    journey: str = _text()
    step: str = _text()
    visit: int = 1
    created_at: datetime = _instant()
    decision: str = _text()
    channel: str | None = Field(default=None, sa_type=Text)
    reason: str = _text()
    detail: str = _text()
    number: int = Field(default=1, sa_type=SmallInteger)
    position: int = Field(default=0, sa_type=SmallInteger)
    fallback_due: datetime | None = _instant(nullable=True)
    fallback_floor: datetime | None = _instant(nullable=True)
    fallback_note: str = _text()
    cancelled_at: datetime | None = _instant(nullable=True)


class Attempt(Table, table=True):
    """One try to reach one address of one channel.

    `state`: queued → claimed → calling → sent | refused | unknown; or cancelled. `calling` is committed before the
    provider is called, so that a claimed row whose dispatcher died was provably not sent. `status` is the highest
    receipt. Instants are virtual but for `not_before`, `lease_until`, `called_at`, `not_taken_since`, `unknown_since` and
    `check_at`. `not_taken_since` is the first of the calls that it was not taken at; after quiet hours, anew.
    A queued attempt with `held_until` waits for the end of quiet hours; `not_before` is when this clock shows it.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("message_id", "number", "address_hash", name="attempt_once"),
        Index("attempt_queued", "not_before", postgresql_where=text("state = 'queued'")),
        Index("attempt_leased", "lease_until", postgresql_where=text("state IN ('claimed', 'calling')")),
        Index("attempt_unknown", "check_at", postgresql_where=text("state = 'unknown'")),
        Index("attempt_address", "address_hash", "created_at"),
        Index("attempt_provider", "provider_id", postgresql_where=text("provider_id <> ''")),
    )

    id: UUID = Field(primary_key=True)
    message_id: UUID
    number: int = Field(sa_type=SmallInteger)
    channel: str = _text()
    address: str = _text()
    address_hash: str = _text()
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    because: str = _text()
    state: str = _text("queued")
    status: str = _text("queued")
    rank: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    reason: str = _text()
    provider_id: str = _text()
    claimed_by: UUID | None = None
    calls: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    not_before: datetime = _instant(default_now=True)
    held_until: datetime | None = _instant(nullable=True)
    lease_until: datetime | None = _instant(nullable=True)
    called_at: datetime | None = _instant(nullable=True)
    not_taken_since: datetime | None = _instant(nullable=True)
    unknown_since: datetime | None = _instant(nullable=True)
    check_at: datetime | None = _instant(nullable=True)
    created_at: datetime = _instant()
    sent_at: datetime | None = _instant(nullable=True)


class ReceiptRow(Table, table=True):
    """One thing that became of an attempt, as published, with what the provider said."""

    __tablename__ = "receipt"
    __table_args__ = (Index("receipt_message", "message_id", "at"),)

    id: str = Field(primary_key=True, sa_type=Text)
    attempt_id: UUID
    message_id: UUID
    attempt_number: int = Field(sa_type=SmallInteger)
    channel: str = _text()
    status: str = _text()
    at: datetime = _instant()
    text: str | None = Field(default=None, sa_type=Text)
    url: str | None = Field(default=None, sa_type=Text)
    reason: str = _text()
    raw: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    recorded_at: datetime = _instant(default_now=True)


class Suppression(Table, table=True):
    """An address that gets nothing on a channel, by hash: it outlives the erasure of the address."""

    __tablename__ = "suppression"

    address_hash: str = Field(primary_key=True, sa_type=Text)
    channel: str = Field(primary_key=True, sa_type=Text)
    reason: str = _text()
    source: str = _text()
    created_at: datetime = _instant()


class StrayReport(Table, table=True):
    """A provider's report about nothing that is known here, kept as it came."""

    __tablename__ = "stray_report"

    event_id: str = Field(primary_key=True, sa_type=Text)
    raw: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    recorded_at: datetime = _instant(default_now=True)


class ConsentDue(Table, table=True):
    """A consent entry that profiles has not confirmed yet."""

    __tablename__ = "consent_due"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    entry: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = _instant(default_now=True)


metadata: MetaData = Table.metadata
feed_tables(metadata)
consumer_tables(metadata)
