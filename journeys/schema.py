"""The JSON Schema of a definition, for editors and for people who write journeys by hand."""

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema

from journeys.model import Journey

SCHEMA_ID = "https://reis.example/schema/journey-1.json"


def journey_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of a journey, with descriptions of the fields."""
    schema = Journey.model_json_schema(by_alias=True, mode="validation")
    tidy = _tidy(schema)
    assert isinstance(tidy, dict)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": SCHEMA_ID,
        **tidy,
        "title": "Reis journey",
        "description": "A customer journey: who enters, what happens to them step by step, and when they leave.",
    }


def _tidy(part: JsonValue, *, named: bool = False) -> JsonValue:
    """Says `anyOf` where pydantic says `oneOf`: a 1 is an integer and a number, and that is fine.

    Titles and null defaults are dropped as noise. `named`: the keys are names of fields, not words of JSON Schema.
    """
    if isinstance(part, list):
        return [_tidy(member) for member in part]
    if not isinstance(part, dict):
        return part
    tidy: dict[str, JsonValue] = {}
    for key, value in part.items():
        if named:
            tidy[key] = _tidy(value)
        elif key == "oneOf":
            tidy["anyOf"] = _tidy(value)
        elif key != "title" and (key, value) != ("default", None):
            tidy[key] = _tidy(value, named=key in ("properties", "$defs"))
    return tidy


def tidied(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A schema of pydantic's, in the form that ours have."""
    tidy = _tidy(schema)
    assert isinstance(tidy, dict)
    return tidy
