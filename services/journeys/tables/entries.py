"""Who met an entry trigger and may not enter, or not yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.journeys.tables.base import Base, instant


class RefusalRow(Base, table=True):
    """Somebody who met a journey's entry trigger and did not enter, and why; `seen` are the values that it rests on."""

    __tablename__ = "refusal"
    __table_args__ = (
        Index("refusal_by_profile", "profile_id", "journey"),
        Index("refusal_by_journey", "journey", "at"),
        Index("refusal_by_time", "at"),
    )

    journey: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    profile_id: UUID
    reason: str
    at: datetime = instant()
    seen: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})


class CandidateRow(Base, table=True):
    """Somebody who met an entry trigger, and about whom another service is asked before they may enter; in order of id.

    `entrant` is what they enter with. `next_at` and the lease are the database's own (real) time.
    """

    __tablename__ = "candidate"
    __table_args__ = (
        UniqueConstraint("journey", "event_id"),
        Index("candidate_of_person", "profile_id", "journey", "id"),
        Index("candidate_due", "next_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    journey: str
    event_id: str
    profile_id: UUID
    entrant: dict[str, Any] = Field(sa_type=JSONB)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    next_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})
