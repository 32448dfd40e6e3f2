"""Who enters a journey, what makes people leave it, and what it is for."""

from typing import Annotated, Literal

from pydantic import Tag

from conditions.duration import Duration
from conditions.model import Filter, Name, Node, TraitIs
from journeys.dates import RefName, told_by


class Entry(Node):
    """What every entry has."""

    key: RefName | None = None
    """What tells two runs of one person apart (an order, a dog); one run per person where left out."""
    reentry: Literal["never", "when-finished", "always"] = "when-finished"
    """Whether a person may run through again under the same key."""


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


AnyEntry = Annotated[
    Annotated[EntryByEvent, Tag("<event>")]
    | Annotated[EntryBySegment, Tag("<segment_entered>")]
    | Annotated[EntryByApi, Tag("<api>")],
    told_by("event", "segment_entered", "api"),
]
ExitRule = Annotated[
    Annotated[OnEvent, Tag("<event>")]
    | Annotated[TraitIs, Tag("<trait>")]
    | Annotated[OnSegmentEntered, Tag("<segment_entered>")]
    | Annotated[OnSegmentLeft, Tag("<segment_left>")],
    told_by("event", "trait", "segment_entered", "segment_left"),
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
