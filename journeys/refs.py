"""References: names such as `entry.properties.topic` that lead to values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from pydantic import AfterValidator, JsonValue
from pydantic_core import PydanticCustomError

from conditions.problems import nearest
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
_LIKE = 0.7


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


def ref_remedy(text: str) -> str:
    """What to write instead of a text that names nothing."""
    meant = _meant(text.strip("{ }"))
    return REMEDY if meant is None else f"did you mean {meant!r}?"


def _meant(text: str) -> str | None:
    """The reference that a text seems to mean: with a slip in a word that is ours, or without the word that leads to names."""
    root, *path = text.split(".")
    names = {"traits": "profile", "computed": "profile", "properties": "entry"}
    if root in names:
        root, path = names[root], [root, *path]
    root = nearest(root, get_args(Root), _LIKE) or ""
    if root == "results":
        part = nearest(path[1], _RESULTS, _LIKE) if len(path) > 1 else None
        rest = path[1:] if part is None else path[2:]
        candidate = [root, *path[:1], part or "body", *rest]
    elif root and path:
        part = nearest(path[0], PARTS[root], _LIKE)
        candidate = [root, part or next(name for name in PARTS[root] if name in _DEEP), *(path if part is None else path[1:])]
    else:
        return None
    found = parse_ref(".".join(candidate))
    return None if found is None else str(found)


def resolve(ref: str, context: Mapping[str, JsonValue]) -> JsonValue | Missing:
    """The value in a context `{"entry": {…}, "event": {…}, "profile": {…}, "results": {…}}`; a null counts as missing."""
    parsed = parse_ref(ref)
    found = lookup(context, (parsed.root, *parsed.path)) if parsed else None
    return MISSING if found is None else found


def _known(text: str) -> str:
    if parse_ref(text) is None:
        raise PydanticCustomError("ref", "{ref} is no reference", {"ref": repr(text), "remedy": ref_remedy(text)})
    return text


check_ref = AfterValidator(_known)
"""Pydantic validator of a reference's name."""
