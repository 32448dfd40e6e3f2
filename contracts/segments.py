"""The segments service: conditions evaluated for people, memberships, and what their feed carries."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

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
    """Per profile the computed traits that have a value; and for every one there is, the event it is worked out from."""

    traits: dict[UUID, dict[str, JsonValue]]
    events: dict[str, str] = Field(default_factory=dict)


class MembershipFilter(Wire):
    """One person and some segments: what changed since an instant (inclusive)."""

    profile_id: UUID
    segments: tuple[str, ...]
    since: datetime


class MembershipSearch(Wire):
    """`POST /v1/memberships/search`: the look-back of waits, up to 500 filters at once."""

    filters: tuple[MembershipFilter, ...] = Field(max_length=500)


class MembershipChange(Wire):
    """Somebody entered (`member`) or left. `id` is that of the feed's item about it."""

    id: str
    segment: str
    member: bool
    at: datetime


class MembershipsOfPerson(Wire):
    """What changed, oldest first, and since when those of the segments asked for hold that the person is in now."""

    changes: tuple[MembershipChange, ...] = ()
    member_of: dict[str, datetime] = Field(default_factory=dict)


class MembershipsFound(Wire):
    """One answer per filter, in its order."""

    memberships: tuple[MembershipsOfPerson, ...]


class SegmentDraft(BaseModel):
    """`PUT /v1/segments/{key}`: a segment as authors write it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=5000)
    condition: dict[str, JsonValue]


class KnownSegment(Wire):
    key: str


class KnownSegments(Wire):
    """What `GET /v1/segments` says, as far as a journey needs it."""

    segments: tuple[KnownSegment, ...]


class KnownComputedTrait(Wire):
    key: str


class KnownComputedTraits(Wire):
    """What `GET /v1/computed-traits` says, as far as a journey needs it."""

    computed_traits: tuple[KnownComputedTrait, ...]


class MemberQuery(Wire):
    """`POST /v1/segments/{key}/members`: who is a member, with their traits, behind `after` in the order of profile ids.

    `zones` narrows it to those whose trait `timezone` is one of these; with `others` to everybody else instead.
    """

    after: UUID | None = None
    limit: int = Field(500, ge=1, le=1000)
    zones: tuple[str, ...] | None = Field(default=None, max_length=2000)
    others: bool = False


class MemberFound(Wire):
    profile_id: UUID
    traits: dict[str, JsonValue]


class MembersFound(Wire):
    """`next` is the `after` of the next page, none on the last."""

    members: tuple[MemberFound, ...]
    next: UUID | None = None


class MemberZones(Wire):
    """`GET /v1/segments/{key}/zones`: how many members have which trait `timezone`, as it was written; and how many none."""

    zones: dict[str, int]
    without: int

    @property
    def members(self) -> int:
        return sum(self.zones.values()) + self.without


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


COMPUTED_TRAIT_CHANGED = "computed_trait.changed"


class ComputedTraitChanged(Wire):
    """`data` of `computed_trait.changed`: its definition is another from now on, or gone; so may everybody's value be.

    The item's subject is the trait's key, no profile.
    """

    key: str
