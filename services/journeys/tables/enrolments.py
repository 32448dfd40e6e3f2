"""Enrolments: where they stand, what was decided and came of it, and what Temporal is to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.journeys.tables.base import Base, instant


class EnrolmentRow(Base, table=True):
    """One person's life in one journey. `entry` is what they entered with: personal data, kept here only.

    `state`: running; ending (a criterion was met, the workflow has yet to say so); ended. `number` counts the
    entries of the same person with the same key. `position` is the profiles feed's cursor at entry.
    `start_at` is when its workflow may be started (a place under the cap, the end of a pause); None: nothing holds it.
    `parent_*` is the step of another enrolment that waits for this one's end.
    `asked` are the values that `only_if` was answered with, `begins_at` is its place under the journey's cap per hour.
    `carried`: its cohort takes it through its first steps, and it has no workflow yet. `moving` is where a migration or a
    person wants it: it goes there when its workflow asks next. `late` is as a decision's: its last wait ended by time so many
    seconds before it ended.
    """

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("journey", "profile_id", "entry_key", "number"),
        Index("enrolment_of_profile", "profile_id"),
        Index("enrolment_by_journey", "journey", "entered_at"),
        Index("enrolment_held", "journey", "start_at", postgresql_where=text("start_at IS NOT NULL")),
        Index("enrolment_begins", "journey", "begins_at", postgresql_where=text("begins_at IS NOT NULL")),
        Index("enrolment_carried", "cohort_id", "id", postgresql_where=text("carried AND state <> 'ended'")),
        Index("enrolment_under_way", "journey", "version", "id", postgresql_where=text("state <> 'ended'")),
        Index("enrolment_moving", "journey", postgresql_where=text("moving IS NOT NULL")),
        Index("enrolment_of_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("enrolment_late", "ended_at", postgresql_where=text("late IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    journey: str
    version: str
    profile_id: UUID
    entry_key: str
    number: int
    entry: dict[str, Any] = Field(sa_type=JSONB)
    position: str | None = None
    entered_at: datetime = instant()
    state: str
    reason: str | None = None
    ended_at: datetime | None = instant(nullable=True)
    goal_at: datetime | None = instant(nullable=True)
    start_at: datetime | None = instant(nullable=True)
    parent_id: UUID | None = None
    parent_step: str | None = None
    parent_visit: int | None = None
    cohort_id: UUID | None = None
    begins_at: datetime | None = instant(nullable=True)
    asked: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    carried: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    moving: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    late: float | None = None


class PlaceRow(Base, table=True):
    """Where an enrolment under way stands: its newest decision, and what is to make it move on. Gone when it has ended.

    `step` is None until the first decision. `since` is when the person arrived at the step, `due` when its wait ends (our
    clock). `told` is the newest signal that should move it on, `told_at` when that was written; `moved` is the newest move to
    another version or step. `changed_at`, `told_at` and `suspect_at` (the reconciler's first doubt) are the database's own time.
    """

    __tablename__ = "place"
    __table_args__ = (
        Index("place_unstarted", "changed_at", postgresql_where=text("step IS NULL")),
        Index("place_due", "due", postgresql_where=text("due IS NOT NULL")),
        Index("place_told", "told_at", postgresql_where=text("told_at IS NOT NULL")),
        Index("place_suspect", "suspect_at", postgresql_where=text("suspect_at IS NOT NULL")),
    )

    enrolment_id: UUID = Field(primary_key=True)
    step: str | None = None
    visit: int | None = None
    since: datetime | None = instant(nullable=True)
    due: datetime | None = instant(nullable=True)
    told: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    told_at: datetime | None = instant(nullable=True)
    moved: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    changed_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})
    suspect_at: datetime | None = instant(nullable=True)


class DecisionRow(Base, table=True):
    """What was decided for one (enrolment, step, visit), once, and the values it looked at.

    `deadline` is the virtual instant that a wait ends at. `late` says by how many seconds of our clock this decision came after
    the wait before it was over, where that wait ended by time.
    """

    __tablename__ = "decision"
    __table_args__ = (
        Index("decision_by_journey", "journey", "step"),
        Index("decision_late", "at", postgresql_where=text("late IS NOT NULL")),
        Index("decision_paused", "journey", "at", postgresql_where=text("kind = 'deferred' AND seen->>'reason' = 'paused'")),
    )

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    journey: str
    kind: str
    outcome: dict[str, Any] = Field(sa_type=JSONB)
    seen: dict[str, Any] = Field(sa_type=JSONB)
    deadline: datetime | None = instant(nullable=True)
    at: datetime = instant()
    late: float | None = None


class ResultRow(Base, table=True):
    """What a step of an enrolment came to: what `results.STEP` refers to. The newest visit's."""

    __tablename__ = "result"

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    body: dict[str, Any] = Field(sa_type=JSONB)
    at: datetime = instant()


class OutgoingRow(Base, table=True):
    """A workflow to start or to signal, written with its cause and deleted once Temporal has it."""

    __tablename__ = "outgoing"
    __table_args__ = (Index("outgoing_by_lease", "leased_until"), Index("outgoing_of_enrolment", "enrolment_id"))

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    enrolment_id: UUID
    kind: str
    payload: dict[str, Any] = Field(sa_type=JSONB)
    request_id: str
    leased_until: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})


class RepairRow(Base, table=True):
    """How often the reconciler found something amiss and mended it, by kind."""

    __tablename__ = "repair"

    kind: str = Field(primary_key=True)
    count: int
    last_at: datetime = instant()


class MergedRow(Base, table=True):
    """A profile that is no more, and who it is now: other feeds may name it for a while."""

    __tablename__ = "merged"

    profile_id: UUID = Field(primary_key=True)
    survivor: UUID = Field(index=True)
