"""Problems with a definition: where, what, and what would be right; also made from pydantic's errors."""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

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
    """The known word that is most like this one; None where none is so much alike (1 is the same)."""
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=likeness)
    return found[0] if found else None


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
    loc = tuple(part for part in details["loc"] if not (isinstance(part, str) and part.startswith("<")))
    where = path
    for part in loc:
        where = join(where, part)
    context = details.get("ctx") or {}
    match details["type"]:
        case "extra_forbidden":
            known = _keys_at(root, details["loc"][:-1])
            return Problem(path=where, message=f"unknown key {loc[-1]!r}", remedy=did_you_mean(str(loc[-1]), known))
        case "missing":
            return Problem(path=where, message="is missing", remedy=f"add {loc[-1]!r}")
        case "union_tag_invalid":
            tags = [tag.strip("'<> ") for tag in str(context.get("expected_tags", "")).split(",")]
            tag = str(context.get("tag", "")).strip("<>")
            return Problem(path=where, message=f"unknown type {tag!r}", remedy=did_you_mean(tag, tags))
        case "union_tag_not_found":
            return Problem(path=where, message="says not of which type it is", remedy="add 'type'")
        case "recursion_loop":
            return Problem(path=path, message="is nested too deeply", remedy="say it in fewer levels")
        case "string_pattern_mismatch" | "int_from_float" | "int_type" | "int_parsing":
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_plain_demand(details["type"], context))
        case _ if (demand := _SHOULD.fullmatch(details["msg"])) is not None:
            return Problem(path=where, message=f"is {_shown(details['input'])}", remedy=_asked(demand[1]))
        case _:
            message = details["msg"].removeprefix("Value error, ")
            return Problem(path=where, message=message, remedy=str(context.get("remedy", "")) or _in_place_of(details))


def _asked(demand: str) -> str:
    words = re.sub(r" or instance of \w+", "", demand).replace("tuple", "list")
    return f"it should {words.replace('a valid dictionary', 'an object')}"


def _shown(value: object) -> str:
    text = repr(value)
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


def _keys_at(root: object, loc: Sequence[str | int]) -> list[str]:
    """The keys that the model at this location knows."""
    kind = root
    for part in loc:
        kind = _step_into(kind, part)
    model = _model_in(kind)
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _step_into(kind: object, part: str | int) -> object:
    if isinstance(part, str) and part.startswith("<"):
        return next((option for option, tag in _options(kind) if tag == part), None)
    for option, _ in _options(kind):
        origin = get_origin(option)
        if isinstance(part, int) and origin in (tuple, list):
            return get_args(option)[0]
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, info in option.model_fields.items():
                if part == (info.alias or name):
                    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return None


def _options(kind: object) -> list[tuple[object, str | None]]:
    """The members of a type with their union tags, through Annotated, unions and type aliases."""
    tag: str | None = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            tag = next((note.tag for note in notes if hasattr(note, "tag")), tag)
        elif hasattr(kind, "__value__"):
            kind = kind.__value__
        else:
            break
    if get_origin(kind) in (typing.Union, types.UnionType):
        return [option for member in get_args(kind) for option in _options(member)]
    return [(kind, tag)]


def _model_in(kind: object) -> type[BaseModel] | None:
    return next((option for option, _ in _options(kind) if isinstance(option, type) and issubclass(option, BaseModel)), None)
