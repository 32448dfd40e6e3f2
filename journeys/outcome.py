"""What comes of a step: the journeys service's answers and what the shell itself sees. Also the wire format.

Outcomes go into workflow history, so they hold ids, instants and choices only, never personal data.
`wake_at` is a real instant (UTC); with `confirm` the shell asks the service again when it wakes, and does not trust the timer.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, TypeAdapter


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(_Outcome):
    """A path of a `wait_for` and the event (or receipt) that took it."""

    path: str
    event_id: str


class Done(_Outcome):
    """The step is complete: sent (or skipped for good), written, started, or a wait that is due."""

    kind: Literal["done"] = "done"
    detail: str | None = None


class Chose(_Outcome):
    """A branch's path id or `otherwise`, a split's path id, or a repetition's `again` or `done`."""

    kind: Literal["chose"] = "chose"
    path: str


class Sleep(_Outcome):
    """A wait that ends then."""

    kind: Literal["sleep"] = "sleep"
    wake_at: AwareDatetime
    confirm: bool = False


class PastDue(_Outcome):
    """A wait whose instant lay in the past; what its policy says."""

    kind: Literal["past_due"] = "past_due"
    action: Literal["continue", "exit", "goto"]
    target: str | None = None


class Waiting(_Outcome):
    """A `wait_for` is registered, a call or another journey is under way; a signal will tell.

    `matched` where it is known already (the look back found something), `wake_at` where it times out.
    """

    kind: Literal["waiting"] = "waiting"
    wake_at: AwareDatetime | None = None
    confirm: bool = False
    matched: Match | None = None


class Deferred(_Outcome):
    """A step that must wait (a send in quiet hours or over its caps, anything while the journey is paused): ask again then."""

    kind: Literal["deferred"] = "deferred"
    wake_at: AwareDatetime
    confirm: bool = False


class Moved(_Outcome):
    """The enrolment goes on at another step: the policy of a wait that came due during a pause says so."""

    kind: Literal["moved"] = "moved"
    target: str


class Ended(_Outcome):
    """The enrolment is over, whatever the step: an exit rule, a goal, an erasure."""

    kind: Literal["ended"] = "ended"
    reason: str


class Later(_Outcome):
    """Nothing was decided: something the step needs does not answer. Whoever asked asks again; it never reaches a cursor."""

    kind: Literal["later"] = "later"
    why: str


class Woke(_Outcome):
    """The shell's timer for a sleep or deferral fired."""

    kind: Literal["woke"] = "woke"


class Matched(_Outcome):
    """A signal: a path of the `wait_for` is taken, or a call (`ok`, `failed`) or a started journey (`ended`) has ended."""

    kind: Literal["matched"] = "matched"
    path: str
    event_id: str


class TimedOut(_Outcome):
    """The time of a `wait_for` is up: the shell's timer fired, or the service, asked to confirm, says so."""

    kind: Literal["timed_out"] = "timed_out"


ServiceOutcome = Annotated[
    Done | Chose | Sleep | PastDue | Waiting | Deferred | Moved | Ended | TimedOut | Later, Discriminator("kind")
]
"""What the journeys service answers for a step."""
Outcome = Annotated[
    Done | Chose | Sleep | PastDue | Waiting | Deferred | Moved | Ended | Woke | Matched | TimedOut, Discriminator("kind")
]
"""Everything `advance` understands."""


class StepResults(BaseModel):
    """The answer of `POST /v1/steps`: one outcome per item, in its order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    results: tuple[ServiceOutcome, ...]


_outcomes: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def parse_outcome(data: object) -> Outcome:
    """Reads an outcome from JSON data; raises pydantic.ValidationError."""
    return _outcomes.validate_python(data)
