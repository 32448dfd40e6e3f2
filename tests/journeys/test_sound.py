"""What the random journeys are like on which other tests rest: they may be published, and everything occurs in them."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from statistics import mean
from typing import Any, get_args

from journeys import Journey, check, parse_journey
from journeys.check import errors
from journeys.flow import cycles
from journeys.mentions import mentions
from journeys.model import ExitRule, GoTo, Repeat, Split, Wait, WaitFor, WaitPath
from journeys.refs import PARTS, parse_ref
from journeys.steps import Step
from tests.journeys.sound import drawn, sound_definitions

STARTS, EACH = 15, 10
NUMBER = STARTS * EACH


@cache
def journeys() -> tuple[Journey, ...]:
    return tuple(parse_journey(each) for start in range(STARTS) for each in drawn(sound_definitions(), start, EACH))


def share(holds: list[Any]) -> float:
    return sum(map(bool, holds)) / len(holds)


def members(union: Any) -> list[Any]:
    return [get_args(kind)[0] for kind in get_args(get_args(union)[0])]


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the JSON of a journey."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


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
    kinds = members(Step)
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


def test_every_kind_of_exit_and_of_what_is_waited_for_is_common() -> None:
    rules = Counter(type(rule) for each in journeys() for rule in each.exit_when)
    assert min(rules[kind] for kind in members(ExitRule)) > NUMBER / 50, rules
    waits = [step for each in journeys() for step in each.index.steps.values() if isinstance(step, WaitFor)]
    ways = Counter(type(way) for wait in waits for way in wait.paths)
    assert min(ways[kind] for kind in members(WaitPath)) > NUMBER / 15, ways
    ends = Counter("none" if wait.timeout is None else "until" if wait.timeout.until else "after" for wait in waits)
    assert min(ends[end] for end in ("none", "until", "after")) > NUMBER / 15, ends


def test_every_kind_of_reference_occurs_where_something_is_looked_up() -> None:
    found = Counter[str]()
    for mention in (mention for each in journeys() for mention in mentions(each)):
        for ref in map(parse_ref, mention.names.refs):
            assert ref is not None
            found[f"{ref.root}.{ref.path[1 if ref.root == 'results' else 0]}"] += 1
    results = ("status", "headers", "body", "error", "reason", "goal_reached")
    kinds = [f"{root}.{part}" for root, known in {**PARTS, "results": results}.items() for part in known]
    assert len(kinds) == 17
    assert min(found[kind] for kind in kinds) > NUMBER / 50, found


def test_conditions_and_filters_look_at_references_and_at_what_happens_to_people() -> None:
    told = [part for each in journeys() for part in parts(each.model_dump(mode="json", by_alias=True, exclude_unset=True))]
    asked = Counter[str]()
    for part in told:
        asked["value of a reference"] += isinstance(part.get("value"), dict) and "ref" in part["value"]
        if isinstance(part.get("property"), str):
            asked["property like a reference"] += any(isinstance(test, dict) and "ref" in test for test in part.values())
        asked["event"] += part.get("event") in {"Order", "Paid"} and "within" in part
        asked["segment"] += part.get("segment") == "vip" and "schedule" not in part
        asked["trait"] += bool(re.match(r"dog\.", str(part.get("trait"))))
    assert min(asked.values()) > NUMBER / 15, asked


def test_hold_outs_and_repetitions_that_end_by_their_condition_alone_are_common() -> None:
    steps = [step for each in journeys() for step in each.index.steps.values()]
    assert share([any(path.hold_out for path in step.paths) for step in steps if isinstance(step, Split)]) > 0.2
    assert share([step.max is None for step in steps if isinstance(step, Repeat)]) > 0.05
