"""JSON values: their type, their paths, and the one reading of text as an instant."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

from pydantic import JsonValue

_INSTANT = re.compile(
    r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)?)?",
    re.ASCII,
)


_OBJECT = (dict, Mapping)
"""A dictionary is by far the most frequent, and the quickest to tell."""


def is_number(value: object) -> bool:
    """Whether the value is a JSON number (a boolean is not, nor is NaN or an infinity)."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def exact(value: float) -> Fraction:
    """The decimal number that was written, as PostgreSQL's numeric holds it, not its binary neighbour."""
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))


def parse_instant(text: object) -> datetime | None:
    """The instant that a text names, in UTC, or None where it names none.

    Read are ISO 8601 dates (midnight UTC) and datetimes (without offset: UTC) of the years 1000 to 2999, with seconds and up to
    six decimals optional and offsets up to 15:59, so that Python and PostgreSQL agree on every text.
    """
    return _read_instant(text) if isinstance(text, str) else None


@lru_cache(maxsize=10_000)
def _read_instant(text: str) -> datetime | None:
    if not _INSTANT.fullmatch(text):
        return None
    try:
        parsed = datetime.fromisoformat(_six_decimals(text))
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _six_decimals(text: str) -> str:
    """Python 3.11 reads any number of decimals, but says so only for some; pad to be sure."""
    return re.sub(r"\.(\d+)", lambda found: "." + found[1].ljust(6, "0"), text)


def lookup(values: Mapping[str, JsonValue], path: tuple[str, ...]) -> JsonValue:
    """The value at a dotted path of nested objects; None where it is missing (a JSON null counts as missing)."""
    found: object = values
    for part in path:
        if not isinstance(found, _OBJECT) or part not in found:
            return None
        found = found[part]
    return found  # type: ignore[return-value]


def dotted_names(values: Mapping[str, object], above: str = "") -> Iterator[str]:
    """The dotted names of everything in nested objects that is no object itself (an empty one counts as a value)."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from dotted_names(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"
