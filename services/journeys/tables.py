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
    """A journey by its key, and the version that new people enter.

    `state`: draft, published, paused, draining, archived. `current` is None until something is published; `draft` is a definition
    under work, valid or not. `paused_at` is when it was paused last. With `canary`, that share (percent, sticky by person) of
    new people enters that version instead.
    """

    __tablename__ = "journey"

    key: str = Field(primary_key=True)
    current: str | None = None
    created_at: datetime = _instant()
    state: str = Field(default="published", sa_column_kwargs={"server_default": "published"})
    state_since: datetime | None = _instant(nullable=True)
    paused_at: datetime | None = _instant(nullable=True)
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
    published_at: datetime = _instant()
    published_by: str


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
    entered_at: datetime = _instant()
    state: str
    reason: str | None = None
    ended_at: datetime | None = _instant(nullable=True)
    goal_at: datetime | None = _instant(nullable=True)
    start_at: datetime | None = _instant(nullable=True)
    parent_id: UUID | None = None
    parent_step: str | None = None
    parent_visit: int | None = None
    cohort_id: UUID | None = None
    begins_at: datetime | None = _instant(nullable=True)
    asked: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    carried: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    moving: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    late: float | None = None


class ListenerRow(Base, table=True):
    """Something an enrolment waits for: a path of a wait, an exit criterion or the goal.

    `source` and `name` say what can meet it: an event's name, a message's step, a profile change, a segment.
    `condition` is the bound filter on properties (or the condition on traits). A wait is `ready` to be met by the feeds once it
    has looked back; `passed_by` says that a feed left it something before.
    """

    __tablename__ = "listener"
    __table_args__ = (
        Index("listener_by_trigger", "profile_id", "source", "name"),
        Index("listener_with_term", "until", postgresql_where=text("until IS NOT NULL")),
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
    ready: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    passed_by: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class MatchRow(Base, table=True):
    """The event or receipt that met a listener, with its body: what `event` refers to from then on."""

    __tablename__ = "match"
    __table_args__ = (
        # One thing ends a wait: the router and a look back may each have found another at the same time.
        Index("match_of_wait", "enrolment_id", "step", "visit", unique=True, postgresql_where=text("kind = 'wait'")),
    )

    enrolment_id: UUID = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    path: str
    body: dict[str, Any] = Field(sa_type=JSONB)
    position: str | None = None
    at: datetime = _instant()


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
    deadline: datetime | None = _instant(nullable=True)
    at: datetime = _instant()
    late: float | None = None


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
    at: datetime = _instant()
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


class ScheduleRow(Base, table=True):
    """Up to when a journey's schedule has been followed: what came up to `checked_to` has its cohort.

    `passed_over` lists `{"version", "after", "to"}`: another schedule took over before this version's was followed up to then.
    """

    __tablename__ = "schedule"

    journey: str = Field(primary_key=True)
    checked_to: datetime = _instant()
    passed_over: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )


class WatchRow(Base, table=True):
    """A condition that ends a wait or an enrolment as soon as it holds, or a date that a wait follows (kind `date`).

    It is looked at when `look_at` (our clock) has come: by time alone, or because something it mentions has changed. `look`
    grows with each such change, so that an answer from before it counts no more. `condition` is bound.
    """

    __tablename__ = "watch"
    __table_args__ = (
        Index("watch_due", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("watch_of_profile", "profile_id"),
        UniqueConstraint("enrolment_id", "kind", "step", "visit", "path"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    enrolment_id: UUID
    profile_id: UUID
    kind: str
    step: str
    visit: int
    path: str
    condition: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    mentions: list[str] = Field(sa_type=JSONB)
    look_at: datetime | None = _instant(nullable=True)
    look: int = 0
    leased_until: datetime | None = _instant(nullable=True)


class CallRow(Base, table=True):
    """A `call` step under way: the request as rendered, and when it is tried next. Deleted when it is over."""

    __tablename__ = "call"
    __table_args__ = (Index("call_due", "next_at"),)

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    request: dict[str, Any] = Field(sa_type=JSONB)
    attempts: int = 0
    next_at: datetime = _instant()
    leased_until: datetime | None = _instant(nullable=True)


class ResultRow(Base, table=True):
    """What a step of an enrolment came to: what `results.STEP` refers to. The newest visit's."""

    __tablename__ = "result"

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    body: dict[str, Any] = Field(sa_type=JSONB)
    at: datetime = _instant()


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
    at: datetime = _instant()
    state: str
    after: str | None = None
    per_hour: int | None = None
    taken: int = 0
    entered: int = 0
    refused: int = 0
    created_at: datetime = _instant()
    created_by: str = ""
    ended_at: datetime | None = _instant(nullable=True)
    next_at: datetime | None = _instant(nullable=True)


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
    created_at: datetime = _instant()
    created_by: str
    ended_at: datetime | None = _instant(nullable=True)


class AuditRow(Base, table=True):
    """Who changed what, and how: append-only."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_of_journey", "journey", "id"), Index("audit_of_enrolment", "enrolment_id"))

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = _instant()
    who: str
    action: str
    journey: str
    enrolment_id: UUID | None = None
    detail: dict[str, Any] = Field(sa_type=JSONB)


class PaceRow(Base, table=True):
    """Something that shall not burst, whichever process does it: when the next may go (the database's own, real time)."""

    __tablename__ = "pace"

    name: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})


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
    since: datetime | None = _instant(nullable=True)
    due: datetime | None = _instant(nullable=True)
    told: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    told_at: datetime | None = _instant(nullable=True)
    moved: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    changed_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})
    suspect_at: datetime | None = _instant(nullable=True)


class RepairRow(Base, table=True):
    """How often the reconciler found something amiss and mended it, by kind."""

    __tablename__ = "repair"

    kind: str = Field(primary_key=True)
    count: int
    last_at: datetime = _instant()


class MergedRow(Base, table=True):
    """A profile that is no more, and who it is now: other feeds may name it for a while."""

    __tablename__ = "merged"

    profile_id: UUID = Field(primary_key=True)
    survivor: UUID = Field(index=True)


consumer_tables(metadata)
