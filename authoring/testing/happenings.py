"""What happens to the person of a journey test, one after the other."""

from typing import Annotated, Self

from pydantic import Field, JsonValue, Tag, model_validator

from conditions.duration import Duration
from conditions.model import Moment, Name, Node, Path
from journeys.dates import StepId, told_by, wrong
from journeys.model import MessageStatus


class Happening(Node):
    """Something that happens, at an instant or some time after another one."""

    at: Moment | None = None
    """When: a local date and time of the person, or an instant with `Z` or an offset."""
    after: Duration | None = None
    """How long after the start of the test; for messages after each sending, for calls after each try."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.at is not None and self.after is not None:
            raise wrong("both 'at' and 'after' say when", "keep one of them")
        if self.after is not None and self.after.is_negative:
            raise wrong("'after' is negative", "what happened before the start belongs into the person's 'events'")
        return self


class EventHappens(Happening):
    """The person does something: a client tracks an event."""

    event: Name
    """The event's name."""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    """What it carries."""


class TraitsChange(Happening):
    """The profile changes."""

    traits: dict[Path, JsonValue] = Field(min_length=1)
    """Dotted trait to its new value; null removes it."""


class SegmentEntered(Happening):
    """The person becomes a member of a segment that is not worked out from a file (see `segments` of the person)."""

    segment_entered: Name
    """Key of the segment."""


class SegmentLeft(Happening):
    """The person is a member of a segment no longer."""

    segment_left: Name
    """Key of the segment."""


class MessageOutcome(Happening):
    """What becomes of a message that the journey sends: `after` counts from its sending."""

    message: StepId
    """The id of the `send` step."""
    status: MessageStatus
    """The outcome."""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    """What the outcome carries, such as the `text` of a reply or the `url` of a click."""


class CallAnswer(Happening):
    """What the web service answers a `call` step; given several times for one step, each answers one try, in order."""

    call: StepId
    """The id of the `call` step."""
    status: Annotated[int, Field(ge=100, le=599)] | None = 200
    """HTTP status; null: no answer at all."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of the answer."""
    body: JsonValue = None
    """The answer's JSON."""


class JourneyEnds(Happening):
    """Another journey that a `start_journey` step waits for ends: `after` counts from its start."""

    journey: StepId
    """The id of the `start_journey` step."""
    reason: str = "completed"
    """Why it ended."""
    goal_reached: bool = False
    """Whether it reached its goal."""


AnyHappening = Annotated[
    Annotated[EventHappens, Tag("<event>")]
    | Annotated[TraitsChange, Tag("<traits>")]
    | Annotated[SegmentEntered, Tag("<segment_entered>")]
    | Annotated[SegmentLeft, Tag("<segment_left>")]
    | Annotated[MessageOutcome, Tag("<message>")]
    | Annotated[CallAnswer, Tag("<call>")]
    | Annotated[JourneyEnds, Tag("<journey>")],
    told_by("event", "traits", "segment_entered", "segment_left", "message", "call", "journey"),
]
