"""What the JSON Schema says beyond the types of the fields: rules between fields, forms of texts, and words for editors."""

from pydantic import JsonValue

Json = dict[str, JsonValue]
_OPERATORS = {
    "gt": "Greater, later, or behind in the alphabet.",
    "gte": "Greater or equal, later or the same.",
    "lt": "Smaller, earlier, or before in the alphabet.",
    "lte": "Smaller or equal, earlier or the same.",
    "eq": "Equal, of the same type.",
    "ne": "Not equal.",
}

TOLD_BY: dict[str, dict[str, str]] = {
    "Condition": {
        "All": "all",
        "AnyOf": "any",
        "Not": "not",
        "TraitIs": "trait",
        "Happened": "event",
        "InSegment": "segment",
        "ValueIs": "value",
    },
    "Filter": {"WhereAll": "all", "WhereAny": "any", "WhereNot": "not", "PropertyIs": "property"},
    "WaitPath": {
        "EventPath": "event",
        "MessagePath": "message",
        "SegmentEnteredPath": "segment_entered",
        "SegmentLeftPath": "segment_left",
        "ConditionPath": "if",
    },
    "ExitRule": {
        "OnEvent": "event",
        "TraitIs": "trait",
        "OnSegmentEntered": "segment_entered",
        "OnSegmentLeft": "segment_left",
        "OnCondition": "if",
    },
    "Entry": {
        "EntryByEvent": "event",
        "EntryBySegment": "segment_entered",
        "EntryBySchedule": "schedule",
        "EntryByApi": "api",
    },
}
"""Unions whose members are told apart by a key that only one of them has."""

STEPS: dict[str, str] = {
    "Send": "send",
    "Wait": "wait",
    "WaitFor": "wait_for",
    "Branch": "branch",
    "Split": "split",
    "Repeat": "repeat",
    "UpdateProfile": "update_profile",
    "EmitEvent": "emit_event",
    "Call": "call",
    "StartJourney": "start_journey",
    "Exit": "exit",
    "Jump": "goto",
}
"""The kinds of steps, told apart by `type`."""

DESCRIPTIONS: dict[tuple[str, str], str] = {
    ("", "Step"): "What happens next: one of twelve kinds, told by `type`.",
    ("", "Condition"): "A question about the person, asked of the profile, its events and its segments.",
    ("", "Filter"): "A question about the properties of one event.",
    ("", "WaitPath"): "What is waited for: an event, a message's outcome, a segment entered or left, a condition.",
    ("", "ExitRule"): "What ends the journey at once.",
    ("", "Entry"): "Who enters: told by one of the keys event, segment_entered, schedule, api.",
    ("", "type"): "The kind of step.",
    ("", "id"): "Names the path; unique in its step, and stable.",
    ("", "steps"): "What happens then, in order; then the flow goes on behind the step that holds this list.",
    ("", "all"): "All of these hold; an empty list holds.",
    ("", "any"): "At least one of these holds; an empty list does not.",
    ("", "not"): "This does not hold.",
    ("", "count"): "How many events there must be; at least one where neither this nor `sum` is said.",
    ("", "sum"): "What a property of the events must sum up to.",
    ("", "segment"): "Key of the segment.",
    ("", "property"): "Dotted path into the event's properties.",
    ("", "nothing"): "Always true: what a reference becomes that leads nowhere.",
    ("Repeat", "steps"): "One round.",
    **{("", name): text for name, text in _OPERATORS.items()},
}
"""For fields without a docstring, by (model, field) or by field alone."""

NOT_NEGATIVE = frozenset(
    {
        *(("Wait", "for"), ("Wait", "between"), ("Wait", "late_by"), ("Timeout", "after")),
        *(("ReentryAfter", "after"), ("Happened", "within")),
    }
)
"""Durations that may not go back."""

_REF = (
    r"^((entry|event)\.(properties\.[^.]+(\.[^.]+)*|event|timestamp|id)|profile\.((traits|computed)\.[^.]+(\.[^.]+)*|id)"
    r"|results\.[^.]+\.(status|headers|body|error|reason|goal_reached)(\.[^.]+)*)$"
)
_REFERENCE: Json = {"pattern": _REF, "examples": ["entry.properties.starts_at", "profile.traits.dog.birthdate"]}
_DOTTED: Json = {"pattern": r"^(?!(.*\.)?-*\d+(\.|$))[^.]+(\.[^.]+)*$"}
MOMENT: Json = {
    "pattern": (
        r"^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
        r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-5]):[0-5]\d)?)?$"
    ),
    "examples": ["2026-03-01", "2026-03-01T09:00", "2026-03-01T09:00:00Z"],
}
PATTERNS: dict[tuple[str, str], Json] = {
    ("DateRef", "ref"): _REFERENCE,
    **{
        (f"EntryBy{kind}", "key"): {**_REFERENCE, "examples": ["event.properties.order_id"]}
        for kind in ("Event", "Segment", "Schedule", "Api")
    },
    ("Window", "days"): {"minItems": 1, "uniqueItems": True},
    ("Schedule", "starts"): MOMENT,
    ("Journey", "zone"): {"examples": ["Europe/Berlin"]},
    ("Schedule", "zone"): {"examples": ["Europe/Berlin"]},
    ("TraitIs", "trait"): {**_DOTTED, "examples": ["tier", "dog.birthdate"]},
    ("PropertyIs", "property"): {**_DOTTED, "examples": ["category"]},
    ("SumIs", "property"): {**_DOTTED, "examples": ["total"]},
    ("UpdateProfile", "set"): {"propertyNames": _DOTTED},
    ("Call", "headers"): {"additionalProperties": False},
}
"""What a text must look like."""


def _just_one(*fields: str) -> list[JsonValue]:
    """Exactly one of the fields is there and not null."""
    return [{"required": [field], "properties": {field: {"not": {"type": "null"}}}} for field in fields]


def _needs(field: str, other: str) -> Json:
    """Where the one is there and not null, the other is as well."""
    return {"if": {"allOf": _just_one(field)}, "then": {"allOf": _just_one(other)}}


_TWO: Json = {"minProperties": 2, "maxProperties": 2}
RULES: dict[str, Json] = {
    "Wait": {"oneOf": _just_one("for", "between", "until"), "allOf": [_needs("offset", "until")]},
    "Timeout": {"oneOf": _just_one("after", "until"), "allOf": [_needs("offset", "until")]},
    "Repeat": {"anyOf": _just_one("until", "max")},
    "TraitIs": _TWO,
    "PropertyIs": _TWO,
    "ValueIs": {
        "oneOf": [
            {"required": [name]}
            for name in ("exists", "eq", "ne", "in", "gt", "gte", "lt", "lte", "contains", "older_than", "newer_than")
        ]
    },
    "SumIs": _TWO,
    "NumberIs": {"minProperties": 1, "maxProperties": 1},
    "Happened": {"not": {"allOf": [*_just_one("within"), *_just_one("between")]}},
}
"""What holds between the fields of a model."""
