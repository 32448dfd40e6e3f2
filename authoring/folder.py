"""A folder of journeys as code, read from disk: definitions by kind and key, test files, and what could not be read."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authoring.findings import Finding
from authoring.kinds import KINDS, Kind, kind_of
from conditions.problems import join

TESTS = ".test.json"


@dataclass(frozen=True, slots=True)
class Definition:
    """One file; `body` is its JSON."""

    path: Path
    kind: Kind
    key: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceOfTests:
    """A file of journey tests, not yet looked into."""

    path: Path
    body: Any


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read: its folder says its kind (None: it does not), its name the key."""

    path: Path

    @property
    def kind(self) -> Kind | None:
        return kind_of(self.path.parent.name, set())

    @property
    def key(self) -> str:
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything below some paths; each key once per kind."""

    definitions: tuple[Definition, ...]
    tests: tuple[SourceOfTests, ...]
    findings: tuple[Finding, ...]
    people: tuple[Path, ...] = ()
    """Files of people (JSON lines), not yet looked into."""
    unread: tuple[Unread, ...] = ()

    def keys(self, kind: Kind) -> frozenset[str]:
        """Every key that is written down, so that a file that cannot be read is told of once, and not by whoever names it."""
        unread = (each for each in self.unread if each.kind in (kind, None) and not each.path.name.endswith(TESTS))
        return frozenset(self.of(kind)) | {each.key for each in unread}

    def of(self, kind: Kind) -> Mapping[str, Definition]:
        """Key to definition."""
        return {each.key: each for each in self.definitions if each.kind is kind}


class _Twice(dict[str, Any]):
    """An object that says the same thing twice."""

    key: str


def read_folder(paths: Sequence[Path]) -> Folder:
    """Reads every JSON file at or below `paths`; what cannot be read, or is defined twice, becomes a finding."""
    definitions: dict[tuple[str, str], Definition] = {}
    tests: list[SourceOfTests] = []
    found = list(_empty(paths))
    unread: list[Unread] = []
    for path in _files(paths):
        try:
            # Some editors begin a file with a mark of its byte order.
            text = path.read_text("utf-8-sig")
            body = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
            twice = list(_twice(path, body))
        except (ValueError, OSError, RecursionError) as error:
            found.append(_unreadable(path, error))
            unread.append(Unread(path))
            continue
        if twice:
            found += twice
            unread.append(Unread(path))
            continue
        if path.name.endswith(TESTS):
            tests.append(SourceOfTests(path, body))
            continue
        read = _definition(path, body)
        if isinstance(read, Finding):
            found.append(read)
            unread.append(Unread(path))
            continue
        first = definitions.setdefault((read.kind.name, read.key), read)
        if first is not read:
            message = f"the {read.kind.name} {read.key!r} is defined in {first.path} already"
            found.append(Finding(file=str(path), path="$.key", message=message, remedy="give one of them another key"))
    people = dict.fromkeys(each for path in paths if path.is_dir() for each in sorted(path.rglob("*.jsonl")))
    return Folder(tuple(definitions.values()), tuple(tests), tuple(found), tuple(people), tuple(unread))


def _empty(paths: Iterable[Path]) -> Iterator[Finding]:
    """A folder without anything is a mistyped one."""
    for path in paths:
        if path.is_dir() and next(path.rglob("*.json"), None) is None:
            folders = ", ".join(each.folder for each in KINDS)
            message, remedy = "holds no JSON file", f"name a folder of journeys as code; it has folders named {folders}"
            yield Finding(file=str(path), path="$", message=message, remedy=remedy)


def _files(paths: Iterable[Path]) -> list[Path]:
    found = (sorted(path.rglob("*.json")) if path.is_dir() else [path] for path in paths)
    return list(dict.fromkeys(path for each in found for path in each))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [name for name, _ in pairs]
    twice = _Twice(made)
    twice.key = next(name for name in names if names.count(name) > 1)
    return twice


def _twice(file: Path, value: Any, path: str = "$") -> Iterator[Finding]:
    """A finding for each object that says a thing twice: the first of the two would be lost without a word."""
    if isinstance(value, _Twice):
        message = f"an object has the key {value.key!r} twice"
        yield Finding(file=str(file), path=join(path, value.key), message=message, remedy="remove one of them")
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _twice(file, part, join(path, key))


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _unreadable(path: Path, error: Exception) -> Finding:
    match error:
        case RecursionError():
            message, remedy = "is nested too deeply", "say it in fewer levels"
        case OSError():
            message, remedy = f"cannot be read: {error.strerror}", "look at the file's permissions"
        case json.JSONDecodeError(doc=text) if not text.strip():
            message, remedy = "is empty", "write a definition, or remove the file"
        case json.JSONDecodeError():
            message, remedy = f"is not JSON: {error}", _SLIPS.get(error.msg, "correct it there")
        case _:
            message, remedy = f"is not JSON: {error}", "correct it there"
    return Finding(file=str(path), path="$", message=message, remedy=remedy)


_SLIPS = {
    "Expecting ',' delimiter": "put a comma behind what stands before it, or look for a quote or bracket that is missing there",
    "Expecting ':' delimiter": "put a colon between the name and its value",
    "Expecting property name enclosed in double quotes": (
        'put names in straight double quotes ("), and drop a comma before a closing bracket; JSON has no comments'
    ),
    "Expecting value": 'put texts in straight double quotes ("), and drop a comma before a closing bracket; JSON has no comments',
    "Extra data": "keep one object in a file: look for a bracket that closes too early",
}
"""What JSON's reader says of slips of the pen, to what would be right."""


def _definition(path: Path, body: Any) -> Definition | Finding:
    if not isinstance(body, dict) or not isinstance(body.get("key"), str):
        remedy = "give the definition a key, its name in URLs"
        return Finding(file=str(path), path="$.key", message="is missing", remedy=remedy)
    kind = kind_of(path.parent.name, set(body))
    if kind is None:
        known = ", ".join(each.folder for each in KINDS)
        return Finding(file=str(path), path="$", message="its kind is not clear", remedy=f"put it into a folder named {known}")
    return Definition(path, kind, body["key"], body)
