"""What enrolments wait for: events, conditions, dates and calls; and what met it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.journeys.tables.base import Base, instant


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
    since: datetime = instant()
    until: datetime | None = instant(nullable=True)
    ready: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    passed_by: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class MatchRow(Base, table=True):
    """The event or receipt that met a listener, with its body: what `event` refers to from then on.

    `position` is where the profiles feed brings an event. Every event that came before `seen`, a cursor of that feed too, was
    held against the listener before this one met it.
    """

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
    seen: str | None = None
    at: datetime = instant()


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
    look_at: datetime | None = instant(nullable=True)
    look: int = 0
    leased_until: datetime | None = instant(nullable=True)


class CallRow(Base, table=True):
    """A `call` step under way: the request as rendered, and when it is tried next. Deleted when it is over."""

    __tablename__ = "call"
    __table_args__ = (Index("call_due", "next_at"),)

    enrolment_id: UUID = Field(primary_key=True)
    step: str = Field(primary_key=True)
    visit: int = Field(primary_key=True)
    request: dict[str, Any] = Field(sa_type=JSONB)
    attempts: int = 0
    next_at: datetime = instant()
    leased_until: datetime | None = instant(nullable=True)
