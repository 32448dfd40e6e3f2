"""What the journeys service keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from infra.feed.consumer import consumer_tables

_registry = registry()
metadata: MetaData = _registry.metadata


class Base(SQLModel, registry=_registry):
    """Keeps this service's tables apart from those of other services in the same process."""


def _instant(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=nullable)


class JourneyRow(Base, table=True):
    """A journey by its key, and the version that new people enter."""

    __tablename__ = "journey"

    key: str = Field(primary_key=True)
    current: str
    created_at: datetime = _instant()


class VersionRow(Base, table=True):
    """An immutable definition under its content hash; a referenced one is never deleted."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("key", "number"),)

    hash: str = Field(primary_key=True)
    key: str
    number: int
    definition: dict[str, Any] = Field(sa_type=JSONB)
    published_at: datetime = _instant()
    published_by: str


class EnrolmentRow(Base, table=True):
    """One person's life in one journey. `entry` is what they entered with: personal data, kept here only.

    `state`: running; ending (a criterion was met, the workflow has yet to say so); ended. `number` counts the
    entries of the same person with the same key. `position` is the profiles feed's cursor at entry.
    """

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("journey", "profile_id", "entry_key", "number"),
        Index("enrolment_of_profile", "profile_id"),
        Index("enrolment_by_journey", "journey", "entered_at"),
    )

    id: UUID = Field(primary_key=True)
    journey: str
    version: str
    profile_id: UUID
    entry_key: str
    number: int
    entry: dict[str, Any] = Field(sa_type=JSONB)
    position: str | None = None
    entered_at: datetime = _instant()
    state: str
    reason: str | None = None
    ended_at: datetime | None = _instant(nullable=True)
    goal_at: datetime | None = _instant(nullable=True)


class ListenerRow(Base, table=True):
    """Something an enrolment waits for: a path of a wait, an exit criterion or the goal.

    `source` and `name` say what can meet it: an event's name, a message's step, a profile change, a segment.
    `condition` is the bound filter on properties (or the condition on traits).
    """

    __tablename__ = "listener"
    __table_args__ = (
        Index("listener_by_trigger", "profile_id", "source", "name"),
        UniqueConstraint("enrolment_id", "kind", "step", "visit", "path"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    enrolment_id: UUID
    profile_id: UUID
    kind: str
    source: str
    name: str
    step: str
    visit: int
    path: str
    condition: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    since: datetime = _instant()
    until: datetime | None = _instant(nullable=True)


class MatchRow(Base, table=True):
    """The event or receipt that met a listener, with its body: what `event` refers to from then on."""

    __tablename__ = "match"

    enrolment_id: UUID = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    step: str
    visit: int
    path: str
    body: dict[str, Any] = Field(sa_type=JSONB)
    position: str | None = None
    at: datetime = _instant()


class DecisionRow(Base, table=True):
    """What was decided for one (enrolment, step, visit), once, and the values it looked at.

    `deadline` is the virtual instant that a wait ends at.
    """

    __tablename__ = "decision"
    __table_args__ = (Index("decision_by_journey", "journey", "step"),)

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    journey: str
    kind: str
    outcome: dict[str, Any] = Field(sa_type=JSONB)
    seen: dict[str, Any] = Field(sa_type=JSONB)
    deadline: datetime | None = _instant(nullable=True)
    at: datetime = _instant()


class OutgoingRow(Base, table=True):
    """A workflow to start or to signal, written with its cause and deleted once Temporal has it."""

    __tablename__ = "outgoing"
    __table_args__ = (Index("outgoing_by_lease", "leased_until"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    enrolment_id: UUID
    kind: str
    payload: dict[str, Any] = Field(sa_type=JSONB)
    request_id: str
    leased_until: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})


class RefusalRow(Base, table=True):
    """Somebody who met a journey's entry trigger and did not enter, and why."""

    __tablename__ = "refusal"
    __table_args__ = (Index("refusal_by_profile", "profile_id", "journey"),)

    journey: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    profile_id: UUID
    reason: str
    at: datetime = _instant()


class MergedRow(Base, table=True):
    """A profile that is no more, and who it is now: other feeds may name it for a while."""

    __tablename__ = "merged"

    profile_id: UUID = Field(primary_key=True)
    survivor: UUID = Field(index=True)


consumer_tables(metadata)
