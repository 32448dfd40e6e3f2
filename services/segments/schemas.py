"""What the segments API takes and answers, beyond the wire shared with other services."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from conditions.computed import ComputedDraft

SegmentKey = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$", description="Lower-case letters, digits, - and _")]
TraitKey = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,99}$", description="Lower-case letters, digits and _")]


class Shape(BaseModel):
    """Base: frozen, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SegmentView(Shape):
    """A segment's newest version. `computed` is false while the population is still being asked."""

    key: str
    version: int
    name: str
    description: str
    condition: dict[str, JsonValue]
    computed: bool
    created_at: datetime
    updated_at: datetime


class SegmentVersion(Shape):
    version: int
    name: str
    description: str
    condition: dict[str, JsonValue]
    deleted: bool
    created_at: datetime
    created_by: str


class SegmentList(Shape):
    segments: tuple[SegmentView, ...]


class SegmentVersions(Shape):
    """Oldest first."""

    versions: tuple[SegmentVersion, ...]


class Member(Shape):
    profile_id: UUID
    since: datetime
    number: int


class Members(Shape):
    """In the order of profile ids; `next` is the `after` of the next page, null on the last."""

    members: tuple[Member, ...]
    next: UUID | None


class MembershipEntry(Shape):
    """Somebody entered (`member`) or left at an instant, by this version of the segment."""

    member: bool
    at: datetime
    number: int
    version: int


class ProfileMembership(Shape):
    segment: str
    member: bool
    history: tuple[MembershipEntry, ...]


class ProfileMemberships(Shape):
    """Every segment that the person ever was in; histories oldest first."""

    profile_id: UUID
    memberships: tuple[ProfileMembership, ...]


class Count(Shape):
    """How many people, out of how many, as of an instant."""

    count: int
    population: int
    at: datetime


class Query(Shape):
    """`POST /v1/query`. `at` moves the instant that relative dates and memberships are seen from; traits are as of now."""

    condition: dict[str, JsonValue]
    at: AwareDatetime | None = None
    limit: int = Field(100, ge=0, le=10_000)
    after: UUID | None = None


class QueryAnswer(Shape):
    """The count of all who match, and up to `limit` ids behind `after` in their order."""

    count: int
    at: datetime
    profile_ids: tuple[UUID, ...]


class ComputedView(Shape):
    key: str
    version: int
    definition: ComputedDraft
    updated_at: datetime


class ComputedList(Shape):
    computed_traits: tuple[ComputedView, ...]
