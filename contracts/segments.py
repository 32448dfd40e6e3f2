"""The segments service: conditions evaluated for people, memberships, and what their feed carries."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.base import Wire


class EvaluateItem(Wire):
    """One condition (JSON of the condition language, refs already bound) for one person.

    `position` is a cursor of the profiles feed: the answer must know everything up to it.
    """

    profile_id: UUID
    condition: dict[str, JsonValue]
    position: str | None = None


class Evaluate(Wire):
    """`POST /v1/evaluate`, up to 200 at once. Answers 503 while the projection is behind a `position`."""

    items: tuple[EvaluateItem, ...] = Field(max_length=200)


class EvaluatedItem(Wire):
    """The answer, the values it looked at, and the next instant at which it can change by time alone."""

    matches: bool
    seen: dict[str, JsonValue]
    next_change: datetime | None = None


class Evaluated(Wire):
    results: tuple[EvaluatedItem, ...]


class ComputedLookup(Wire):
    """`POST /v1/computed`: computed traits of people, up to 200 at once, as of `position`."""

    profile_ids: tuple[UUID, ...] = Field(max_length=200)
    position: str | None = None


class Computed(Wire):
    """Per profile the computed traits that have a value."""

    traits: dict[UUID, dict[str, JsonValue]]


class KnownSegment(Wire):
    key: str


class KnownSegments(Wire):
    """What `GET /v1/segments` says, as far as a journey needs it."""

    segments: tuple[KnownSegment, ...]


SEGMENT_ENTERED = "segment.entered"
SEGMENT_LEFT = "segment.left"


class MembershipChanged(Wire):
    """`data` of `segment.entered` and `segment.left`; `number` grows with each change of this membership.

    `traits` are the person's as of the change, so that a consumer need not ask.
    """

    segment: str
    at: datetime
    number: int
    traits: dict[str, JsonValue]
