"""Where a person who stands at a step of one version goes in another: pure, for the preview and for the move itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from journeys import Journey

EXIT = "exit"


class Sent(BaseModel):
    """A move that the workflow is being told of: the step it goes to (None: where it is), and above which visit it counts."""

    model_config = ConfigDict(frozen=True)

    step: str | None
    offset: int
    request: str


class Wish(BaseModel):
    """Where an enrolment is to go, as its row keeps it: to a step of a version by hand, or by the mapping of a migration."""

    model_config = ConfigDict(frozen=True)

    to: str
    step: str | None = None
    mapping: dict[str, str] = {}
    migration: UUID | None = None
    who: str
    why: str = ""
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """`stay` at the step of the same id, `go` to `step`, `exit`; `nowhere`: not from this step."""

    kind: Literal["stay", "go", "exit", "nowhere"]
    step: str | None = None

    @classmethod
    def of(cls, wish: Wish, here: Journey, there: Journey, step: str) -> Self:
        """From a step of `here`."""
        if wish.step is not None:
            return cls("go", wish.step)
        target = wish.mapping.get(step)
        if target == EXIT:
            return cls("exit")
        if target is not None:
            return cls("go", target)
        return cls("stay", step) if same_place(here, there, step) else cls("nowhere")


def same_place(here: Journey, there: Journey, step: str) -> bool:
    """Whether a position in one version is one in the other: a step of the same id and type."""
    before, after = here.index.steps.get(step), there.index.steps.get(step)
    return before is not None and after is not None and before.type == after.type


def unknown_targets(there: Journey, mapping: dict[str, str]) -> dict[str, str]:
    """The entries of a mapping that lead to a step that the new version does not have."""
    return {step: target for step, target in mapping.items() if target != EXIT and target not in there.index.steps}
