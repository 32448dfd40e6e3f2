"""The steps of a journey: those that part and lead the way, and all of them together."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from conditions.model import Condition, Name, Node
from journeys.dates import StepId, wrong
from journeys.step_actions import Call, EmitEvent, Send, StartJourney, UpdateProfile
from journeys.step_base import StepBase
from journeys.step_waits import ConditionPath, EventPath, MessagePath, SegmentEnteredPath, SegmentLeftPath, Timeout, Wait, WaitFor


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
    _model.model_rebuild(_types_namespace={"Step": Step})
