"""Many people at once: cohorts that enter, migrations that move them, and the pace of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.journeys.tables.base import Base, instant


class CohortRow(Base, table=True):
    """Many people who enter together: an occurrence of a schedule in one zone, or a back-fill.

    `state`: running, paused, cancelled, done; missed (an occurrence that nobody was there for). `after` is the last member
    taken, so that it can be taken up anywhere. `zone` narrows it to the people of one zone. `next_at` is when the pace allows
    the next members.
    """

    __tablename__ = "cohort"
    __table_args__ = (UniqueConstraint("journey", "occasion"),)

    id: UUID = Field(primary_key=True)
    journey: str
    version: str
    occasion: str
    segment: str | None = None
    zone: str | None = None
    at: datetime = instant()
    state: str
    after: str | None = None
    per_hour: int | None = None
    taken: int = 0
    entered: int = 0
    refused: int = 0
    created_at: datetime = instant()
    created_by: str = ""
    ended_at: datetime | None = instant(nullable=True)
    next_at: datetime | None = instant(nullable=True)


class MigrationRow(Base, table=True):
    """People of one version on their way to another. `plan` has the mapping and what happens to each group.

    `state`: running (people are being told), finishing (some have yet to arrive), done, cancelled. `after` is the last one told.
    """

    __tablename__ = "migration"
    __table_args__ = (Index("migration_of_journey", "journey"),)

    id: UUID = Field(primary_key=True)
    journey: str
    source: str
    target: str
    plan: dict[str, Any] = Field(sa_type=JSONB)
    state: str
    after: UUID | None = None
    stayed: int = 0
    moved: int = 0
    ended: int = 0
    created_at: datetime = instant()
    created_by: str
    ended_at: datetime | None = instant(nullable=True)


class PaceRow(Base, table=True):
    """Something that shall not burst, whichever process does it: when the next may go (the database's own, real time)."""

    __tablename__ = "pace"

    name: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})
