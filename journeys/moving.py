"""Moving a cursor: to a step, through all that ask nobody anything, with the rounds and visits counted; or to the end."""

from datetime import timedelta

from journeys.cursor import Cursor
from journeys.errors import UnknownStep
from journeys.model import Exit, Journey, Jump, Repeat, Send, Step

COMPLETED = "completed"
ENDLESS = "endless"
"""The engine's own reason for circles in which nobody is asked anything or nobody ever rests."""
MOST_ROUNDS = 100
"""How often in a row somebody may come to a wait that is over at once."""
ROUNDS_WITHIN = timedelta(hours=1)
"""Real time for so many rounds: a real condition may hold each time that somebody comes by in a life."""
AT_ONCE = timedelta(seconds=2)
"""Real time in which a condition that holds on arrival is noticed."""
MOST_WRITTEN = 10
"""How often in a row one send step may write to somebody who has not rested meanwhile, within `ROUNDS_WITHIN`."""


def move(
    journey: Journey, cursor: Cursor, target: str | None, event_id: str | None = None, passed: list[str] | None = None
) -> Cursor:
    """Goes to a step, through every step that needs nobody's answer, and counts rounds and visits. None: to the journey's end.

    `event_id` is what woke the path; None where none did. The steps gone through are added to `passed`. A cursor at no step
    comes from nowhere: it begins, or was moved by hand, and has the rounds that it brings along.
    """
    index = journey.index
    came_from, event_id = cursor.step, cursor.event_id if event_id is None else event_id
    loops = cursor.loops
    # More hops than this go in a circle in which nobody is asked anything.
    hops_left = len(index.steps) + 1
    while target is not None:
        step = index.steps.get(target) or step_of(journey, target)
        around = index.rounds[target]
        if around or loops:
            loops = {name: loops.get(name, 0) for name in around}
        if isinstance(step, Repeat) and came_from is not None:
            loops = {**loops, target: loops[target] + 1 if target in index.places[came_from].parents else 0}
        if hops_left == 0:
            return finish(cursor, ENDLESS, event_id)
        hops_left -= 1
        came_from = target
        match step:
            case Exit():
                _pass(target, passed)
                return finish(cursor, step.reason, event_id)
            case Jump():
                _pass(target, passed)
                target = step.goto
            case Repeat() if step.max is not None and loops[target] >= step.max:
                _pass(target, passed)
                target = index.places[target].successor
            case Repeat(until=None):
                _pass(target, passed)
                target = index.enter(step.steps, step.id)
            case _:
                visits = cursor.visits
                if target in index.recurring:
                    visits = {**visits, target: visits.get(target, 0) + 1}
                return Cursor(step=target, visits=visits, loops=loops, offset=cursor.offset, event_id=event_id)
    return finish(cursor, COMPLETED, event_id)


def _pass(step: str, passed: list[str] | None) -> None:
    if passed is not None:
        passed.append(step)


def turned(step: Step) -> str:
    """Why somebody who comes to this step turns in a circle."""
    if isinstance(step, Send):
        return f"wrote {MOST_WRITTEN} times in a row without the person having rested: the loop is a circle"
    return f"came here {MOST_ROUNDS} times in a row without having to wait: the loop is a circle"


def finish(cursor: Cursor, reason: str, event_id: str | None = None) -> Cursor:
    """The cursor of somebody who is done."""
    return Cursor(offset=cursor.offset, event_id=cursor.event_id if event_id is None else event_id, finished=reason)


def step_of(journey: Journey, step_id: str) -> Step:
    """The step of this id. Raises UnknownStep."""
    step = journey.index.steps.get(step_id)
    if step is None:
        raise UnknownStep(journey.key, step_id)
    return step
