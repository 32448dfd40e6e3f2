"""What somebody meant who wrote a duration as people write it: `1 day`, `3d`, `PT1D`."""

import re

_UNITS = {
    "Y": "y yr yrs year years",
    "M": "mo mos month months",
    "W": "w wk wks week weeks",
    "D": "d day days",
    "h": "h hr hrs hour hours",
    "m": "min mins minute minutes",
    "s": "s sec secs second seconds",
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_ORDER = "YMWDhms"
_PARTS = re.compile(r"(\d{1,9})\s*([a-z]+?)(?=t?\d|t?[\s,]|and\b|t?$)")
_WRITTEN = re.compile(r"(-?)\s*p?t?((?:(?:\s|,|and\b)*\d+\s*[a-z]+)+)\s*")


def meant_duration(text: str) -> str | None:
    """The duration in ISO 8601 that a text seems to mean; None where it seems to mean none, or may mean two."""
    written = _WRITTEN.fullmatch(text.strip().lower())
    if written is None:
        return None
    timed = re.match(r"\s*-?\s*pt", text.lower()) is not None
    found: dict[str, str] = {}
    for number, word in _PARTS.findall(written[2]):
        # A lone M is a month in P1M and a minute in PT1M or 1h30m; who writes 30m may mean either.
        unit = "m" if word == "m" and (timed or "h" in found) else _UNIT.get(word)
        if unit is None or unit in found:
            return None
        found[unit] = number
    days, times = ("".join(found[unit] + unit.upper() for unit in units if unit in found) for units in (_ORDER[:4], _ORDER[4:]))
    return f"{written[1]}P{days}" + (f"T{times}" if times else "") if found else None
