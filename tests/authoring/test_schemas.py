"""The JSON Schemas of what lies in a folder take the examples and refuse what is none."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from authoring.schemas import SchemaKind, schema_of
from journeys import journey_schema

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = {SchemaKind.SEGMENT: "segments", SchemaKind.TEMPLATE: "templates", SchemaKind.COMPUTED: "computed"}
FILES = [(kind, path) for kind, folder in FOLDERS.items() for path in sorted(EXAMPLES.glob(f"*/{folder}/*.json"))]
FILES += [(SchemaKind.TEST, path) for path in sorted(EXAMPLES.glob("*/journeys/*.test.json"))]


@pytest.mark.parametrize(("kind", "path"), FILES, ids=[path.name for _, path in FILES])
def test_every_example_fits(kind: SchemaKind, path: Path) -> None:
    validator = Draft202012Validator(schema_of(kind))
    assert [error.message for error in validator.iter_errors(json.loads(path.read_text()))] == []


def test_conditions_of_segments_are_told_and_shown_as_those_of_journeys_are() -> None:
    segment: dict[str, Any] = schema_of(SchemaKind.SEGMENT)
    journey: dict[str, Any] = journey_schema()
    assert {"Condition", "Filter", "Happened", "NumberIs", "Ref", "Span"} < segment["$defs"].keys()
    assert {name: journey["$defs"][name] for name in segment["$defs"]} == segment["$defs"]


@pytest.mark.parametrize("condition", [{"segmnt": "vip"}, {"trait": "x", "eq": 1, "ne": 2}, {"event": "E", "within": "-P1D"}, {}])
def test_a_segment_whose_condition_is_none_does_not_fit(condition: dict[str, Any]) -> None:
    segment = {"key": "s", "name": "S", "condition": condition}
    assert not Draft202012Validator(schema_of(SchemaKind.SEGMENT)).is_valid(segment)
