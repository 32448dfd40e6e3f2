"""docs/journeys.md names every field of the language with its default, and its steps are steps."""

import json
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from journeys import journey_schema
from journeys.model import Step
from tests.docs.test_examples import ROOT, blocks

DOCUMENT = ROOT / "docs" / "journeys.md"
SCHEMA: dict[str, Any] = journey_schema()
# Conditions and filters have a document of their own.
ELSEWHERE = {"All", "AnyOf", "Not", "TraitIs", "Happened", "InSegment", "ValueIs", "NumberIs", "SumIs", "Nothing"}
ELSEWHERE |= {"WhereAll", "WhereAny", "WhereNot", "PropertyIs"}
PARTS = {"Journey": SCHEMA} | {
    name: part for name, part in SCHEMA["$defs"].items() if "additionalProperties" in part and name not in ELSEWHERE
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


@pytest.mark.parametrize("name", PARTS)
def test_every_field_stands_in_the_table_of_its_part_with_its_meaning_and_default(name: str) -> None:
    tables = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
    part = PARTS[name]
    rows = [line for line in tables[part["title"]].splitlines() if line.startswith("| `")]
    assert rows == [row(part, field) for field in part["properties"] if field != "type"]


def test_every_kind_of_step_is_shown_and_can_be_read() -> None:
    steps: TypeAdapter[Step] = TypeAdapter(Step)
    shown = [steps.validate_python(block) for block in blocks(DOCUMENT) if "type" in block]
    kinds = {rule["then"]["$ref"].rpartition("/")[2] for rule in SCHEMA["$defs"]["Step"]["allOf"]}
    assert {type(step).__name__ for step in shown} == kinds
