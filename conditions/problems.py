"""Problems with a definition: where, what, and what would be right; also made from pydantic's errors."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from conditions.kinds import keys_at, others_at

Severity = Literal["error", "warning"]
_SHOULD = re.compile(r"(?:Input|String|Tuple|List|Dictionary|Value) should (.+?)(?: after validation, not \d+)?", re.DOTALL)
"""How pydantic words what it expects of a plain value."""
_MOST_LISTED = 30


class Problem(BaseModel):
    """One finding about a definition. `path` is a JSON path from the root, `$`."""

    model_config = ConfigDict(frozen=True)

    path: str
    message: str
    remedy: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class ConditionsError(Exception):
    """Base of the errors of this package."""


class ConditionError(ConditionsError):
    """A condition, filter or duration that says nothing we understand; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


def join(path: str, part: str | int) -> str:
    """The JSON path one level below."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if re.fullmatch(r"[A-Za-z_$][\w$-]*", part) else f'{path}["{part}"]'


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known word that is most like this one, whatever their case; None where none is so much alike (1 is the same)."""
    names = {name.casefold(): name for name in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.casefold(), sorted(names), n=1, cutoff=likeness)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown word: the nearest known one, else all of them, or as many as anybody reads."""
    names = sorted(known)
    if (near := nearest(word, names)) is not None:
        return f"did you mean {near!r}?"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"known are: {', '.join(names[:_MOST_LISTED])}{more}" if names else "none is known"


def problems_of(error: ValidationError, root: object, path: str = "$") -> list[Problem]:
    """Pydantic's errors as problems: tags of unions (written `<tag>`) leave the path, unknown keys get a suggestion.

    `root` is the type that was validated.
    """
    found = error.errors(include_url=False)
    inner = [details["loc"] for details in found if details["type"] != "too_short"]
    return [
        _problem(details, root, path)
        for details in found
        # A list whose members are wrong counts as empty too: that would be an echo.
        if details["type"] != "too_short" or not any(loc[: len(details["loc"])] == details["loc"] for loc in inner)
    ]


def _problem(details: ErrorDetails, root: object, path: str) -> Problem:
    context = details.get("ctx") or {}
    # Pydantic says `[key]` where a key itself is wrong.
    loc = [part for part in details["loc"] if not (isinstance(part, str) and (part.startswith("<") or part == "[key]"))]
    where = path
    for part in (*loc, *filter(None, (context.get("at"),))):
        where = join(where, part)
    match details["type"]:
        case "extra_forbidden":
            return _extra(where, details["loc"], root)
        case "missing":
            return Problem(path=where, message="is missing", remedy=f"add {loc[-1]!r}")
        case "union_tag_invalid":
            tags = [tag.strip("'<> ") for tag in str(context.get("expected_tags", "")).split(",")]
            tag = str(context.get("tag", "")).strip("<>")
            return Problem(path=join(where, "type"), message=f"unknown type {tag!r}", remedy=did_you_mean(tag, tags))
        case "union_tag_not_found":
            return Problem(path=where, message="says not of which type it is", remedy="add 'type'")
        case "recursion_loop":
            return Problem(path=path, message="is nested too deeply", remedy="say it in fewer levels")
        case "literal_error":
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_one_of(details, root))
        case "list_type" | "tuple_type":
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_listed(details["input"]))
        case "string_pattern_mismatch" | "int_from_float" | "int_type" | "int_parsing":
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_plain_demand(details["type"], context))
        case _ if (demand := _SHOULD.fullmatch(details["msg"])) is not None:
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_asked(demand[1]))
        case _:
            message = details["msg"].removeprefix("Value error, ")
            return Problem(path=where, message=message, remedy=str(context.get("remedy", "")) or _in_place_of(details))


def _extra(where: str, loc: Sequence[str | int], root: object) -> Problem:
    """A key too many: another kind's, where two things are asked at once, or one that nobody knows."""
    *outer, key = loc
    if outer and str(outer[-1]).startswith("<"):
        one, others = str(outer[-1]).strip("<>"), others_at(root, outer)
        if key in others and one in keys_at(root, outer):
            remedy = 'combine both with "all": {"all": [{…}, {…}]}' if "all" in others else "keep one of them"
            return Problem(path=where, message=f"stands beside {one!r}, and only one of the two can", remedy=remedy)
    return Problem(path=where, message=f"unknown key {key!r}", remedy=did_you_mean(str(key), keys_at(root, outer)))


def _one_of(details: ErrorDetails, root: object) -> str:
    """The words that there are, or the one that was meant; where an object may stand as well, that too."""
    expected = str((details.get("ctx") or {}).get("expected", ""))
    words = re.findall(r"'(.*?)'", expected)
    if isinstance(details["input"], str) and (near := nearest(details["input"], words)) is not None:
        return f"did you mean {near!r}?"
    if str(details["loc"][-1]) != "<word>":
        return f"it should be {expected}"
    objects = [f'{{"{keys[0]}": …}}' for keys in others_at(root, details["loc"]).values() if keys]
    return f"it should be {', '.join(map(repr, words))} or {' or '.join(objects)}"


def _listed(value: object) -> str:
    return "it should be a list" + (": put [ before it and ] behind it" if isinstance(value, str | dict) else "")


def _asked(demand: str) -> str:
    words = re.sub(r" or instance of \w+", "", demand).replace("tuple", "list")
    return f"it should {words.replace('a valid dictionary', 'an object').replace('a valid ', 'a ')}"


def _shown(value: object) -> str:
    """As it was written, or its beginning."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:59]}…"


_SHAPES = {
    r"^https?://": "begin with https:// (or http://)",
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$": "be 1 to 64 letters, digits, - and _",
    r"^[a-z0-9][a-z0-9_-]{0,63}$": "be 1 to 64 lower-case letters, digits, - and _",
    r"^([01]\d|2[0-3]):[0-5]\d$": "be a time of day such as 09:30",
    r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$": "be a time of day such as 20:00, or 24:00",
}
"""Patterns of our models, in words."""


def _plain_demand(kind: str, context: dict[str, object]) -> str:
    """What is asked of numbers and texts, for people who know no pydantic and few patterns."""
    if kind != "string_pattern_mismatch":
        return "write a whole number"
    pattern = str(context.get("pattern", ""))
    return f"it should {_SHAPES.get(pattern, f'match the pattern {pattern}')}"


def _in_place_of(details: ErrorDetails) -> str:
    """For a value that none of the kinds of a union fits: what would; of keys the one that a given key looks like."""
    if (kinds := details["msg"].removeprefix("is neither ")) != details["msg"]:
        return f"write {kinds.replace(' nor ', ' or ')}" + (' like {"ref": "entry.properties.…"}' if "reference" in kinds else "")
    if " keys " not in details["msg"]:
        return f"write a {details['msg'].removeprefix('is no ')}" if details["msg"].startswith("is no ") else ""
    known = details["msg"].partition(" keys ")[2].split(", ")
    if not isinstance(details["input"], dict):
        return f"write an object with one of {', '.join(known)}"
    near = [(key, found[0]) for key in details["input"] for found in [difflib.get_close_matches(str(key), known, n=1)] if found]
    return f"did you mean {near[0][1]!r} instead of {near[0][0]!r}?" if near else f"write one of {', '.join(known)}"
