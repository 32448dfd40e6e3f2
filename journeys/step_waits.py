"""Steps that wait: for a time, or for the first of several things to happen."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, Tag, model_validator

from conditions.duration import Duration
from conditions.model import Condition, Filter, Name, Node
from journeys.dates import Clock, IfPast, StepId, Until, Window, told_by, wrong
from journeys.step_base import StepBase

if TYPE_CHECKING:
    from journeys.steps import Step

MessageStatus = Literal["sent", "delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed"]


class Wait(StepBase):
    """Waits for a while, or until an instant; nothing caps it."""

    type: Literal["wait"]
    for_: Duration | None = Field(default=None, alias="for")
    """Counted from entering the step; days and longer on the person's wall clock."""
    between: tuple[Duration, Duration] | None = None
    """A random time from the first to the second, counted as `for` is; drawn once for each visit."""
    until: Until | None = None
    """A date, or a reference to one."""
    offset: Duration | None = None
    """Moves `until`; negative is earlier."""
    at: Clock | None = None
    """Local time of day on the resulting local date; after a duration, on the next day where it is past on arrival."""
    window: Window | None = None
    """When the wait may end."""
    if_past: IfPast = "continue"
    """What to do when the instant lies in the past (or there is no date)."""
    late_by: Duration | None = None
    """How late still counts as in time."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [
            name for name, value in (("for", self.for_), ("between", self.between), ("until", self.until)) if value is not None
        ]
        if not given:
            raise wrong("a wait needs one of 'for', 'between' and 'until'", "write one of them")
        if len(given) > 1:
            raise wrong(f"says {' and '.join(map(repr, given))}: a wait has one of them", "drop all but one")
        if self.between is not None and (self.between[0].is_negative or self.between[0].shortest > self.between[1].longest):
            raise wrong("'between' ends before it begins", "write the shorter duration first", at="between")
        if self.for_ is not None and self.for_.is_negative:
            raise wrong("a wait cannot take less than no time", "write a positive 'for'", at="for")
        if self.offset is not None and self.until is None:
            raise wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'", at="offset")
        if self.late_by is not None and self.late_by.is_negative:
            raise wrong("'late_by' is negative", "write a positive duration", at="late_by")
        return self


class EventPath(Node):
    """Taken when this event arrives."""

    id: StepId
    event: Name
    """The event's name."""
    where: Filter | None = None
    """Only events whose properties pass."""
    steps: "tuple[Step, ...]" = ()


class MessagePath(Node):
    """Taken when a message of this journey has this outcome."""

    id: StepId
    message: StepId
    """The id of the `send` step."""
    status: MessageStatus
    """The outcome to wait for."""
    steps: "tuple[Step, ...]" = ()


class SegmentEnteredPath(Node):
    """Taken when the person becomes a member."""

    id: StepId
    segment_entered: Name
    """Key of the segment."""
    steps: "tuple[Step, ...]" = ()


class SegmentLeftPath(Node):
    """Taken when the person is a member no longer."""

    id: StepId
    segment_left: Name
    """Key of the segment."""
    steps: "tuple[Step, ...]" = ()


class ConditionPath(Node):
    """Taken as soon as the condition holds, at once if it holds already."""

    id: StepId
    if_: Condition = Field(alias="if")
    """Asked on arrival, whenever something it looks at changes, and when time alone changes the answer."""
    steps: "tuple[Step, ...]" = ()


WaitPath = Annotated[
    Annotated[EventPath, Tag("<event>")]
    | Annotated[MessagePath, Tag("<message>")]
    | Annotated[SegmentEnteredPath, Tag("<segment_entered>")]
    | Annotated[SegmentLeftPath, Tag("<segment_left>")]
    | Annotated[ConditionPath, Tag("<if>")],
    told_by("event", "message", "segment_entered", "segment_left", "if"),
]


class Timeout(Node):
    """When to stop waiting, and what then."""

    after: Duration | None = None
    """Counted from entering the step."""
    until: Until | None = None
    """A date, or a reference to one."""
    offset: Duration | None = None
    """Moves `until`; negative is earlier."""
    at: Clock | None = None
    """Local time of day on the resulting local date; after a duration, on the next day where it is past on arrival."""
    steps: "tuple[Step, ...]" = ()

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.after is None) == (self.until is None):
            raise wrong("a timeout needs either 'after' or 'until'", "write one of them")
        if self.after is not None and self.after.is_negative:
            raise wrong("a timeout cannot take less than no time", "write a positive 'after'", at="after")
        if self.offset is not None and self.until is None:
            raise wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'", at="offset")
        return self


class WaitFor(StepBase):
    """Waits for the first of several things to happen; the first path in the list wins where several have."""

    type: Literal["wait_for"]
    paths: tuple[WaitPath, ...] = Field(min_length=1)
    """In order of precedence."""
    since: Literal["entry", "step"] = "step"
    """Whether what happened earlier in the journey counts too, once for each wait, so that an early event is not lost."""
    timeout: Timeout | None = None
    """Waits without end where left out."""
