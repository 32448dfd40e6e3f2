"""Journeys that let each other in for ever: each starts the next before anybody has waited."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conditions.logic import always
from conditions.problems import Problem
from journeys.catalog import Catalog
from journeys.model import EmitEvent, EntryByEvent, Journey, StartJourney
from journeys.resting import at_once


@dataclass(frozen=True, slots=True)
class _Start:
    """A journey is entered from here without a wait before; `sure` where no filter stands between."""

    journey: str
    path: str
    sure: bool


def circle_problems(journey: Journey, catalog: Catalog) -> Iterator[Problem]:
    """A finding for each step that begins a circle back to this journey."""
    known = {**catalog.definitions, journey.key: journey}
    starts: dict[str, list[_Start]] = {}
    for first in _starts(journey, known):
        seen: set[tuple[str, bool]] = set()
        todo: list[tuple[_Start, bool, tuple[str, ...]]] = [(first, first.sure, (journey.key, first.journey))]
        while todo:
            here, sure, way = todo.pop()
            if here.journey == journey.key:
                message = f"{' starts '.join(way)} without anybody ever waiting"
                remedy = "add a wait before this step, or do not start it again"
                yield Problem(path=first.path, message=message, remedy=remedy, severity="error" if sure else "warning")
                break
            if here.journey not in known or (here.journey, sure) in seen:
                continue
            seen.add((here.journey, sure))
            if here.journey not in starts:
                starts[here.journey] = list(_starts(known[here.journey], known))
            todo.extend((found, sure and found.sure, (*way, found.journey)) for found in starts[here.journey])


def _starts(journey: Journey, known: Mapping[str, Journey]) -> Iterator[_Start]:
    """Every entry into a journey that somebody can set off before they have waited for anything."""
    index = journey.index
    seen: set[str] = set()
    todo = [index.first] if index.first is not None else []
    while todo:
        step_id = todo.pop()
        if step_id in seen or step_id not in index.steps:
            continue
        seen.add(step_id)
        step = index.steps[step_id]
        path = index.places[step_id].path
        if isinstance(step, StartJourney):
            target = known.get(step.journey)
            free = target is None or (target.entry.only_if is None or always(target.entry.only_if))
            yield _Start(step.journey, f"{path}.journey", sure=free and (target is None or target.entry.reentry != "never"))
        elif isinstance(step, EmitEvent):
            for key, other in known.items():
                if isinstance(other.entry, EntryByEvent) and other.entry.event == step.event:
                    yield _Start(key, f"{path}.event", sure=False)
        todo.extend(at_once(index, step))
