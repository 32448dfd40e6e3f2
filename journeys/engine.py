"""What a journey means: `start`, `plan` and `advance` move a cursor; the workflow, simulator and validator drive these."""

from dataclasses import dataclass
from datetime import datetime

from journeys.cursor import Cursor
from journeys.model import Journey
from journeys.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Perform:
    """Ask the journeys service to perform this step; (enrolment, step, visit) is the key of its decision."""

    step_id: str
    visit: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The journey is over."""

    reason: str


Effect = Perform | Finish


def start(journey: Journey) -> Cursor:
    """The cursor of somebody who enters."""
    raise NotImplementedError


def plan(journey: Journey, cursor: Cursor) -> Effect:
    """What to do next. Raises UnknownStep where the cursor's step is not in the journey."""
    raise NotImplementedError


def advance(journey: Journey, cursor: Cursor, outcome: Outcome, now: datetime) -> Cursor:
    """The cursor after an outcome.

    An outcome that only says how long to wait (Sleep, Deferred, Waiting without a match; Woke after a deferral) leaves the cursor
    where it is. Raises OutcomeMismatch where the outcome cannot come from this step.
    """
    raise NotImplementedError
