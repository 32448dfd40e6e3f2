"""The JSON Schema accepts what the parser accepts, refuses what it refuses, and tells an editor what everything is."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import TypeAdapter

from journeys import JourneyError, journey_schema, parse_journey
from journeys.model import Journey, Step
from journeys.schema_examples import EXAMPLES
from tests.journeys.helpers import ROOT, branch, call, pause, send, small, wait_for
from tests.journeys.strategies import definitions

Json = dict[str, Any]
SCHEMA: Json = journey_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
JOURNEYS = [path for path in sorted(ROOT.glob("examples/*/journeys/*.json")) if "steps" in json.loads(path.read_text())]


def parses(data: object) -> bool:
    try:
        parse_journey(data)
    except JourneyError:
        return False
    return True


def fits(data: object) -> bool:
    return bool(VALIDATOR.is_valid(data))


def test_the_schema_is_one_and_its_id_is_an_address_under_the_base_that_is_asked_for() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "https://reis.example/schema/journey-1.json"
    assert journey_schema("https://shop.example/v1/")["$id"] == "https://shop.example/v1/journey-1.json"
    assert journey_schema() == SCHEMA


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda path: path.stem)
def test_every_example_fits(path: Path) -> None:
    data = json.loads(path.read_text())
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@settings(max_examples=60, deadline=None)
@given(definitions())
def test_every_journey_that_can_be_read_fits(data: Json) -> None:
    assert parses(data)
    assert fits(data)


WRONG = [
    {**small(), "nme": "x"},
    {name: value for name, value in small().items() if name != "purpose"},
    small(entry={"event": "A", "segment_entered": "vip"}),
    small(entry={"event": "A", "key": "order.id"}),
    small(entry={"schedule": {"rrule": "FREQ=DAILY", "starts": "soon"}, "segment": "vip"}),
    small(entry={"event": "A", "reentry": "sometimes"}),
    small(entry={"event": "A", "reentry": {"after": "-P1D"}}),
    small(entry={"event": "A", "caps": {"per_hour": 0}}),
    small({"id": "a", "type": "brunch"}),
    small({"id": "a"}),
    small({"type": "exit"}),
    small({"id": "a b", "type": "exit"}),
    small(send("a", channels=[])),
    small(send("a", channels=["fax"])),
    small(send("a", chanels=["sms"])),
    small(send("a", valid_until="soon")),
    small({"id": "a", "type": "wait"}),
    small(pause("a", until="2026-01-01")),
    small(pause("a", **{"for": "-P1D"})),
    small(pause("a", **{"for": "1 day"})),
    small(pause("a", offset="P1D")),
    small(pause("a", at="25:00")),
    small(pause("a", window={"days": []})),
    small(pause("a", window={"days": ["mon", "mon"]})),
    small(pause("a", if_past="stop")),
    small({"id": "a", "type": "wait", "until": {"ref": "order.id"}}),
    small({"id": "a", "type": "wait", "between": ["P1D"]}),
    small(wait_for("a", timeout={"steps": []})),
    small(wait_for("a", timeout={"after": "P1D", "until": "2026-01-01"})),
    small(wait_for("a", paths=[{"id": "p"}])),
    small(wait_for("a", paths=[])),
    small(wait_for("a", paths=[{"id": "p", "message": "b", "status": "read"}])),
    small(branch("a", {"trait": "x"})),
    small(branch("a", {"trait": "x", "eq": 1, "ne": 2})),
    small(branch("a", {"trait": "x.0", "eq": 1})),
    small(branch("a", {"trait": "x", "eq": None})),
    small(branch("a", {"value": {"ref": "results.c.status"}})),
    small(branch("a", {"event": "E", "count": {}})),
    small(branch("a", {"event": "E", "within": "P1D", "between": ["2026-01-01", "2026-02-01"]})),
    small(branch("a", {"any": [{"segmnt": "vip"}]})),
    small({"id": "a", "type": "repeat", "steps": [pause("b")]}),
    small({"id": "a", "type": "repeat", "max": 3, "steps": []}),
    small({"id": "a", "type": "split", "paths": [{"id": "p", "weight": "half"}]}),
    small({"id": "a", "type": "split", "paths": [{"id": "p", "weight": 1, "hold_out": "yes"}]}),
    small({"id": "a", "type": "update_profile", "set": {}}),
    small({"id": "a", "type": "update_profile", "set": {"a..b": 1}}),
    small({"id": "a", "type": "update_profile", "set": {"x": {"ref": 3}}}),
    small(call("a", url="ftp://x.example")),
    small(call("a", headers={"X Key": "1"})),
    small(call("a", retry={"attempts": 0})),
    small({"id": "a", "type": "start_journey", "journey": "x", "wait": 1}),
    small({"id": "a", "type": "goto"}),
]


@pytest.mark.parametrize("data", WRONG)
def test_what_the_parser_refuses_the_schema_refuses(data: object) -> None:
    assert not parses(data)
    assert not fits(data)


def places(data: object) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of the document."""
    entries: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, part in entries:
        yield data, key
        yield from places(part)


