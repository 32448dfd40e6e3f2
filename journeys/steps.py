"""The steps of a journey."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Strict, Tag, model_validator

from conditions.duration import Duration
from conditions.model import Condition, Filter, Name, Node, Path, Ref
from journeys.dates import Clock, IfPast, Key, StepId, Until, Window, told_by, wrong

MessageStatus = Literal["sent", "delivered", "opened", "clicked", "replied", "bounced", "rejected", "complained", "unsubscribed"]


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
    between: tuple[Duration, Duration] | None = None
    """A random time from the first to the second, counted as `for` is; drawn once for each visit."""
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
        if sum(measure is not None for measure in (self.for_, self.between, self.until)) != 1:
            raise wrong("a wait needs one of 'for', 'between' and 'until'", "write one of them")
        if self.between is not None and (self.between[0].is_negative or self.between[0].shortest > self.between[1].longest):
            raise wrong("'between' ends before it begins", "write the shorter duration first")
        if self.for_ is not None and self.for_.is_negative:
            raise wrong("a wait cannot take less than no time", "write a positive 'for'")
        if self.offset is not None and self.until is None:
            raise wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'")
        if self.late_by is not None and self.late_by.is_negative:
            raise wrong("'late_by' is negative", "write a positive duration")
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
    """Local time of day on the resulting local date."""
    steps: "tuple[Step, ...]" = ()

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.after is None) == (self.until is None):
            raise wrong("a timeout needs either 'after' or 'until'", "write one of them")
        if self.after is not None and self.after.is_negative:
            raise wrong("a timeout cannot take less than no time", "write a positive 'after'")
        if self.offset is not None and self.until is None:
            raise wrong("'offset' moves 'until', which is missing", "add 'until' or drop 'offset'")
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
    hold_out: Annotated[bool, Strict()] = False
    """These people get nothing: they are what the others are compared with."""
    steps: "tuple[Step, ...]" = ()


class Split(StepBase):
    """Divides people at random; the same person always gets the same path."""

    type: Literal["split"]
    paths: tuple[SplitPath, ...] = Field(min_length=1)
    """The shares."""
    experiment: Name | None = None
    """Name of the experiment; splits of the same name with the same shares divide people alike, in every journey."""


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
            raise wrong("the repetition never ends", "add 'until', 'max' or both")
        return self


def _set_tag(value: object) -> str:
    return "<ref>" if isinstance(value, Ref) or (isinstance(value, dict) and "ref" in value) else "<constant>"


Value = Annotated[Annotated[Ref, Tag("<ref>")] | Annotated[JsonValue, Tag("<constant>")], Discriminator(_set_tag)]


class UpdateProfile(StepBase):
    """Writes traits."""

    type: Literal["update_profile"]
    set: dict[Path, Value] = Field(min_length=1)
    """Dotted trait to value or `{"ref": …}`; a reference that leads nowhere writes nothing."""


class EmitEvent(StepBase):
    """Tracks an event about the person, as if a client had sent it."""

    type: Literal["emit_event"]
    event: Name
    """The event's name."""
    properties: dict[Name, Value] = Field(default_factory=dict)
    """Property to value or `{"ref": …}`; a reference that leads nowhere leaves its property out."""


class Retry(Node):
    """How often to try again, and how long to pause: the pause doubles from `first` up to `longest`."""

    attempts: Annotated[int, Strict(), Field(ge=1, le=50)] = 5
    """Tries in all."""
    first: Duration = Duration.parse("PT10S")
    """Pause after the first failure."""
    longest: Duration = Duration.parse("PT1H")
    """No pause is longer."""


class Call(StepBase):
    """Calls a web service; the answer is `results.ID.status`, `results.ID.headers` and `results.ID.body` from then on."""

    type: Literal["call"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """HTTP method."""
    url: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://")]
    """Address; a Liquid template."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(default_factory=dict)
    """Header to Liquid template; `{{ secrets.NAME }}` stands for a secret of the settings."""
    body: JsonValue = None
    """Sent as JSON: texts are Liquid templates, `{"ref": …}` stands for the value itself."""
    timeout: Duration = Duration.parse("PT10S")
    """For one try; a minute at most."""
    retry: Retry = Retry()
    """When the service does not answer, or answers 408, 425, 429 or 5xx."""
    on_failure: "tuple[Step, ...]" = ()
    """Steps when no try succeeded, or the answer is another 4xx; then the flow goes on behind this step."""


class StartJourney(StepBase):
    """Enrols the person in another journey."""

    type: Literal["start_journey"]
    journey: Key
    """Key of the other journey."""
    properties: dict[Name, Value] | None = None
    """What the other journey sees as `entry.properties`: value or `{"ref": …}`; this journey's own where left out."""
    wait: Annotated[bool, Strict()] = False
    """Whether to go on only when the other journey has ended: `results.ID.reason` and `results.ID.goal_reached` say how."""


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
    | Annotated[EmitEvent, Tag("<emit_event>")]
    | Annotated[Call, Tag("<call>")]
    | Annotated[StartJourney, Tag("<start_journey>")]
    | Annotated[Exit, Tag("<exit>")]
    | Annotated[Jump, Tag("<goto>")],
    Discriminator(_step_tag),
]


for _model in (
    *(EventPath, MessagePath, SegmentEnteredPath, SegmentLeftPath, ConditionPath, Timeout, WaitFor),
    *(BranchPath, Branch, SplitPath, Split, Repeat, Call),
):
    _model.model_rebuild()
