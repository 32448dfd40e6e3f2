"""What happens to the person of a journey test, one after the other."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, Tag, model_validator

from conditions.duration import Duration
from conditions.model import Moment, Name, Node, Path
from journeys.dates import StepId, told_by, wrong
from journeys.simulation.people import ChannelName

CHANNELS: tuple[ChannelName, ...] = ("email", "sms", "whatsapp", "web_push")


class Happening(Node):
    """Something that happens, at an instant or some time after another one."""

    at: Moment | None = None
    """When: a local date and time of the person, or an instant with `Z` or an offset."""
    after: Duration | None = None
    """How long after the start, days and longer on the person's wall clock; outcomes and answers count otherwise."""

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
    """The person becomes a member of a segment that the folder does not define."""

    segment_entered: Name
    """Key of the segment."""


class SegmentLeft(Happening):
    """The person is a member of a segment no longer."""

    segment_left: Name
    """Key of the segment."""


class MessageOutcome(Happening):
    """What becomes of the messages of a step."""

    message: StepId
    """The id of the `send` step. `after` counts from the outcome that this one takes (`clicked` from `opened`, that from
    `delivered`), else from each sending; at once where no time is written. With `at`, it is the newest message's outcome."""
    status: Literal["delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed"]
    """The outcome. Every message is delivered at once unless an outcome of its step says `bounced` or `rejected`."""
    text: str | None = None
    """What the person replies."""
    url: str | None = None
    """What the person clicks."""


class CallAnswer(Happening):
    """What the web service answers a `call` step; given several times for one step, each answers one try, the last all others."""

    call: StepId
    """The id of the `call` step; `after` counts from the try, at once where no time is written. With `at`, it comes then."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    """HTTP status."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of the answer."""
    body: JsonValue = None
    """The answer's JSON."""
    error: str | None = None
    """There is no answer, and why: a failed try."""


class Agrees(Happening):
    """The person agrees to get messages."""

    agrees: Name
    """The purpose, such as `marketing`."""
    channels: tuple[ChannelName, ...] = CHANNELS
    """On these channels; all where left out."""


class Withdraws(Happening):
    """The person wants no more messages."""

    withdraws: Name
    """The purpose."""
    channels: tuple[ChannelName, ...] = CHANNELS
    """On these channels; all where left out."""


AnyHappening = Annotated[
    Annotated[EventHappens, Tag("<event>")]
    | Annotated[TraitsChange, Tag("<traits>")]
    | Annotated[SegmentEntered, Tag("<segment_entered>")]
    | Annotated[SegmentLeft, Tag("<segment_left>")]
    | Annotated[MessageOutcome, Tag("<message>")]
    | Annotated[CallAnswer, Tag("<call>")]
    | Annotated[Agrees, Tag("<agrees>")]
    | Annotated[Withdraws, Tag("<withdraws>")],
    told_by("event", "traits", "segment_entered", "segment_left", "message", "call", "agrees", "withdraws"),
]
