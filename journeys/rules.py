"""Who enters a journey, what makes people leave it, and what it is for."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from conditions.duration import Duration
from conditions.model import Condition, Filter, Moment, Name, Node, TraitIs
from journeys.dates import Clock, RefName, told_by, wrong


class ReentryAfter(Node):
    """Again after some time, and never while under way."""

    after: Duration
    """Days and longer are calendar days where the person lives: after `P1D`, any time tomorrow is late enough."""
    since: Literal["entry", "end"] = "entry"
    """What it is counted from."""

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        if not self.after.is_positive:
            raise wrong("'after' leaves no time between two entries", 'write a positive duration, or "when-finished"', at="after")
        return self


class Caps(Node):
    """How many people may enter. Who comes above `per_hour` waits for a place, in order; above `in_all`, nobody enters."""

    per_hour: Annotated[int, Strict(), Field(ge=1)] | None = None
    """In any hour."""
    in_all: Annotated[int, Strict(), Field(ge=1)] | None = None
    """Over the whole life of the journey."""


def _reentry_tag(value: object) -> str:
    return "<after>" if isinstance(value, dict | ReentryAfter) else "<word>"


Reentry = Annotated[
    Annotated[Literal["never", "when-finished", "always"], Tag("<word>")] | Annotated[ReentryAfter, Tag("<after>")],
    Discriminator(_reentry_tag),
]


class Entry(Node):
    """What every entry has."""

    key: RefName | None = None
    """What tells two runs of one person apart (an order, a dog); one run per person where left out."""
    reentry: Reentry = "when-finished"
    """Whether a person may run through again under the same key; `always` lets several runs of one key go side by side."""
    only_if: Condition | None = None
    """Asked when the trigger is met; who does not meet it does not enter, and the answer is kept."""
    caps: Caps | None = None
    """How many people may enter."""


class EntryByEvent(Entry):
    """An event starts the journey; it is the `entry` of references."""

    event: Name
    """The event's name."""
    where: Filter | None = None
    """Only events whose properties pass."""


class EntryBySegment(Entry):
    """Becoming a member of a segment starts the journey."""

    segment_entered: Name
    """Key of the segment."""


class EntryByApi(Entry):
    """The API or another journey starts this one."""

    api: Literal[True]
    """Always true."""


class Schedule(Node):
    """Instants by the calendar, as RFC 5545 has them."""

    rrule: Annotated[str, Field(max_length=500, examples=["FREQ=WEEKLY;BYDAY=TU", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1"])]
    """Recurrence rule of whole days: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY."""
    starts: Moment
    """First possible day."""
    at: Clock = "09:00"
    """Local time of day."""
    zone: str | None = None
    """IANA zone of these times; each person's own where left out."""


class EntryBySchedule(Entry):
    """The members of a segment enter together at each of these times, each in their own zone."""

    schedule: Schedule
    """When."""
    segment: Name
    """Key of the segment: who."""


class OnEvent(Node):
    """The person leaves when this event arrives."""

    event: Name
    """The event's name."""
    where: Filter | None = None
    """Only events whose properties pass."""


class OnSegmentEntered(Node):
    """The person leaves on becoming a member."""

    segment_entered: Name
    """Key of the segment."""


class OnSegmentLeft(Node):
    """The person leaves on no longer being a member."""

    segment_left: Name
    """Key of the segment."""


class OnCondition(Node):
    """The person leaves as soon as the condition holds."""

    if_: Condition = Field(alias="if")
    """Asked on entry, whenever something it looks at changes, and when time alone changes the answer."""


AnyEntry = Annotated[
    Annotated[EntryByEvent, Tag("<event>")]
    | Annotated[EntryBySegment, Tag("<segment_entered>")]
    | Annotated[EntryBySchedule, Tag("<schedule>")]
    | Annotated[EntryByApi, Tag("<api>")],
    told_by("event", "segment_entered", "schedule", "api"),
]
ExitRule = Annotated[
    Annotated[OnEvent, Tag("<event>")]
    | Annotated[TraitIs, Tag("<trait>")]
    | Annotated[OnSegmentEntered, Tag("<segment_entered>")]
    | Annotated[OnSegmentLeft, Tag("<segment_left>")]
    | Annotated[OnCondition, Tag("<if>")],
    told_by("event", "trait", "segment_entered", "segment_left", "if"),
]


class Goal(Node):
    """What the journey is for; reached when this event happens in time."""

    event: Name
    """The event's name."""
    where: Filter | None = None
    """Only events whose properties pass."""
    within: Duration | None = None
    """Counted from entry; for as long as the journey runs where left out."""
    on_reached: Literal["continue", "exit"] = "continue"
    """Whether reaching it ends the journey."""
