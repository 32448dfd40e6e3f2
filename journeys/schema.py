"""The JSON Schema of a definition, for editors and for people who write journeys by hand."""

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema

from journeys.model import Journey
from journeys.schema_examples import EXAMPLES
from journeys.schema_rules import DESCRIPTIONS, MOMENT, NOT_NEGATIVE, PATTERNS, RULES, STEPS, TOLD_BY

SCHEMA_BASE = "https://reis.example/schema"
Json = dict[str, JsonValue]
_DURATION = "^-?P"


def journey_schema(base: str = SCHEMA_BASE) -> Json:
    """JSON Schema (2020-12) of a journey; `base` is the address under which `$id` names it.

    It accepts what `parse_journey` accepts, but for what JSON Schema cannot say (that a duration is of at most 900 years).
    """
    schema = _Schema(Journey.model_json_schema(by_alias=True, mode="validation"))
    root = schema.part("Journey", {name: part for name, part in schema.source.items() if name != "$defs"})
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"{base.rstrip('/')}/journey-1.json",
        **root,
        "title": "Reis journey",
        "description": "A customer journey: who enters, what happens to them step by step, and when they leave.",
        "$defs": schema.definitions(),
    }


class _Schema:
    """Pydantic's schema, made into one that a person would write: shared parts have names, every part says what it is."""

    def __init__(self, source: Json) -> None:
        self.source = source
        self._shared: Json = {}

    def definitions(self) -> Json:
        """Every model, then what several of them share."""
        defs = self.source["$defs"]
        assert isinstance(defs, dict)
        found = {name: self.part(name, part) for name, part in defs.items() if isinstance(part, dict) and name != "JsonValue"}
        return dict(sorted({**found, **self._shared}.items()))

    def part(self, name: str, source: Json) -> Json:
        """One model."""
        tidy = self._tidy(source)
        assert isinstance(tidy, dict)
        properties = tidy.get("properties")
        for field, described in properties.items() if isinstance(properties, dict) else ():
            if isinstance(described, dict):
                if (name, field) in NOT_NEGATIVE:
                    _not_negative(described)
                described.update(PATTERNS.get((name, field), {}))
                described.setdefault("description", DESCRIPTIONS.get((name, field), DESCRIPTIONS.get(("", field), "")))
        title = re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()
        examples: Json = {"examples": EXAMPLES[name]} if name in EXAMPLES else {}
        return {"title": title, **tidy, **RULES.get(name, {}), **examples}

    def _tidy(self, part: JsonValue, *, named: bool = False) -> JsonValue:
        """Without titles and null defaults, which are noise; `named`: the keys are names of fields, not words of JSON Schema."""
        if isinstance(part, list):
            return [self._tidy(member) for member in part]
        if not isinstance(part, dict):
            return part
        tidy: Json = {}
        for key, value in part.items():
            if named:
                tidy[key] = self._tidy(value)
            elif value == "#/$defs/JsonValue":
                continue  # anything goes
            elif key == "default" and isinstance(value, dict) and "text" in value:
                tidy[key] = value["text"]  # of a duration
            elif key != "title" and (key, value) != ("default", None):
                # A 1 is an integer and a number, and that is fine: so anyOf where pydantic says oneOf.
                tidy["anyOf" if key == "oneOf" else key] = self._tidy(value, named=key in ("properties", "$defs"))
        return self._share(tidy)

    def _share(self, part: Json) -> Json:
        """Puts a reference in the place of what has a name."""
        pattern = part.get("pattern")
        if isinstance(pattern, str) and pattern.startswith(_DURATION):
            own = {key: value for key, value in part.items() if key in ("description", "default")}
            shared = {key: value for key, value in part.items() if key not in own}
            description = "ISO 8601: years to days move on the person's wall clock, hours and below on the absolute clock."
            self._shared["Duration"] = {
                "title": "Duration",
                "description": description,
                **shared,
                "examples": EXAMPLES["Duration"],
            }
            never_back = {**shared, "pattern": "^P" + pattern.removeprefix(_DURATION)}
            description = "A duration that does not go back."
            self._shared["Span"] = {"title": "Span", "description": description, **never_back, "examples": EXAMPLES["Span"]}
            return {**own, "$ref": "#/$defs/Duration"}
        members = frozenset(_references(part.get("anyOf")))
        own = {key: value for key, value in part.items() if key != "anyOf"}
        if members == {"DateRef", ""}:
            return {**own, "anyOf": [{"type": "string", **MOMENT}, {"$ref": "#/$defs/DateRef"}]}
        if members == {"Ref", ""} and {} in _list(part["anyOf"]):
            return {**own, "if": {"type": "object", "required": ["ref"]}, "then": {"$ref": "#/$defs/Ref"}}
        name = next((name for name, kinds in {**TOLD_BY, "Step": STEPS}.items() if members == kinds.keys()), None)
        if name is None:
            return part
        description = DESCRIPTIONS["", name]
        examples: Json = {"examples": EXAMPLES[name]} if name in EXAMPLES else {}
        told = _by_type() if name == "Step" else _by_key(TOLD_BY[name])
        self._shared[name] = {"title": name, "description": description, "type": "object", **told, **examples}
        return {**own, "$ref": f"#/$defs/{name}"}


def _by_type() -> Json:
    """The kind that `type` names alone is asked: errors are exact, and nothing is looked at twice."""
    return {
        "required": ["id", "type"],
        "properties": {"type": {"description": DESCRIPTIONS["", "type"], "enum": list(STEPS.values())}},
        "allOf": [
            {"if": {"properties": {"type": {"const": kind}}, "required": ["type"]}, "then": {"$ref": f"#/$defs/{name}"}}
            for name, kind in STEPS.items()
        ],
    }


def _by_key(kinds: Mapping[str, str]) -> Json:
    """As `_by_type`, by the key that is there."""
    return {
        "properties": {key: {"description": f"{name}: told by this key."} for name, key in kinds.items()},
        "anyOf": [{"required": [key]} for key in kinds.values()],
        "allOf": [{"if": {"required": [key]}, "then": {"$ref": f"#/$defs/{name}"}} for name, key in kinds.items()],
    }


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _references(members: JsonValue) -> Iterator[str]:
    for member in _list(members):
        yield str(member.get("$ref", "")).rpartition("/")[2] if isinstance(member, dict) else ""


def _not_negative(part: Json) -> None:
    """Of a duration, also within an optional or a pair."""
    if part.get("$ref") == "#/$defs/Duration":
        part["$ref"] = "#/$defs/Span"
    for key in ("anyOf", "prefixItems"):
        for member in _list(part.get(key)):
            if isinstance(member, dict):
                _not_negative(member)
