"""Findings about the way through a journey: jumps, steps that cannot be reached, loops that never rest."""

from collections.abc import Iterator

from conditions.problems import Problem, did_you_mean
from journeys.flow import cycles, reachable
from journeys.index import JourneyIndex
from journeys.model import GoTo, Journey, Jump, Repeat, Send, Step, Wait
from journeys.moving import MOST_WRITTEN
from journeys.resting import Rest, at_once, perhaps_at_once, ways

MOST_STEPS, DEEPEST = 1_000, 30


def size_problems(journey: Journey) -> Iterator[Problem]:
    """A definition beyond what anybody can oversee."""
    index = journey.index
    count = len(index.steps) + len(index.duplicates)
    if count > MOST_STEPS:
        message = f"has {count} steps; {MOST_STEPS} are the most"
        yield Problem(path="$.steps", message=message, remedy="divide it into journeys that start each other")
    deep = next((place for place in index.places.values() if len(place.parents) > DEEPEST), None)
    if deep is not None:
        message = f"lies inside {len(deep.parents)} other steps; {DEEPEST} are the most"
        yield Problem(path=deep.path, message=message, remedy="go on by goto, or start another journey")


def flow_problems(journey: Journey) -> Iterator[Problem]:
    """Every finding of this kind."""
    index = journey.index
    if index.first is None:
        message, remedy = "there are none: whoever enters is done at once", "add what is to happen"
        yield Problem(path="$.steps", message=message, remedy=remedy, severity="warning")
    for step_id, step in index.steps.items():
        yield from _jumps(index, step_id, step)
    yield from _unreachable(index)
    yield from _restless(index)


def _jumps(index: JourneyIndex, step_id: str, step: Step) -> Iterator[Problem]:
    match step:
        case Jump():
            path, target = f"{index.places[step_id].path}.goto", step.goto
        case Wait(if_past=GoTo(goto=target)):
            path = f"{index.places[step_id].path}.if_past.goto"
        case _:
            return
    if target not in index.steps:
        yield Problem(path=path, message=f"there is no step {target!r}", remedy=did_you_mean(target, index.steps))
        return
    here = {*index.places[step_id].parents, step_id}
    for parent in index.places[target].parents:
        if isinstance(index.steps[parent], Repeat) and parent not in here:
            message = f"step {target!r} lies inside the repetition {parent!r}, which cannot be jumped into"
            yield Problem(path=path, message=message, remedy=f"go to {parent!r} itself")
            return


def _unreachable(index: JourneyIndex) -> Iterator[Problem]:
    reached = reachable(index, index.first)
    for step_id, place in index.places.items():
        if step_id not in reached and all(parent in reached for parent in place.parents):
            message = f"step {step_id!r} is never reached"
            yield Problem(path=place.path, message=message, remedy="remove it, or go to it from somewhere")


def _restless(index: JourneyIndex) -> Iterator[Problem]:
    known: set[str] = set()
    for cycle in cycles(index, at_once):
        known.update(cycle)
        message = f"the loop of {', '.join(cycle)} can go round without a wait"
        yield Problem(path=index.places[cycle[0]].path, message=message, remedy="put a 'wait' or 'wait_for' into every round")
    for cycle in cycles(index, perhaps_at_once):
        if known.isdisjoint(cycle):
            inside = (way for step in cycle for way in ways(index, index.steps[step]))
            kinds = {rest.value for target, rest in inside if target in cycle and rest not in (Rest.NONE, Rest.SURE)}
            message = f"the loop of {', '.join(cycle)} waits only {' and '.join(sorted(kinds))}; then it runs without rest"
            if any(isinstance(index.steps[step], Send) for step in cycle):
                message += f" and writes in each round, until it is ended after {MOST_WRITTEN}"
            remedy = "add a wait 'for' some time"
            yield Problem(path=index.places[cycle[0]].path, message=message, remedy=remedy, severity="warning")
