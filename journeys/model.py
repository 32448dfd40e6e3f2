"""The definition of a journey as frozen models: what a marketer writes, field by field."""

from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from conditions.model import Name, Node
from journeys.dates import After, DateRef, Day, GoTo, Key, StepId, Until, Window
from journeys.rules import (
    AnyEntry,
    Caps,
    EntryByApi,
    EntryByEvent,
    EntryBySchedule,
    EntryBySegment,
    ExitRule,
    Goal,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    ReentryAfter,
    Schedule,
)
from journeys.step_actions import Call, EmitEvent, Fallback, Retry, Send, StartJourney, UpdateProfile, Value
from journeys.step_waits import (
    ConditionPath,
    EventPath,
    MessagePath,
    MessageStatus,
    SegmentEnteredPath,
    SegmentLeftPath,
    Timeout,
    Wait,
    WaitFor,
    WaitPath,
)
from journeys.steps import Branch, BranchPath, Exit, Jump, Repeat, Split, SplitPath, Step

if TYPE_CHECKING:
    from journeys.index import JourneyIndex

__all__ = [
    "After",
    "AnyEntry",
    "Branch",
    "BranchPath",
    "Call",
    "Caps",
    "ConditionPath",
    "DateRef",
    "Day",
    "EmitEvent",
    "EntryByApi",
    "EntryByEvent",
    "EntryBySchedule",
    "EntryBySegment",
    "EventPath",
    "Exit",
    "ExitRule",
    "Fallback",
    "GoTo",
    "Goal",
    "Journey",
    "Jump",
    "Key",
    "MessagePath",
    "MessageStatus",
    "OnCondition",
    "OnEvent",
    "OnSegmentEntered",
    "OnSegmentLeft",
    "ReentryAfter",
    "Repeat",
    "Retry",
    "Schedule",
    "SegmentEnteredPath",
    "SegmentLeftPath",
    "Send",
    "Split",
    "SplitPath",
    "StartJourney",
    "Step",
    "StepId",
    "Timeout",
    "Until",
    "UpdateProfile",
    "Value",
    "Wait",
    "WaitFor",
    "WaitPath",
    "Window",
]


class Journey(Node):
    """A customer journey."""

    schema_: str | None = Field(default=None, alias="$schema")
    """Address of the JSON Schema, for editors."""
    key: Key
    """Name in addresses; a new version keeps it."""
    name: Name
    """For people to read."""
    purpose: Name
    """What a person must have agreed to in order to get its messages, such as `marketing` or `transactional`."""
    hypothesis: str = ""
    """What the journey is believed to do."""
    zone: str | None = None
    """IANA time zone of people who have none of their own; the workspace's where left out."""
    entry: AnyEntry
    """Who enters, and when."""
    exit_when: tuple[ExitRule, ...] = ()
    """Any of these ends the journey at once, whatever the person waits for."""
    goal: Goal | None = None
    """What counts as success."""
    steps: tuple[Step, ...] = ()
    """What happens, in order."""

    @cached_property
    def index(self) -> "JourneyIndex":
        """Steps by id with their places; built once."""
        from journeys.index import JourneyIndex  # noqa: PLC0415  the index is made of models

        return JourneyIndex.of(self)
