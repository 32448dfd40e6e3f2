"""Findings about what never comes to a step, since an exit criterion or the goal ends the journey first."""

from collections.abc import Iterator

from conditions.logic import implies
from conditions.model import Filter
from conditions.problems import Problem
from conditions.references import filter_references, references
from journeys.model import (
    ConditionPath,
    EventPath,
    Goal,
    Journey,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    SegmentEnteredPath,
    SegmentLeftPath,
    WaitFor,
    WaitPath,
)


def exit_problems(journey: Journey) -> Iterator[Problem]:
    """Paths of waits that an exit always takes away: both hear the same, and the exit wins."""
    for step_id, step in journey.index.steps.items():
        if not isinstance(step, WaitFor):
            continue
        for position, way in enumerate(step.paths):
            winner = next(_winners(journey, way), None)
            if winner is not None:
                message = f"path {way.id!r} is never taken: {winner} ends the journey first"
                remedy = "remove the path, or narrow what ends the journey"
                path = f"{journey.index.places[step_id].path}.paths[{position}]"
                yield Problem(path=path, message=message, remedy=remedy, severity="warning")


def _winners(journey: Journey, way: WaitPath) -> Iterator[str]:
    for position, rule in enumerate(journey.exit_when):
        match way, rule:
            case EventPath(), OnEvent():
                wins = way.event == rule.event and _wider(way.where, rule.where)
            case SegmentEnteredPath(), OnSegmentEntered():
                wins = way.segment_entered == rule.segment_entered
            case SegmentLeftPath(), OnSegmentLeft():
                wins = way.segment_left == rule.segment_left
            case ConditionPath(), OnCondition():
                wins = _lasting(references(rule.if_).refs) and implies(way.if_, rule.if_)
            case _:
                wins = False
        if wins:
            yield f"$.exit_when[{position}]"
    match way, journey.goal:
        case EventPath(), Goal(on_reached="exit", within=None) as goal if way.event == goal.event and _wider(
            way.where, goal.where
        ):
            yield "the goal"
        case _:
            pass


def _wider(way: Filter | None, rule: Filter | None) -> bool:
    return _lasting(filter_references(rule).refs) and implies(way, rule)


def _lasting(refs: frozenset[str]) -> bool:
    """Whether references lead to the same values on entry, when exits are fixed, and at a step."""
    return all(ref.startswith("entry.") for ref in refs)
