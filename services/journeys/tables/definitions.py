"""Journeys, their versions and schedules, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.journeys.tables.base import Base, instant


class JourneyRow(Base, table=True):
    """A journey by its key, and the version that new people enter.

    `state`: draft, published, paused, draining, archived. `current` is None until something is published; `draft` is a definition
    under work, valid or not. `paused_at` is when it was paused last. With `canary`, that share (percent, sticky by person) of
    new people enters that version instead.
    """

    __tablename__ = "journey"

    key: str = Field(primary_key=True)
    current: str | None = None
    created_at: datetime = instant()
    state: str = Field(default="published", sa_column_kwargs={"server_default": "published"})
    state_since: datetime | None = instant(nullable=True)
    paused_at: datetime | None = instant(nullable=True)
    draft: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    canary: str | None = None
    canary_share: int | None = None


class VersionRow(Base, table=True):
    """An immutable definition under its content hash; a referenced one is never deleted."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("key", "number"),)

    hash: str = Field(primary_key=True)
    key: str
    number: int
    definition: dict[str, Any] = Field(sa_type=JSONB)
    published_at: datetime = instant()
    published_by: str


class ScheduleRow(Base, table=True):
    """Up to when a journey's schedule has been followed: what came up to `checked_to` has its cohort.

    `passed_over` lists `{"version", "after", "to"}`: another schedule took over before this version's was followed up to then.
    """

    __tablename__ = "schedule"

    journey: str = Field(primary_key=True)
    checked_to: datetime = instant()
    passed_over: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )


class AuditRow(Base, table=True):
    """Who changed what, and how: append-only."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_of_journey", "journey", "id"), Index("audit_of_enrolment", "enrolment_id"))

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = instant()
    who: str
    action: str
    journey: str
    enrolment_id: UUID | None = None
    detail: dict[str, Any] = Field(sa_type=JSONB)
