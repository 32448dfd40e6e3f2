"""Ids that several steps have; and the journey in which each has one of its own, so that all of them can be judged."""

from collections.abc import Iterator
from itertools import count
from typing import Any, TypeVar

from conditions.model import Node
from conditions.problems import Problem
from journeys.model import Journey, Step, Timeout

_HOLDS = ("steps", "otherwise", "on_failure")
_Part = TypeVar("_Part", bound=Node)


def id_problems(journey: Journey) -> Iterator[Problem]:
    """A finding for each step whose id is taken."""
    for step_id, path in journey.index.duplicates:
        message = f"the id {step_id!r} is taken by {journey.index.places[step_id].path}"
        yield Problem(path=f"{path}.id", message=message, remedy="give every step its own id")


def told_apart(journey: Journey) -> Journey:
    """The journey with `a (2)` for the second step `a`; whatever leads to an id leads to the first that has it."""
    if not journey.index.duplicates:
        return journey
    found = _told_apart(journey, {*journey.index.steps}, set())
    found.__dict__.pop("index", None)  # a copy keeps what was cached
    return found


def _told_apart(part: _Part, taken: set[str], seen: set[str]) -> _Part:
    """In the order of the index: the first of an id keeps it."""
    changes: dict[str, Any] = {}
    for field in type(part).model_fields:
        value = getattr(part, field)
        if field in _HOLDS:
            changes[field] = tuple(_of_its_own(step, taken, seen) for step in value)
        elif field == "paths":
            changes[field] = tuple(_told_apart(path, taken, seen) for path in value)
        elif isinstance(value, Timeout):
            changes[field] = _told_apart(value, taken, seen)
    return part.model_copy(update=changes)


def _of_its_own(step: Step, taken: set[str], seen: set[str]) -> Step:
    if step.id in seen:
        name = next(name for number in count(2) if (name := f"{step.id} ({number})") not in taken)
        taken.add(name)
        step = step.model_copy(update={"id": name})
    seen.add(step.id)
    return _told_apart(step, taken, seen)
