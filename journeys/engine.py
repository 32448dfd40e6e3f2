"""What a journey means: `start`, `plan` and `advance` move a cursor; the workflow, simulator and validator drive these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from journeys.cursor import Cursor
from journeys.errors import OutcomeMismatch, UnknownStep
from journeys.model import (
    Branch,
    Call,
    EmitEvent,
    Exit,
    Journey,
    Jump,
    Repeat,
    Send,
    Split,
    StartJourney,
    Step,
    UpdateProfile,
    Wait,
    WaitFor,
)
from journeys.outcome import (
    Chose,
    Deferred,
    Done,
    Ended,
    Matched,
    Moved,
    Outcome,
    PastDue,
    Sleep,
    TimedOut,
    Waiting,
    Woke,
)

COMPLETED = "completed"
ENDLESS = "endless"


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
    return _move(journey, Cursor(), journey.index.first)


def resume(journey: Journey, cursor: Cursor, step: str | None, offset: int) -> Cursor:
    """The cursor of somebody whom a migration or a person has moved to `step`; None: who stays, but in another version.

    `offset` is the highest visit that was decided so far: what comes is decided anew. Raises UnknownStep.
    """
    if step is not None:
        return _move(journey, Cursor(offset=offset, event_id=cursor.event_id), step)
    if cursor.step is None:
        return cursor
    parents = journey.index.places[_step(journey, cursor.step).id].parents
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
    _step(journey, cursor.step)
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
        return _finish(cursor, outcome.reason)
    if isinstance(outcome, Moved):
        return _move(journey, cursor, outcome.target)
    if isinstance(outcome, Deferred):
        return cursor
    step = _step(journey, cursor.step)
    after = journey.index.places[step.id].successor
    match step, outcome:
        case (Send() | UpdateProfile() | EmitEvent() | StartJourney(), Done()):
            return _move(journey, cursor, after)
        case (Send() | UpdateProfile() | EmitEvent() | StartJourney() | Call(), Woke()):
            return cursor
        case (Call() | StartJourney(), Waiting(matched=None)):
            return cursor
        case (Call() | StartJourney(), Waiting(matched=match)) if match is not None:
            return _answered(journey, cursor, step, outcome.kind, match.path)
        case (Call() | StartJourney(), Matched()):
            return _answered(journey, cursor, step, outcome.kind, outcome.path)
        case (Wait(), Done() | Woke()):
            return _move(journey, cursor, after)
        case (Wait(), Sleep()):
            return cursor
        case (Wait(), PastDue()):
            return _past_due(journey, cursor, outcome, after)
        case (WaitFor(), Waiting(matched=None)):
            return cursor
        case (WaitFor(), Waiting(matched=match)) if match is not None:
            return _matched(journey, cursor, step, outcome.kind, match.path, match.event_id)
        case (WaitFor(), Matched()):
            return _matched(journey, cursor, step, outcome.kind, outcome.path, outcome.event_id)
        case (WaitFor(), TimedOut() | Done()) if step.timeout is not None:
            return _move(journey, cursor, journey.index.enter(step.timeout.steps, step.id))
        case (Branch() | Split(), Chose()):
            return _chose(journey, cursor, step, outcome)
        case (Repeat(), Chose(path="again")):
            return _move(journey, cursor, journey.index.enter(step.steps, step.id))
        case (Repeat(), Chose(path="done")):
            return _move(journey, cursor, after)
        case _:
            raise OutcomeMismatch(step.id, outcome.kind, getattr(outcome, "path", ""))


def _past_due(journey: Journey, cursor: Cursor, outcome: PastDue, after: str | None) -> Cursor:
    match outcome.action:
        case "continue":
            return _move(journey, cursor, after)
        case "exit":
            return _finish(cursor, "past_due")
        case "goto":
            if outcome.target is None:
                raise OutcomeMismatch(cursor.step, outcome.kind, "goto without a target")
            return _move(journey, cursor, outcome.target)


def _matched(journey: Journey, cursor: Cursor, step: WaitFor, kind: str, path_id: str, event_id: str) -> Cursor:
    for path in step.paths:
        if path.id == path_id:
            woken = cursor.model_copy(update={"event_id": event_id})
            return _move(journey, woken, journey.index.enter(path.steps, step.id))
    raise OutcomeMismatch(step.id, kind, f"no path {path_id!r}")


def _answered(journey: Journey, cursor: Cursor, step: Call | StartJourney, kind: str, path_id: str) -> Cursor:
    after = journey.index.places[step.id].successor
    match step, path_id:
        case (Call(), "ok") | (StartJourney(), "ended"):
            return _move(journey, cursor, after)
        case (Call(), "failed"):
            return _move(journey, cursor, journey.index.enter(step.on_failure, step.id))
        case _:
            raise OutcomeMismatch(step.id, kind, f"no path {path_id!r}")


def _chose(journey: Journey, cursor: Cursor, step: Branch | Split, outcome: Chose) -> Cursor:
    for path in step.paths:
        if path.id == outcome.path:
            return _move(journey, cursor, journey.index.enter(path.steps, step.id))
    if isinstance(step, Branch) and outcome.path == "otherwise":
        return _move(journey, cursor, journey.index.enter(step.otherwise, step.id))
    raise OutcomeMismatch(step.id, outcome.kind, f"no path {outcome.path!r}")


def _move(journey: Journey, cursor: Cursor, target: str | None) -> Cursor:
    """Goes to a step, through every step that needs nobody's answer, and counts rounds and visits."""
    index = journey.index
    came_from, event_id = cursor.step, cursor.event_id
    loops, visits = dict(cursor.loops), dict(cursor.visits)
    # More hops than this go in a circle in which nobody is asked anything.
    hops_left = len(index.steps) + 1
    while target is not None:
        step = _step(journey, target)
        parents = index.places[target].parents
        if isinstance(step, Repeat):
            inside = came_from is not None and step.id in index.places[came_from].parents
            loops[step.id] = loops.get(step.id, 0) + 1 if inside else 0
        loops = {name: loops.get(name, 0) for name in (*parents, target) if isinstance(index.steps[name], Repeat)}
        if hops_left == 0:
            return _finish(cursor, ENDLESS)
        hops_left -= 1
        came_from = target
        match step:
            case Exit():
                return _finish(cursor, step.reason)
            case Jump():
                target = step.goto
            case Repeat() if step.max is not None and loops[step.id] >= step.max:
                target = index.places[target].successor
            case Repeat(until=None):
                target = index.enter(step.steps, step.id)
            case _:
                if step.id in index.recurring:
                    visits[step.id] = visits.get(step.id, 0) + 1
                return Cursor(step=step.id, visits=visits, loops=loops, offset=cursor.offset, event_id=event_id)
    return _finish(cursor, COMPLETED)


def _finish(cursor: Cursor, reason: str) -> Cursor:
    return Cursor(offset=cursor.offset, event_id=cursor.event_id, finished=reason)


def _step(journey: Journey, step_id: str) -> Step:
    steps: Mapping[str, Step] = journey.index.steps
    if step_id not in steps:
        raise UnknownStep(journey.key, step_id)
    return steps[step_id]
