"""The tables of the profiles service."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, Text, text
from sqlalchemy import Uuid as UuidColumn
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from infra.feed.outbox import Xid8, feed_tables


class Base(SQLModel, registry=registry()):
    """Keeps these tables apart from those of the other services."""


class ProfileRow(Base, table=True):
    """A person. `known`: has a user id. A merged profile's row is gone; `profile_merge` says where it went."""

    __tablename__ = "profile"

    id: UUID = Field(sa_column=Column(UuidColumn, primary_key=True))
    traits: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    known: bool = Field(sa_column=Column(Boolean, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class IdentityRow(Base, table=True):
    """A name a person goes by: kind `user_id` or `anonymous_id`. Belongs to one person at a time."""

    __tablename__ = "identity"
    __table_args__ = (Index("identity_of_profile", "profile_id"),)

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    profile_id: UUID = Field(sa_column=Column(UuidColumn, nullable=False))


class EventRow(Base, table=True):
    """A message that was taken in, once for ever by its message id.

    What people did has a `name`. Calls that only change a profile (identify, alias, update) are kept beside them
    without one, with what they said as `properties`: that makes every id unique and every trait explainable.
    `position` orders what happened at the same instant. No foreign key: checking it would cost a look-up per event.
    `depth`: how many journeys' steps led to it; null for none. `xid` is the transaction that gave it to this person, as in the
    feed; null where that was before there was this column.
    """

    __tablename__ = "event"
    __table_args__ = (Index("event_of_profile", "profile_id", "timestamp"),)

    id: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    profile_id: UUID = Field(sa_column=Column(UuidColumn, nullable=False))
    type: str = Field(sa_column=Column(Text, nullable=False))
    name: str | None = Field(sa_column=Column(Text))
    properties: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    timestamp: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    depth: int | None = Field(default=None, sa_column=Column(Integer))
    xid: int | None = Field(default=None, sa_column=Column(Xid8, server_default=text("pg_current_xact_id()")))


class ConsentRow(Base, table=True):
    """One entry of the append-only ledger. What holds is the newest by `at`, then by `number`."""

    __tablename__ = "consent"
    __table_args__ = (Index("consent_of_profile", "profile_id", "channel", "purpose", text("at DESC"), text("number DESC")),)

    number: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    profile_id: UUID = Field(sa_column=Column(UuidColumn, nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    wording: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))


class MergeRow(Base, table=True):
    """A profile that was joined with another: into which, why, and who is the survivor by now."""

    __tablename__ = "profile_merge"
    __table_args__ = (Index("merge_of_survivor", "survivor"),)

    merged: UUID = Field(sa_column=Column(UuidColumn, primary_key=True))
    into: UUID = Field(sa_column=Column(UuidColumn, nullable=False))
    survivor: UUID = Field(sa_column=Column(UuidColumn, nullable=False))
    message_id: str = Field(sa_column=Column(Text, nullable=False))
    joined: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class NameSeenRow(Base, table=True):
    """A name that somebody has sent: kind `event`, or `trait` with its dotted name."""

    __tablename__ = "name_seen"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))


metadata = Base.metadata
feed_tables(metadata)
