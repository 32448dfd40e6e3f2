"""What a journey means: `start`, `plan` and `advance` move a cursor; the workflow, simulator and validator drive these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

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
from journeys.moving import COMPLETED, finish, move, step_of
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


class Perform(NamedTuple):
    """Ask the journeys service to perform this step; (enrolment, step, visit) is the key of its decision."""

    step_id: str
    visit: int


class Finish(NamedTuple):
    """The journey is over."""

    reason: str


Effect = Perform | Finish


class _Go(NamedTuple):
    """An outcome leads to a step (None: to the journey's end); `event_id` is what woke the path."""

    target: str | None
    event_id: str | None = None


class _End(NamedTuple):
    """An outcome ends the journey."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Stay:
    """An outcome only says how long to wait."""


_Turn = _Go | _End | _Stay


def start(journey: Journey, passed: list[str] | None = None) -> Cursor:
    """The cursor of somebody who enters. Steps on the way that need nobody's answer are added to `passed`."""
    return move(journey, Cursor(), journey.index.first, passed=passed)


def resume(journey: Journey, cursor: Cursor, step: str | None, offset: int, *, keep_rounds: bool = True) -> Cursor:
    """The cursor of somebody whom a migration or a person has moved to `step`; None: who stays, but in another version.

    `offset` is the highest visit that was decided so far: what comes is decided anew. Rounds that are behind them count in
    every repetition that they were in and are in again. `keep_rounds` is False for workflows of the time when a move forgot them,
    unless they stayed at a step inside. Raises UnknownStep.
    """
    if step is not None:
        loops = cursor.loops if keep_rounds else {}
        return move(journey, Cursor(loops=loops, offset=offset, event_id=cursor.event_id), step)
    if cursor.step is None:
        return cursor
    around = journey.index.rounds[step_of(journey, cursor.step).id]
    return Cursor(
        step=cursor.step,
        visits={cursor.step: cursor.visit - offset},
        loops={name: cursor.loops.get(name, 0) for name in around if keep_rounds or name != cursor.step},
        offset=offset,
        event_id=cursor.event_id,
    )


def plan(journey: Journey, cursor: Cursor) -> Effect:
    """What to do next. Raises UnknownStep where the cursor's step is not in the journey."""
    if cursor.step is None:
        return Finish(cursor.finished or COMPLETED)
    step_of(journey, cursor.step)
    return Perform(cursor.step, cursor.visit)


def advance(
    journey: Journey,
    cursor: Cursor,
    outcome: Outcome,
    now: datetime,  # noqa: ARG001  no step tells time yet
    passed: list[str] | None = None,
) -> Cursor:
    """The cursor after an outcome that came at `now`. Steps on the way that need nobody's answer are added to `passed`.

    An outcome that only says how long to wait (Sleep, Deferred, Waiting without a match) leaves the cursor where it is, as does
    Woke after a deferral: then the service is asked again. A finished cursor stays finished, whatever comes late.
    Raises OutcomeMismatch where the outcome cannot come from this step, UnknownStep where the step or a target does not exist.
    """
    if cursor.step is None:
        return cursor
    if isinstance(outcome, Ended):
        return finish(cursor, outcome.reason)
    if isinstance(outcome, Moved):
        return move(journey, cursor, outcome.target, passed=passed)
    if isinstance(outcome, Deferred):
        return cursor
    step = step_of(journey, cursor.step)
    turn = _TURNS.get(type(step))
    match None if turn is None else turn(journey, step, outcome):
        case _Go(target, event_id):
            return move(journey, cursor, target, event_id, passed)
        case _End(reason):
            return finish(cursor, reason)
        case _Stay():
            return cursor
        case None:
            raise OutcomeMismatch(step.id, outcome.kind, getattr(outcome, "path", ""))


def _behind(journey: Journey, step: Step) -> _Go:
    """To what comes after a step."""
    return _Go(journey.index.places[step.id].successor)


def _acted(journey: Journey, step: Step, outcome: Outcome) -> _Turn | None:
    match outcome:
        case Done():
            return _behind(journey, step)
        case Woke():
            return _Stay()
        case _:
            return None


def _waited(journey: Journey, step: Step, outcome: Outcome) -> _Turn | None:
    match outcome:
        case Done() | Woke():
            return _behind(journey, step)
        case Sleep():
            return _Stay()
        case PastDue(action="continue"):
            return _behind(journey, step)
        case PastDue(action="exit"):
            return _End("past_due")
        case PastDue(target=None):
            raise OutcomeMismatch(step.id, outcome.kind, "goto without a target")
        case PastDue():
            return _Go(outcome.target)
        case _:
            return None


def _awaited(journey: Journey, step: WaitFor, outcome: Outcome) -> _Turn | None:
    match outcome:
        case Waiting(matched=None):
            return _Stay()
        case Waiting(matched=Match() as match):
            return _matched(journey, step, match)
        case Matched():
            return _matched(journey, step, outcome)
        case TimedOut() | Done() if step.timeout is not None:
            return _Go(journey.index.enter(step.timeout.steps, step.id))
        case _:
            return None


def _matched(journey: Journey, step: WaitFor, match: Match | Matched) -> _Go:
    for path in step.paths:
        if path.id == match.path:
            return _Go(journey.index.enter(path.steps, step.id), match.event_id)
    raise OutcomeMismatch(step.id, "waiting" if isinstance(match, Match) else match.kind, f"no path {match.path!r}")


def _answered(journey: Journey, step: Call | StartJourney, outcome: Outcome) -> _Turn | None:
    match outcome:
        case Waiting(matched=None) | Woke():
            return _Stay()
        case Done() if isinstance(step, StartJourney):
            return _behind(journey, step)
        case Waiting(matched=Match(path=path)) | Matched(path=path):
            pass
        case _:
            return None
    match step, path:
        case (Call(), "ok") | (StartJourney(), "ended"):
            return _behind(journey, step)
        case (Call(), "failed"):
            return _Go(journey.index.enter(step.on_failure, step.id))
        case _:
            raise OutcomeMismatch(step.id, outcome.kind, f"no path {path!r}")


def _chose(journey: Journey, step: Branch | Split, outcome: Outcome) -> _Turn | None:
    if not isinstance(outcome, Chose):
        return None
    for path in step.paths:
        if path.id == outcome.path:
            return _Go(journey.index.enter(path.steps, step.id))
    if isinstance(step, Branch) and outcome.path == "otherwise":
        return _Go(journey.index.enter(step.otherwise, step.id))
    raise OutcomeMismatch(step.id, outcome.kind, f"no path {outcome.path!r}")


def _repeated(journey: Journey, step: Repeat, outcome: Outcome) -> _Turn | None:
    match outcome:
        case Chose(path="again"):
            return _Go(journey.index.enter(step.steps, step.id))
        case Chose(path="done"):
            return _behind(journey, step)
        case _:
            return None


_TURNS: Mapping[type[Step], Callable[[Journey, Any, Outcome], _Turn | None]] = {
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
"""By the type of the step: where an outcome leads; None where the outcome cannot come from such a step."""
