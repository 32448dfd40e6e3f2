"""What the random journeys are like on which other tests rest: they may be published, and everything occurs in them."""

from collections import Counter
from functools import cache
from statistics import mean
from typing import Any, get_args

from journeys import Journey, check, parse_journey
from journeys.check import errors
from journeys.flow import cycles
from journeys.model import GoTo, Wait
from journeys.steps import Step
from tests.journeys.sound import drawn, sound_definitions

STARTS, EACH = 15, 10
NUMBER = STARTS * EACH


@cache
def journeys() -> tuple[Journey, ...]:
    return tuple(parse_journey(each) for start in range(STARTS) for each in drawn(sound_definitions(), start, EACH))


def share(holds: list[Any]) -> float:
    return sum(map(bool, holds)) / len(holds)


def test_every_one_is_another_and_may_be_published() -> None:
    assert len({each.model_dump_json() for each in journeys()}) > 0.9 * NUMBER
    assert [errors(check(each)) for each in journeys()] == [()] * NUMBER


def test_they_are_as_large_and_as_deep_as_those_that_people_write() -> None:
    sizes = [len(each.index.steps) for each in journeys()]
    assert mean(sizes) > 10
    assert share([size >= 6 for size in sizes]) > 0.5
    assert share([any(len(place.parents) > 1 for place in each.index.places.values()) for each in journeys()]) > 0.3


def test_every_kind_of_step_is_common() -> None:
    found = Counter(type(step) for each in journeys() for step in each.index.steps.values())
    kinds = [get_args(kind)[0] for kind in get_args(get_args(Step)[0])]
    assert len(kinds) == 12
    assert min(found[kind] for kind in kinds) > NUMBER / 5, found


def test_they_go_round_and_jump_when_a_date_is_past() -> None:
    waits = [[step for step in each.index.steps.values() if isinstance(step, Wait)] for each in journeys()]
    assert sum(isinstance(wait.if_past, GoTo) for found in waits for wait in found) > NUMBER / 10
    assert share([cycles(each.index) for each in journeys()]) > 0.2


def test_goals_exits_and_rules_of_entry_are_common() -> None:
    found = Counter(name for each in journeys() for name in ("goal", "exit_when", "zone") if getattr(each, name))
    found.update(name for each in journeys() for name in ("only_if", "caps") if getattr(each.entry, name) is not None)
    found.update(type(each.entry).__name__ for each in journeys())
    found.update(str(each.entry.reentry) for each in journeys())
    assert min(found[name] for name in ("goal", "exit_when", "zone", "only_if", "caps")) > NUMBER / 10, found
    assert min(found[kind] for kind in ("EntryByEvent", "EntryBySegment", "EntryByApi", "EntryBySchedule")) > NUMBER / 20, found
    assert min(found[rule] for rule in ("never", "when-finished", "always")) > NUMBER / 20, found
