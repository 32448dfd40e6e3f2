"""The definition of a journey as frozen models: what a marketer writes, field by field."""

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Strict, Tag, model_validator
from pydantic_core import PydanticCustomError

from conditions.duration import Duration
from conditions.model import Condition, Filter, Moment, Name, Node, Path, Ref, TraitIs
from journeys.refs import check_ref

if TYPE_CHECKING:
    from journeys.index import JourneyIndex

StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["09:30"])]
EndClock = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["20:00"])]
RefName = Annotated[str, check_ref]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MessageStatus = Literal[
    "queued", "sent", "delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed", "skipped"
]
Count = Annotated[int, Strict()]


def _wrong(message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("journey", message, {"remedy": remedy})


# --- dates and windows


class After(Node):
    """So long after the step is entered."""

    after: Duration
    """Counted from entering the step."""


class DateRef(Node):
    """A date found by reference, with a replacement for people who have none."""

    ref: RefName
    """Where the date is, such as `entry.properties.starts_at` or `profile.traits.dog.birthdate`."""
    default: After | None = None
    """Stands in for a date that is missing or unreadable; an offset applies to it too."""


class Window(Node):
    """When the wait may end: on these days between these local times. A wait that ends outside moves forward to the next opening."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """Days of the week; all where left out."""
    from_: Clock = Field(default="00:00", alias="from")
    """Opens at this local time."""
    to: EndClock = "24:00"
    """Closes at this local time, itself outside."""

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if not self.days:
            raise _wrong("the window has no day", "name at least one day, or leave 'days' out for all")
        if self.from_ >= self.to:
            raise _wrong("the window closes before it opens", "'from' must be earlier than 'to' (no window spans midnight)")
        return self


class GoTo(Node):
    """Continue at another step."""

    goto: StepId
    """The id of the step."""


PastPolicy = Literal["continue", "exit"] | GoTo


def _until_tag(value: object) -> str | None:
    return "<date>" if isinstance(value, str) else "<ref>" if isinstance(value, dict | DateRef) else None


Until = Annotated[
    Annotated[Moment, Tag("<date>")] | Annotated[DateRef, Tag("<ref>")],
    Discriminator(_until_tag, custom_error_type="until", custom_error_message="is neither a date nor a reference to one"),
]


def _policy_tag(value: object) -> str:
    return "<goto>" if isinstance(value, dict | GoTo) else "<word>"


IfPast = Annotated[
    Annotated[Literal["continue", "exit"], Tag("<word>")] | Annotated[GoTo, Tag("<goto>")], Discriminator(_policy_tag)
]


# --- entry, exit, goal


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


def _tagger(*keys: str) -> Discriminator:
    """Tells the members of a union apart by a key that only one of them has."""

    def tag(value: object) -> str | None:
        if isinstance(value, dict):
            return next((f"<{key}>" for key in keys if key in value), None)
        return next((f"<{key}>" for key in keys if key in getattr(type(value), "model_fields", ())), None)

    return Discriminator(tag, custom_error_type="keys", custom_error_message=f"needs one of the keys {', '.join(keys)}")


AnyEntry = Annotated[
    Annotated[EntryByEvent, Tag("<event>")]
    | Annotated[EntryBySegment, Tag("<segment_entered>")]
    | Annotated[EntryByApi, Tag("<api>")],
    _tagger("event", "segment_entered", "api"),
]
ExitRule = Annotated[
    Annotated[OnEvent, Tag("<event>")]
    | Annotated[TraitIs, Tag("<trait>")]
    | Annotated[OnSegmentEntered, Tag("<segment_entered>")]
    | Annotated[OnSegmentLeft, Tag("<segment_left>")],
    _tagger("event", "trait", "segment_entered", "segment_left"),
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


# --- steps


class StepBase(Node):
    """What every step has."""

    id: StepId
    """Unique in the journey, and stable: it is the position of the people who are here."""
    name: str = ""
    """For people to read."""


class Fallback(Node):
    """When to try the next channel."""

    unless: Literal["sent", "delivered", "opened", "clicked", "replied"]
    """The outcome that makes the next channel needless."""
    within: Duration
    """How long to wait for that outcome."""


class Send(StepBase):
    """Sends a message."""

    type: Literal["send"]
    template: Name
    """Key of the template."""
    channels: tuple[Literal["email", "sms", "whatsapp", "web_push"], ...] = Field(min_length=1)
    """Best first; a channel that cannot reach the person is passed over."""
    purpose: Name | None = None
    """What the person must have agreed to; the journey's purpose where left out."""
    fallback: Fallback | None = None
    """When to try the next channel; only when one cannot reach the person, where left out."""
    valid_until: Until | None = None
    """Not sent after this instant."""


class Wait(StepBase):
    """Waits for a while, or until an instant; nothing caps it."""

    type: Literal["wait"]
    for_: Duration | None = Field(default=None, alias="for")
    """Counted from entering the step; days and longer on the person's wall clock."""
    until: Until | None = None
    """A date, or a reference to one."""
    offset: Duration | None = None
    """Moves `until`; negative is earlier."""
    at: Clock | None = None
    """Local time of day on the resulting local date."""
    window: Window | None = None
    """When the wait may end."""
    if_past: IfPast = "continue"
    """What to do when the instant lies in the past (or there is no date)."""
    late_by: Duration | None = None
    """How late still counts as in time."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.for_ is None) == (self.until is None):
            raise _wrong("a wait needs either 'for' or 'until'", "write one of them")
        if self.for_ is not None and self.for_.is_negative:
            raise _wrong("a wait cannot take less than no time", "write a positive 'for'")
        if self.offset is not None and self.until is None:
            raise _wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'")
        if self.late_by is not None and self.late_by.is_negative:
            raise _wrong("'late_by' is negative", "write a positive duration")
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


WaitPath = Annotated[Annotated[EventPath, Tag("<event>")] | Annotated[MessagePath, Tag("<message>")], _tagger("event", "message")]


class Timeout(Node):
    """When to stop waiting, and what then."""

    after: Duration | None = None
    """Counted from entering the step."""
    until: Until | None = None
    """A date, or a reference to one."""
    offset: Duration | None = None
    """Moves `until`; negative is earlier."""
    at: Clock | None = None
    """Local time of day on the resulting local date."""
    steps: "tuple[Step, ...]" = ()

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.after is None) == (self.until is None):
            raise _wrong("a timeout needs either 'after' or 'until'", "write one of them")
        if self.after is not None and self.after.is_negative:
            raise _wrong("a timeout cannot take less than no time", "write a positive 'after'")
        if self.offset is not None and self.until is None:
            raise _wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'")
        return self


class WaitFor(StepBase):
    """Waits for the first of several things to happen; the first path in the list wins where several have."""

    type: Literal["wait_for"]
    paths: tuple[WaitPath, ...] = Field(min_length=1)
    """In order of precedence."""
    since: Literal["entry", "step"] = "step"
    """Whether what happened earlier in the journey counts too, so that an early event is not lost."""
    timeout: Timeout | None = None
    """Waits without end where left out."""


class BranchPath(Node):
    """Taken by people for whom the condition holds."""

    id: StepId
    if_: Condition = Field(alias="if")
    """Asked when the person arrives."""
    steps: "tuple[Step, ...]" = ()


class Branch(StepBase):
    """Takes the first path whose condition holds, else `otherwise`."""

    type: Literal["branch"]
    paths: tuple[BranchPath, ...] = Field(min_length=1)
    """In order of precedence."""
    otherwise: "tuple[Step, ...]" = ()
    """Steps for everybody else."""


class SplitPath(Node):
    """Taken by this share of people."""

    id: StepId
    weight: Annotated[int, Strict(), Field(ge=0)]
    """Share, relative to the sum of all weights."""
    hold_out: bool = False
    """These people get nothing: they are what the others are compared with."""
    steps: "tuple[Step, ...]" = ()


class Split(StepBase):
    """Divides people at random; the same person always gets the same path."""

    type: Literal["split"]
    paths: tuple[SplitPath, ...] = Field(min_length=1)
    """The shares."""


class Repeat(StepBase):
    """Runs its steps again and again, until the condition holds before a round or the rounds are used up."""

    type: Literal["repeat"]
    until: Condition | None = None
    """Asked before every round; no further round when it holds."""
    max: Annotated[int, Strict(), Field(ge=1, le=100_000)] | None = None
    """At most so many rounds."""
    steps: "tuple[Step, ...]" = Field(min_length=1)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until is None and self.max is None:
            raise _wrong("the repetition never ends", "add 'until', 'max' or both")
        return self


def _set_tag(value: object) -> str:
    return "<ref>" if isinstance(value, Ref) or (isinstance(value, dict) and "ref" in value) else "<constant>"


class UpdateProfile(StepBase):
    """Writes traits."""

    type: Literal["update_profile"]
    set: dict[Path, Annotated[Annotated[Ref, Tag("<ref>")] | Annotated[JsonValue, Tag("<constant>")], Discriminator(_set_tag)]] = (
        Field(min_length=1)
    )
    """Dotted trait to value or `{"ref": …}`; a reference that leads nowhere writes nothing."""


class StartJourney(StepBase):
    """Enrols the person in another journey."""

    type: Literal["start_journey"]
    journey: Key
    """Key of the other journey."""
    wait: bool = False
    """Only `false` so far: this journey goes on at once."""

    @model_validator(mode="after")
    def _does_not_wait(self) -> Self:
        if self.wait:
            raise _wrong("waiting for a started journey is not supported yet", "write \"wait\": false, or leave it out")
        return self


class Exit(StepBase):
    """Ends the journey for this person."""

    type: Literal["exit"]
    reason: str = "exit"
    """Shown in statistics and explanations."""


class Jump(StepBase):
    """Continues at another step."""

    type: Literal["goto"]
    goto: StepId
    """The id of the step."""


STEP_TYPES = ("send", "wait", "wait_for", "branch", "split", "repeat", "update_profile", "start_journey", "exit", "goto")


def _step_tag(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"<{kind}>" if isinstance(kind, str) else None


Step = Annotated[
    Annotated[Send, Tag("<send>")]
    | Annotated[Wait, Tag("<wait>")]
    | Annotated[WaitFor, Tag("<wait_for>")]
    | Annotated[Branch, Tag("<branch>")]
    | Annotated[Split, Tag("<split>")]
    | Annotated[Repeat, Tag("<repeat>")]
    | Annotated[UpdateProfile, Tag("<update_profile>")]
    | Annotated[StartJourney, Tag("<start_journey>")]
    | Annotated[Exit, Tag("<exit>")]
    | Annotated[Jump, Tag("<goto>")],
    Discriminator(_step_tag),
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
    steps: "tuple[Step, ...]" = ()
    """What happens, in order."""

    @cached_property
    def index(self) -> "JourneyIndex":
        """Steps by id with their places; built once."""
        from journeys.index import JourneyIndex

        return JourneyIndex.of(self)


for _model in (EventPath, MessagePath, Timeout, WaitFor, BranchPath, Branch, SplitPath, Split, Repeat, Journey):
    _model.model_rebuild()
