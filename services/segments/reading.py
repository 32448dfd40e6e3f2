"""Reading conditions and filters that people wrote: every flaw with its place and remedy."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from conditions import Condition, ConditionError, Filter, did_you_mean, parse_condition, parse_filter
from infra.errors import BadInput, Flaw
from services.segments.definitions import Definitions

_DEEPEST = 40


def read_condition(data: JsonValue, path: str) -> Condition:
    """A condition without open references. Raises `BadInput`."""
    _refuse(list(_unfit(data, path)))
    try:
        return parse_condition(data, path)
    except ConditionError as error:
        raise _bad(error) from error


def read_filter(data: JsonValue, path: str) -> Filter:
    """An event filter without open references. Raises `BadInput`."""
    _refuse(list(_unfit(data, path)))
    try:
        return parse_filter(data, path)
    except ConditionError as error:
        raise _bad(error) from error


def check_segments(data: JsonValue, path: str, definitions: Definitions, key: str | None = None) -> None:
    """Refuses references to unknown segments and, for the condition of segment `key`, back to itself."""
    known = [name for name, segment in definitions.segments.items() if not segment.deleted and name != key]
    flaws = []
    for place, name in _segments_in(data, path):
        if key is not None and (chain := definitions.path_between(name, key)):
            way = " → ".join([key, *chain])
            flaws.append(
                Flaw(path=place, message=f"the segment would depend on itself: {way}", remedy="refer to another segment")
            )
        elif name not in known:
            flaws.append(Flaw(path=place, message=f"there is no segment {name!r}", remedy=did_you_mean(name, known)))
    _refuse(flaws)


def _segments_in(data: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    for place, _, value in _walk(data, path, 0):
        if isinstance(value, dict) and isinstance(name := value.get("segment"), str):
            yield f"{place}.segment", name


def _unfit(data: JsonValue, path: str) -> Iterator[Flaw]:
    for place, depth, value in _walk(data, path, 0):
        if depth > _DEEPEST:
            yield Flaw(
                path=place, message=f"is nested more than {_DEEPEST} levels deep", remedy="put a part into a segment of its own"
            )
            return
        if isinstance(value, str) and not _is_storable(value):
            yield Flaw(
                path=place, message="holds a character that no text in the database has", remedy="remove NUL and lone surrogates"
            )
        if isinstance(value, dict):
            if isinstance(value.get("ref"), str):
                yield Flaw(path=place, message="nothing here can resolve a reference", remedy="write the value itself")
            yield from (
                Flaw(
                    path=place, message=f"the key {key!r} holds a character that no text in the database has", remedy="remove it"
                )
                for key in value
                if not _is_storable(key)
            )


def _walk(data: JsonValue, path: str, depth: int) -> Iterator[tuple[str, int, JsonValue]]:
    yield path, depth, data
    if depth > _DEEPEST:
        return
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _walk(value, f"{path}.{key}", depth + 1)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _walk(value, f"{path}[{number}]", depth + 1)


def _is_storable(text: str) -> bool:
    """PostgreSQL's text holds every Unicode character except NUL."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _bad(error: ConditionError) -> BadInput:
    return BadInput(
        [Flaw(path=one.path, message=one.message, remedy=one.remedy, severity=one.severity) for one in error.problems],
        "the condition",
    )


def _refuse(flaws: list[Flaw]) -> None:
    if flaws:
        raise BadInput(flaws, "the condition")