@settings(max_examples=100, deadline=None)
@given(definitions(), st.data())
def test_a_change_anywhere_is_judged_alike_by_parser_and_schema(data: Json, draws: st.DataObject) -> None:
    data = copy.deepcopy(data)
    container, key = draws.draw(st.sampled_from(list(places(data))))
    match draws.draw(st.sampled_from(["remove", "add", "replace"])):
        case "remove":
            del container[key]
        case "add" if isinstance(container, dict):
            container["typo"] = 1
        case _:
            container[key] = draws.draw(st.sampled_from([None, 3, "x", [], {}, True]))
    assert fits(data) is parses(data)


def test_every_part_and_every_property_says_what_it_is() -> None:
    parts = {"$": SCHEMA, **SCHEMA["$defs"]}
    silent = [name for name, part in parts.items() if len(part.get("description", "")) < 5 or not part.get("title")]
    silent += [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, described in part.get("properties", {}).items()
        if len(described.get("description", "")) < 5
    ]
    assert silent == []


def test_no_part_takes_unknown_keys_and_every_reference_leads_to_a_part() -> None:
    # A union refers to its members, which take no unknown keys.
    objects = {
        name: part for name, part in SCHEMA["$defs"].items() if ("properties" in part and "allOf" not in part) or name == "Wait"
    }
    assert [name for name, part in objects.items() if part.get("additionalProperties") is not False] == []
    used = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(SCHEMA)))
    assert used == set(SCHEMA["$defs"])


def test_a_step_is_told_by_the_constant_of_its_type() -> None:
    kinds = [SCHEMA["$defs"][name] for name in kinds_of_steps()]
    types = [kind["properties"]["type"]["const"] for kind in kinds]
    assert len(set(types)) == len(types) == 12
    assert all({"id", "type"} <= set(kind["required"]) for kind in kinds)


def test_defaults_are_shown() -> None:
    defs = SCHEMA["$defs"]
    assert defs["Call"]["properties"]["timeout"]["default"] == "PT10S"
    assert defs["WaitFor"]["properties"]["since"]["default"] == "step"
    assert defs["Window"]["properties"]["to"]["default"] == "24:00"
    assert SCHEMA["properties"]["steps"]["default"] == []


PARTS: Json = {"Journey": SCHEMA, **SCHEMA["$defs"]}


def test_every_part_has_examples() -> None:
    assert EXAMPLES.keys() == PARTS.keys()


@pytest.mark.parametrize("name", PARTS)
def test_the_examples_that_editors_offer_fit_the_very_part_that_they_show(name: str) -> None:
    assert PARTS[name]["examples"] == EXAMPLES[name] != []
    part = Draft202012Validator({**PARTS[name], "$defs": SCHEMA["$defs"]})
    assert [error.message for example in EXAMPLES[name] for error in part.iter_errors(example)] == []


def test_every_kind_of_step_has_an_example_that_can_be_read() -> None:
    steps: TypeAdapter[Step] = TypeAdapter(Step)
    kinds = {type(steps.validate_python(example)).__name__ for name in EXAMPLES for example in EXAMPLES[name] if is_step(example)}
    assert kinds == set(kinds_of_steps())
    assert Journey.model_fields.keys() - {"schema_"} == SCHEMA["properties"].keys() - {"$schema"}


def kinds_of_steps() -> list[str]:
    return [rule["then"]["$ref"].rpartition("/")[2] for rule in SCHEMA["$defs"]["Step"]["allOf"]]


def is_step(example: object) -> bool:
    return isinstance(example, dict) and "type" in example


def test_the_schema_is_small_enough_to_load_with_every_keystroke() -> None:
    assert 30_000 < len(json.dumps(SCHEMA)) < 70_000
