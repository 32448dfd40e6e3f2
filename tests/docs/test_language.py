"""The documents of the language name every field with its default, and what they show is what the language takes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from authoring.schemas import SchemaKind, schema_of
from journeys import journey_schema
from journeys.model import Step
from tests.docs.test_examples import ROOT, blocks

DOCUMENT = ROOT / "docs" / "journeys.md"
CONDITIONS = ROOT / "docs" / "conditions.md"
SCHEMA: dict[str, Any] = journey_schema()
COMPUTED: dict[str, Any] = schema_of(SchemaKind.COMPUTED)
# A document of their own.
OF_CONDITIONS = {"All", "AnyOf", "Not", "TraitIs", "Happened", "InSegment", "ValueIs", "NumberIs", "SumIs", "Nothing"}
OF_CONDITIONS |= {"WhereAll", "WhereAny", "WhereNot", "PropertyIs"}
KINDS = {name: part for name, part in SCHEMA["$defs"].items() if "additionalProperties" in part}
PARTS = {
    "Journey": (DOCUMENT, SCHEMA),
    **{name: (CONDITIONS if name in OF_CONDITIONS else DOCUMENT, part) for name, part in KINDS.items()},
    "ComputedTrait": (CONDITIONS, {**COMPUTED, "title": "Computed trait"}),
    "Shift": (CONDITIONS, {**COMPUTED["$defs"]["Shift"], "title": "Shift"}),
}


def default(part: dict[str, Any], field: str) -> str:
    """How the default of a field is written: a list or text as JSON, nothing where it may be left out and is not there then."""
    if field in part.get("required", ()):
        return "required"
    described = part["properties"][field]
    return f"`{json.dumps(described['default'], ensure_ascii=False)}`" if "default" in described else "–"


def row(part: dict[str, Any], field: str) -> str:
    """The line of a field in its table."""
    return f"| `{field}` | {part['properties'][field]['description']} | {default(part, field)} |"


def sections(document: Path) -> dict[str, str]:
    """The text below each heading of a part."""
    return dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", document.read_text(), re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", PARTS)
def test_every_field_stands_in_the_table_of_its_part_with_its_meaning_and_default(name: str) -> None:
    document, part = PARTS[name]
    rows = [line for line in sections(document)[part["title"]].splitlines() if line.startswith("| `")]
    hidden = {"type", "$schema"} if document == CONDITIONS else {"type"}
    assert rows == [row(part, field) for field in part["properties"] if field not in hidden]


@pytest.mark.parametrize("name", sorted(OF_CONDITIONS))
def test_every_kind_of_condition_and_filter_is_said_and_shown_as_the_schema_says_and_shows_it(name: str) -> None:
    part = KINDS[name]
    lines = sections(CONDITIONS)[part["title"]].splitlines()
    assert lines[0] == part["description"]
    assert [json.loads(line.strip("`")) for line in lines if line.startswith("`{")] == part["examples"]


def test_every_kind_of_step_is_shown_and_can_be_read() -> None:
    steps: TypeAdapter[Step] = TypeAdapter(Step)
    shown = [steps.validate_python(block) for block in blocks(DOCUMENT) if "type" in block]
    kinds = {rule["then"]["$ref"].rpartition("/")[2] for rule in SCHEMA["$defs"]["Step"]["allOf"]}
    assert {type(step).__name__ for step in shown} == kinds
