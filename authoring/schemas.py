"""JSON Schemas of everything that lies in a folder, for editors."""

import json
import re
from enum import StrEnum

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema

from authoring.testing.model import JourneyTests
from conditions.computed import ComputedDraft
from contracts.segments import SegmentDraft
from contracts.templates import TemplateInput
from journeys import journey_schema

_BASE = "https://reis.example/schema"
_REFERENCE = re.compile(r'"#/\$defs/(\w+)"')


class SchemaKind(StrEnum):
    """What there is a schema of."""

    JOURNEY = "journey"
    SEGMENT = "segment"
    TEMPLATE = "template"
    COMPUTED = "computed"
    TEST = "test"


def schema_of(kind: SchemaKind) -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of a file of this kind."""
    match kind:
        case SchemaKind.JOURNEY:
            return journey_schema()
        case SchemaKind.TEST:
            schema = _tidied(JourneyTests.model_json_schema())
            return _titled(schema, kind, "Reis journey tests", "Tests of one journey: a person, what happens, what is expected.")
        case SchemaKind.SEGMENT:
            schema = _keyed(_tidied(SegmentDraft.model_json_schema()), r"^[a-z0-9][a-z0-9_-]{0,99}$")
            properties = schema["properties"]
            assert isinstance(properties, dict)
            schema["$defs"] = dict(sorted(_with_parts("Condition", journey_schema()["$defs"]).items()))
            properties["condition"] = {"$ref": "#/$defs/Condition", "description": "Who is a member, see docs/conditions.md."}
            return _titled(schema, kind, "Reis segment", "A segment: the people for whom a condition holds.")
        case SchemaKind.TEMPLATE:
            schema = _keyed(_tidied(TemplateInput.model_json_schema()), r"^[a-z0-9][a-z0-9_.-]{0,99}$")
            return _titled(schema, kind, "Reis template", "A message: what is said on each channel, in Liquid.")
        case SchemaKind.COMPUTED:
            schema = _keyed(_tidied(ComputedDraft.model_json_schema()), r"^[a-z][a-z0-9_]{0,99}$")
            return _titled(schema, kind, "Reis computed trait", "A trait worked out from a person's events.")


def _with_parts(name: str, known: JsonValue) -> dict[str, JsonValue]:
    """One definition, and those that it refers to."""
    assert isinstance(known, dict)
    found: dict[str, JsonValue] = {}
    missing = [name]
    while missing:
        name = missing.pop()
        found[name] = known[name]
        missing += set(_REFERENCE.findall(json.dumps(known[name]))) - found.keys()
    return found


def _keyed(schema: dict[str, JsonValue], pattern: str) -> dict[str, JsonValue]:
    """With the key that files have and addresses say."""
    properties, required = schema["properties"], schema.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    key: JsonValue = {"type": "string", "pattern": pattern, "description": "Name in addresses; a new version keeps it."}
    hint: JsonValue = {"type": "string", "description": "Address of the JSON Schema, for editors."}
    return {**schema, "properties": {"$schema": hint, "key": key, **properties}, "required": ["key", *required]}


def _titled(schema: dict[str, JsonValue], kind: SchemaKind, title: str, description: str) -> dict[str, JsonValue]:
    names: dict[str, JsonValue] = {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"{_BASE}/{kind.value}-1.json"}
    return {**names, **schema, "title": title, "description": description}


def _tidied(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`anyOf` where pydantic says `oneOf` (a 1 is an integer and a number); no titles, no null defaults."""
    tidy = _tidy(schema)
    assert isinstance(tidy, dict)
    return tidy


def _tidy(part: JsonValue, *, named: bool = False) -> JsonValue:
    """`named`: the keys are names of fields, not words of JSON Schema."""
    if isinstance(part, list):
        return [_tidy(member) for member in part]
    if not isinstance(part, dict):
        return part
    if named:
        return {key: _tidy(value) for key, value in part.items()}
    return {
        "anyOf" if key == "oneOf" else key: _tidy(value, named=key in ("properties", "$defs"))
        for key, value in part.items()
        if key not in ("title", "discriminator") and (key, value) != ("default", None)
    }
