"""What a journey means: `start`, `plan` and `advance` move a cursor; the workflow, simulator and validator drive these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from journeys.cursor import Cursor
from journeys.errors import OutcomeMismatch
from journeys.model import (
    Branch,
    Call,
    EmitEvent,
    Journey,
    Repeat,
    Send,
    Split,
    StartJourney,
    Step,
    UpdateProfile,
    Wait,
    WaitFor,
)
from journeys.moving import COMPLETED, finish, follow, move, step_of
from journeys.outcome import (
    Chose,
    Deferred,
    Done,
    Ended,
    Match,
    Matched,
    Moved,
    Outcome,
    PastDue,
    Sleep,
    TimedOut,
    Waiting,
    Woke,
)


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
    return move(journey, Cursor(), journey.index.first)


def resume(journey: Journey, cursor: Cursor, step: str | None, offset: int) -> Cursor:
    """The cursor of somebody whom a migration or a person has moved to `step`; None: who stays, but in another version.

    `offset` is the highest visit that was decided so far: what comes is decided anew. Raises UnknownStep.
    """
    if step is not None:
        return move(journey, Cursor(offset=offset, event_id=cursor.event_id), step)
    if cursor.step is None:
        return cursor
    parents = journey.index.places[step_of(journey, cursor.step).id].parents
    return Cursor(
        step=cursor.step,
        visits={cursor.step: cursor.visit - offset},
        loops={name: cursor.loops.get(name, 0) for name in parents if isinstance(journey.index.steps[name], Repeat)},
        offset=offset,
        event_id=cursor.event_id,
    )


def plan(journey: Journey, cursor: Cursor) -> Effect:
    """What to do next. Raises UnknownStep where the cursor's step is not in the journey."""
    if cursor.step is None:
        return Finish(cursor.finished or COMPLETED)
    step_of(journey, cursor.step)
    return Perform(cursor.step, cursor.visit)


def advance(journey: Journey, cursor: Cursor, outcome: Outcome, now: datetime) -> Cursor:  # noqa: ARG001  no step tells time yet
    """The cursor after an outcome that came at `now`.

    An outcome that only says how long to wait (Sleep, Deferred, Waiting without a match) leaves the cursor where it is, as does
    Woke after a deferral: then the service is asked again. A finished cursor stays finished, whatever comes late.
    Raises OutcomeMismatch where the outcome cannot come from this step, UnknownStep where the step or a target does not exist.
    """
    if cursor.step is None:
        return cursor
    if isinstance(outcome, Ended):
        return finish(cursor, outcome.reason)
    if isinstance(outcome, Moved):
        return move(journey, cursor, outcome.target)
    if isinstance(outcome, Deferred):
        return cursor
    step = step_of(journey, cursor.step)
    turn = _TURNS.get(type(step))
    after = None if turn is None else turn(journey, cursor, step, outcome)
    if after is None:
        raise OutcomeMismatch(step.id, outcome.kind, getattr(outcome, "path", ""))
    return after


def _acted(journey: Journey, cursor: Cursor, step: Step, outcome: Outcome) -> Cursor | None:
    match outcome:
        case Done():
            return follow(journey, cursor, step)
        case Woke():
            return cursor
        case _:
            return None


def _waited(journey: Journey, cursor: Cursor, step: Step, outcome: Outcome) -> Cursor | None:
    match outcome:
        case Done() | Woke():
            return follow(journey, cursor, step)
        case Sleep():
            return cursor
        case PastDue(action="continue"):
            return follow(journey, cursor, step)
        case PastDue(action="exit"):
            return finish(cursor, "past_due")
        case PastDue(target=None):
            raise OutcomeMismatch(step.id, outcome.kind, "goto without a target")
        case PastDue():
            return move(journey, cursor, outcome.target)
        case _:
            return None


def _awaited(journey: Journey, cursor: Cursor, step: WaitFor, outcome: Outcome) -> Cursor | None:
    match outcome:
        case Waiting(matched=None):
            return cursor
        case Waiting(matched=Match() as match):
            return _matched(journey, cursor, step, match)
        case Matched():
            return _matched(journey, cursor, step, outcome)
        case TimedOut() | Done() if step.timeout is not None:
            return move(journey, cursor, journey.index.enter(step.timeout.steps, step.id))
        case _:
            return None


def _matched(journey: Journey, cursor: Cursor, step: WaitFor, match: Match | Matched) -> Cursor:
    for path in step.paths:
        if path.id == match.path:
            return move(journey, cursor, journey.index.enter(path.steps, step.id), match.event_id)
    raise OutcomeMismatch(step.id, "waiting" if isinstance(match, Match) else match.kind, f"no path {match.path!r}")


def _answered(journey: Journey, cursor: Cursor, step: Call | StartJourney, outcome: Outcome) -> Cursor | None:
    match outcome:
        case Waiting(matched=None) | Woke():
            return cursor
        case Done() if isinstance(step, StartJourney):
            return follow(journey, cursor, step)
        case Waiting(matched=Match(path=path)) | Matched(path=path):
            pass
        case _:
            return None
    match step, path:
        case (Call(), "ok") | (StartJourney(), "ended"):
            return follow(journey, cursor, step)
        case (Call(), "failed"):
            return move(journey, cursor, journey.index.enter(step.on_failure, step.id))
        case _:
            raise OutcomeMismatch(step.id, outcome.kind, f"no path {path!r}")


def _chose(journey: Journey, cursor: Cursor, step: Branch | Split, outcome: Outcome) -> Cursor | None:
    if not isinstance(outcome, Chose):
        return None
    for path in step.paths:
        if path.id == outcome.path:
            return move(journey, cursor, journey.index.enter(path.steps, step.id))
    if isinstance(step, Branch) and outcome.path == "otherwise":
        return move(journey, cursor, journey.index.enter(step.otherwise, step.id))
    raise OutcomeMismatch(step.id, outcome.kind, f"no path {outcome.path!r}")


def _repeated(journey: Journey, cursor: Cursor, step: Repeat, outcome: Outcome) -> Cursor | None:
    match outcome:
        case Chose(path="again"):
            return move(journey, cursor, journey.index.enter(step.steps, step.id))
        case Chose(path="done"):
            return follow(journey, cursor, step)
        case _:
            return None


_TURNS: Mapping[type[Step], Callable[[Journey, Cursor, Any, Outcome], Cursor | None]] = {
    Send: _acted,
    UpdateProfile: _acted,
    EmitEvent: _acted,
    Wait: _waited,
    WaitFor: _awaited,
    Call: _answered,
    StartJourney: _answered,
    Branch: _chose,
    Split: _chose,
    Repeat: _repeated,
}
"""By the type of the step: the cursor after an outcome; None where the outcome cannot come from such a step."""
