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
            raise wrong("a wait needs either 'for' or 'until'", "write one of them")
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


WaitPath = Annotated[Annotated[EventPath, Tag("<event>")] | Annotated[MessagePath, Tag("<message>")], told_by("event", "message")]


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
            raise wrong("the repetition never ends", "add 'until', 'max' or both")
        return self


def _set_tag(value: object) -> str:
    return "<ref>" if isinstance(value, Ref) or (isinstance(value, dict) and "ref" in value) else "<constant>"


class UpdateProfile(StepBase):
    """Writes traits."""

    type: Literal["update_profile"]
    set: dict[
        Path, Annotated[Annotated[Ref, Tag("<ref>")] | Annotated[JsonValue, Tag("<constant>")], Discriminator(_set_tag)]
    ] = Field(min_length=1)
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
            raise wrong("waiting for a started journey is not supported yet", 'write "wait": false, or leave it out')
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


for _model in (EventPath, MessagePath, Timeout, WaitFor, BranchPath, Branch, SplitPath, Split, Repeat):
    _model.model_rebuild()
