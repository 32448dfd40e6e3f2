"""Who is simulated, and what happens to them: a person with a past, and a script of what is to come."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, Tag

from conditions.duration import Duration
from conditions.model import Name
from journeys.dates import told_by
from journeys.step_waits import MessageStatus

ChannelName = Literal["email", "sms", "whatsapp", "web_push"]


class Shape(BaseModel):
    """Base: frozen, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, serialize_by_alias=True)


class Consent(Shape):
    """What the person said about one channel and purpose; the newest word counts."""

    channel: ChannelName
    purpose: Name
    state: Literal["granted", "withdrawn"] = "granted"


class PastEvent(Shape):
    """An event of the time before."""

    at: AwareDatetime
    event: Name
    properties: dict[Name, JsonValue] = Field(default_factory=dict)
    id: str | None = None


class Person(Shape):
    """A person as they are when the script begins."""

    id: str = "somebody"
    """The profile's id. Splits and random waits fall as they do for this id in the real system."""
    traits: dict[str, JsonValue] = Field(default_factory=dict)
    """`timezone` is the person's zone; `email`, `phone`, `push_subscription` say where they can be reached."""
    events: tuple[PastEvent, ...] = ()
    """What happened before."""
    segments: tuple[Name, ...] = ()
    """Memberships in segments that the setting does not define; those that it defines are worked out."""
    consents: Literal["all"] | tuple[Consent, ...] = ()
    """`all`: agrees to everything. As in the real system, only transactional messages need no consent."""
    channels: tuple[ChannelName, ...] | None = None
    """Where the person can be reached; worked out from the traits where left out."""


class Happening(Shape):
    """Something that happens at an instant."""

    at: AwareDatetime


class EventHappens(Happening):
    """The person does something."""

    event: Name
    properties: dict[Name, JsonValue] = Field(default_factory=dict)
    id: str | None = None


class TraitsChange(Happening):
    """Traits change: dotted path to value; a null removes the trait."""

    traits: dict[Name, JsonValue] = Field(min_length=1)


class SegmentEntered(Happening):
    """The person becomes a member of a segment that the setting does not define."""

    segment_entered: Name


class SegmentLeft(Happening):
    """The person is a member no longer."""

    segment_left: Name


class MessageOutcome(Happening):
    """What becomes of the newest message of a step; one that was not sent has no outcome."""

    message: Name
    """The id of the `send` step."""
    status: MessageStatus
    text: str | None = None
    """What the person replied."""
    url: str | None = None
    """What the person clicked."""
    journey: Name | None = None
    """Key of the journey; the one under test where left out."""


class CallAnswered(Happening):
    """A web service answers a try of a call that is under way, or the next one; nothing else answers this step then."""

    call: Name
    """The id of the `call` step."""
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = None
    error: str | None = None
    """It did not answer, and why: counts as a failed try."""
    journey: Name | None = None
    """As for a message."""


class ConsentChanges(Happening):
    """The person agrees, or withdraws."""

    consent: Consent


class Enrols(Shape):
    """What the API is told."""

    journey: Name | None = None
    """Key; the journey under test where left out."""
    properties: dict[Name, JsonValue] = Field(default_factory=dict)
    entry_key: str = ""


class Enrolled(Happening):
    """Somebody enters the person by the API, whatever the journey's own entry is."""

    enrol: Enrols


AnyHappening = Annotated[
    Annotated[EventHappens, Tag("<event>")]
    | Annotated[TraitsChange, Tag("<traits>")]
    | Annotated[SegmentEntered, Tag("<segment_entered>")]
    | Annotated[SegmentLeft, Tag("<segment_left>")]
    | Annotated[MessageOutcome, Tag("<message>")]
    | Annotated[CallAnswered, Tag("<call>")]
    | Annotated[ConsentChanges, Tag("<consent>")]
    | Annotated[Enrolled, Tag("<enrol>")],
    told_by("event", "traits", "segment_entered", "segment_left", "message", "call", "consent", "enrol"),
]


class Response(Shape):
    """An outcome that a message may have."""

    status: Literal["delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed"]
    chance: Annotated[float, Field(ge=0, le=1)] = 1
    """Of those who got as far as it takes: opened of the delivered ones, clicked of the opened ones."""
    after: tuple[Duration, Duration] = (Duration.parse("PT0S"), Duration.parse("PT0S"))
    """Counted from the outcome that it takes; drawn from between these."""
    text: str | None = None
    """What the person replies."""
    url: str | None = None
    """What the person clicks."""


DELIVERED = (Response(status="delivered"),)


class Behaviour(Shape):
    """What becomes of messages, channel by channel; drawn by the seed, so the same story each time."""

    email: tuple[Response, ...] = DELIVERED
    sms: tuple[Response, ...] = DELIVERED
    whatsapp: tuple[Response, ...] = DELIVERED
    web_push: tuple[Response, ...] = DELIVERED


class Answer(Shape):
    """What a called web service answers to one try."""

    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = None
    error: str | None = None
    """It did not answer, and why."""
    after: Duration = Duration.parse("PT0S")
    """How long it takes."""


class Script(Shape):
    """A person and what happens to them."""

    person: Person = Person()
    happenings: tuple[AnyHappening, ...] = ()
    """In any order."""
    begins: AwareDatetime | None = None
    """When the person is as described; with the first happening where left out.

    Who is a member of a segment by then does not enter it again.
    """
    enters: tuple[Name, ...] = ()
    """Segments of the setting that the person enters just then, if they are a member."""
    behaviour: Behaviour | None = None
    """What becomes of this person's messages; the setting's where left out."""
    outcomes: dict[str, tuple[Response, ...]] = Field(default_factory=dict)
    """What becomes of each message of a `send` step of the journey under test, on any channel, instead of the behaviour.

    It is delivered at once where they name neither `delivered`, `bounced` nor `rejected`.
    """
    splits: dict[str, str] = Field(default_factory=dict)
    """Split of the journey under test to the path that this person takes; drawn by their id where left out."""
    answers: dict[str, tuple[Answer, ...]] = Field(default_factory=dict)
    """What each try of a `call` step of the journey under test gets, the last again and again; the setting's where left out."""


__all__ = [
    "Answer",
    "AnyHappening",
    "Behaviour",
    "CallAnswered",
    "ChannelName",
    "Consent",
    "ConsentChanges",
    "Enrolled",
    "Enrols",
    "EventHappens",
    "Happening",
    "MessageOutcome",
    "PastEvent",
    "Person",
    "Response",
    "Script",
    "SegmentEntered",
    "SegmentLeft",
    "Shape",
    "TraitsChange",
]
