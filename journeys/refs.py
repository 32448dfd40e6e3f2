"""References: names such as `entry.properties.topic` that lead to values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from pydantic import AfterValidator, JsonValue
from pydantic_core import PydanticCustomError

from conditions.values import lookup

Root = Literal["entry", "event", "profile", "results"]
PARTS: Mapping[str, tuple[str, ...]] = {
    "entry": ("properties", "event", "timestamp", "id"),
    "event": ("properties", "event", "timestamp", "id"),
    "profile": ("traits", "computed", "id"),
    "results": (),
}
_RESULTS = frozenset({"status", "headers", "body", "error", "reason", "goal_reached"})
_DEEP = frozenset({"properties", "traits", "computed"})
REMEDY = (
    "write entry.properties.…, event.properties.…, profile.traits.…, profile.computed.…, "
    "profile.id, id, event or timestamp of entry and event, or results.STEP.… with status, headers, body or error of a call, "
    "reason or goal_reached of a journey"
)


class Missing:
    """The type of MISSING, the answer of a reference that leads nowhere."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> Literal[False]:
        return False


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference: `entry`, the event that started the run; `event`, the one that woke the last path; `profile`;
    `results`, what earlier steps (calls, started journeys) came to, by the step's id."""

    root: Root
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


@lru_cache(maxsize=10_000)
def parse_ref(text: str) -> Reference | None:
    """The reference that a text names, or None where it names none."""
    root, *path = text.split(".")
    if root not in get_args(Root) or not path or not all(path):
        return None
    if root == "results":
        return Reference("results", tuple(path)) if len(path) > 1 and path[1] in _RESULTS else None
    if path[0] not in PARTS[root]:
        return None
    if (len(path) > 1) != (path[0] in _DEEP):
        return None
    return Reference(root, tuple(path))  # type: ignore[arg-type]


def resolve(ref: str, context: Mapping[str, JsonValue]) -> JsonValue | Missing:
    """The value in a context `{"entry": {…}, "event": {…}, "profile": {…}, "results": {…}}`; a null counts as missing."""
    parsed = parse_ref(ref)
    found = lookup(context, (parsed.root, *parsed.path)) if parsed else None
    return MISSING if found is None else found


def _known(text: str) -> str:
    if parse_ref(text) is None:
        raise PydanticCustomError("ref", "{ref} is no reference", {"ref": repr(text), "remedy": REMEDY})
    return text


check_ref = AfterValidator(_known)
"""Pydantic validator of a reference's name."""
