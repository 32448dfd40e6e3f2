"""Problems of form do not hide those of meaning, and nothing is claimed that repairing them would make untrue."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conditions.problems import Problem
from journeys import Catalog, check, check_definition, parse_journey
from journeys.catalog import CallTemplate
from tests.journeys.helpers import EVENT, branch, goto, leads_somewhere, pause, send, small, wait_for
from tests.journeys.strategies import definitions

Json = dict[str, Any]
SOON = {"after": "P1D"}


def found(data: object) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in check_definition(data)[1]]


def test_what_is_wrong_beside_and_inside_an_unreadable_step_is_found_with_it() -> None:
    inner = wait_for("w", [goto("g", "nowhere")], timeot={"after": "P1D"})
    data = small(
        pause("a", fro="P1D"),
        send("s", channels=["sms", "sms"]),
        {"id": "b", "type": "branch", "paths": [{"iff": {"segment": "vip"}, "steps": [inner]}], "otherwise": [send("s")]},
        zone="Mars/Olympus",
    )
    assert found({**data, "purpose": 3}) == [
        ("$.purpose", "is 3"),
        ("$.steps[0].fro", "unknown key 'fro'"),
        ("$.steps[1].channels", "a channel is named twice"),
        ("$.steps[2].otherwise[0].id", "the id 's' is taken by $.steps[1]"),
        ("$.steps[2].paths[0].id", "is missing"),
        ("$.steps[2].paths[0].if", "is missing"),
        ("$.steps[2].paths[0].iff", "unknown key 'iff'"),
        ("$.steps[2].paths[0].steps[0].paths[0].steps[0].goto", "there is no step 'nowhere'"),
        ("$.steps[2].paths[0].steps[0].timeot", "unknown key 'timeot'"),
        ("$.zone", "'Mars/Olympus' is no time zone"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        small({"id": "j", "type": "goto", "goto": 3}, send("behind")),  # it may be meant to go there
        small({"type": "exitt"}, send("behind")),
        small(send("s", templat="x"), wait_for("w", timeout=SOON) | {"paths": [{"id": "p", "message": "s", "status": "opened"}]}),
        small({"id": "c", "type": "call"}, {"id": "u", "type": "update_profile", "set": {"x": {"ref": "results.c.status"}}}),
        small({"id": "w", "type": "wait_for"}, {"id": "u", "type": "update_profile", "set": {"x": {"ref": "event.id"}}}),
        small({"id": "w", "type": "wait"}, goto("g", "w")),
        small({"id": "b", "type": "branch", "pths": [{"id": "p", "steps": [pause("in")]}]}, goto("g", "in")),
        small({"id": "r", "type": "repeat", "max": 3, "stps": [send("s"), pause("w")]}, goto("g", "w")),
    ],
)
def test_nothing_is_claimed_of_what_an_unreadable_step_may_have_meant(data: Json) -> None:
    journey, problems = check_definition(data)
    assert journey is None
    assert {problem.path for problem in problems} <= {
        f"$.steps[0]{part}"
        for part in ("", ".type", ".goto", ".template", ".templat", ".url", ".paths", ".pths", ".steps", ".stps")
    }


def test_what_is_inside_a_misspelt_key_is_judged_too() -> None:
    inside = [send("s", channels=["sms", "sms"]), pause("in")]
    data = small({"id": "b", "type": "branch", "pths": [{"id": "p", "steps": inside}]}, goto("g", "inn"))
    assert {
        ("$.steps[0].pths[0].steps[0].channels", "a channel is named twice"),
        ("$.steps[1].goto", "there is no step 'inn'"),
    } <= {*found(data)}
    assert [path for path, _ in found({**small(goal={"event": "Paid"}, stps=[send("s")]), "steps": None})] == [
        "$.steps",
        "$.stps",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        {"exit_wehn": [EVENT]},
        {"exit_when": EVENT},
        {"goal": {**EVENT, "on_reached": "exit", "wihtin": "P1D"}},
        {"steps": None, "stps": [pause("p")]},
        {"steps": 3},
    ],
)
def test_what_the_unreadable_frame_may_say_is_not_missed(frame: Json) -> None:
    journey, problems = check_definition({**small(wait_for("w")), **frame})
    assert journey is None
    assert {problem.severity for problem in problems} == {"error"}, problems


@pytest.mark.parametrize(
    "lost",
    [
        {"id": "w", "type": "wait_for"},
        {"id": "w", "type": "wait_for", "pths": [{"id": "p", "event": "Paid", "steps": [goto("g", "b")]}]},
        branch("w", {"any": []}) | {"paths": {"id": "p", "steps": [goto("g", "b")]}},
        branch("w", {"segment": "vip"}, otherwise=[]) | {"otherwize": [goto("g", "b")]},
    ],
)
def test_a_step_that_only_a_lost_one_may_lead_to_is_not_said_to_be_never_reached(lost: Json) -> None:
    data = small(lost, {"id": "x", "type": "exit"}, pause("b"))
    assert not [message for _, message in found(data) if "never reached" in message]


@pytest.mark.parametrize(
    "data", [[], None, {}, {"steps": 3}, {"steps": [3, [], {"id": []}]}, small({"id": "b", "paths": {"steps": 3}})]
)
def test_whatever_is_no_journey_has_problems_and_raises_nothing(data: object) -> None:
    journey, problems = check_definition(data)
    assert journey is None
    assert problems


def test_a_readable_definition_is_simply_checked() -> None:
    data = small(branch("b", {"any": []}))
    assert check_definition(data) == (parse_journey(data), check(parse_journey(data)))


def steps_of(data: object) -> Iterator[Json]:
    if isinstance(data, dict):
        if "id" in data and "type" in data:
            yield data
        for part in data.values():
            yield from steps_of(part)
    elif isinstance(data, list):
        for part in data:
            yield from steps_of(part)


def known(problems: tuple[Problem, ...]) -> set[tuple[str, str]]:
    return {(problem.path, problem.message) for problem in problems}


@settings(max_examples=60, deadline=None)
@given(definitions(), st.data())
def test_every_finding_about_the_rest_is_one_about_the_repaired_definition(data: Json, draws: st.DataObject) -> None:
    whole = known(check(parse_journey(data)))
    broken = copy.deepcopy(data)
    damaged = draws.draw(st.lists(st.sampled_from(list(steps_of(broken["steps"]))), min_size=1, max_size=2))
    for step in damaged:
        match draws.draw(st.sampled_from(["key", "type", "field"])):
            case "key":
                step["typo"] = 1
            case "type":
                step["type"] = "unknown"
            case _:
                name = next((name for name in step if name not in {"id", "type"}), "")
                field = step.pop(name, None)
                if any(steps_of(field)):  # steps that are gone are missed with good reason: these are only lost
                    step[f"{name}x"] = field
    journey, problems = check_definition(broken)
    if journey is not None:  # what was left out has a default
        return
    own = damage(broken, damaged)
    more = known(problems) - whole
    assert [
        (path, said)
        for path, said in more
        if not any(path.startswith(step) for step in own)
        and not shorter(said, whole)
        and not inner(path, said, whole)
        and not deeper(path, said, whole)
    ] == []
    assert all(leads_somewhere(broken, problem.path) for problem in problems)


def shorter(said: str, whole: set[tuple[str, str]]) -> bool:
    """Whether it tells of a loop that is found in the whole with the unreadable step in it, or behind a worse one there."""
    if not said.startswith("the loop"):
        return False
    loops = [(set(re.findall(r"s\d+", other)), other) for _, other in whole if other.startswith("the loop")]
    steps = set(re.findall(r"s\d+", said))
    return any(steps <= loop or (steps & loop and "without a wait" in other) for loop, other in loops)


def inner(path: str, said: str, whole: set[tuple[str, str]]) -> bool:
    """Whether it names an inner repetition that cannot be jumped into, where the whole names the one around it."""
    start, lies, _ = said.partition(" lies inside the repetition ")
    return bool(lies) and any(where == path and other.startswith(start + lies) for where, other in whole)


def deeper(path: str, said: str, whole: set[tuple[str, str]]) -> bool:
    """Whether it names a step that is never reached inside one that is never reached: the whole names the outer one alone."""
    lost = [where for where, other in whole if other.endswith("is never reached")]
    return said.endswith("is never reached") and any(path.startswith(f"{where}.") for where in lost)


def damage(broken: Json, damaged: list[Json]) -> list[str]:
    """JSON paths of the damaged steps."""
    return [path for path, step in places(broken["steps"], "$.steps") if any(step is other for other in damaged)]


def places(data: object, path: str) -> Iterator[tuple[str, object]]:
    yield path, data
    if isinstance(data, dict):
        for name, part in data.items():
            yield from places(part, f"{path}.{name}")
    elif isinstance(data, list):
        for at, part in enumerate(data):
            yield from places(part, f"{path}[{at}]")


JUNK: list[Any] = [
    None, True, -1, 10**30, 0.5, float("nan"), "", "x", "{{ x", "\0", "é" * 300, [], ["send"], [[]], {}, {"id": "a"}, {"ref": []},
    {"": None}, [{"id": [], "type": {}}],
]  # fmt: skip


def slots(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what contains it, and under which key or number."""
    for key, part in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield data, key
        yield from slots(part)


@settings(max_examples=200, deadline=None)
@given(definitions(), st.data())
def test_a_definition_with_anything_anywhere_is_judged_and_raises_nothing(data: Json, draws: st.DataObject) -> None:
    names = frozenset({"order"})
    catalog = Catalog(
        names, names, names, names, names, names, call_template=lambda text: CallTemplate("odd" if "x" in text else None)
    )
    broken = copy.deepcopy(data)
    for _ in range(draws.draw(st.integers(1, 3))):
        places = list(slots(broken))
        container, key = draws.draw(st.sampled_from(places)) if places else (broken, "steps")
        container[key] = copy.deepcopy(draws.draw(st.sampled_from(JUNK)))
    journey, problems = check_definition(broken, catalog)
    assert journey is not None or any(problem.severity == "error" for problem in problems)
    assert all(problem.path.startswith("$") and problem.message for problem in problems)
