"""`reis export`: what runs, written to files in a stable form, so that applying them again changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authoring.kinds import JOURNEY, KINDS, Kind
from authoring.planning import Running
from authoring.system import plain
from infra.local.folder import replace

_FIRST = ("$schema", "key", "name", "purpose", "description", "hypothesis", "zone", "entry", "exit_when", "goal")
_STEP_FIRST = ("id", "type", "name")


@dataclass(frozen=True, slots=True)
class Written:
    """A file, and whether it was new, changed or as before."""

    path: Path
    status: str


def export(known: Running, folder: Path) -> list[Written]:
    """Writes every definition; a file that says the same already is left as somebody formatted it."""
    written: list[Written] = []
    for kind in KINDS:
        for key, body in sorted(known[kind.name].items()):
            path = _place(kind, key, folder)
            was = _body(path)
            if was is not None and plain(kind, was) == body:
                written.append(Written(path, "as before"))
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, formatted(kind, key, body))
            written.append(Written(path, "new" if was is None else "changed"))
    return written


def formatted(kind: Kind, key: str, body: Mapping[str, Any]) -> str:
    """Indented JSON with the telling fields first; the same definition gives the same text."""
    whole = {"key": key, **body}
    if kind is not JOURNEY:
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return json.dumps(_ordered(whole, _FIRST), indent=2, ensure_ascii=False) + "\n"


def _ordered(value: Any, first: tuple[str, ...]) -> Any:
    """PostgreSQL keeps objects in an order of its own: names that people look for come first, the steps inside come last."""
    if isinstance(value, list):
        return [_ordered(each, _STEP_FIRST) for each in value]
    if not isinstance(value, dict):
        return value
    last = ("paths", "timeout", "steps", "otherwise", "on_failure")
    middle = sorted(name for name in value if name not in first and name not in last)
    names = [*(name for name in first if name in value), *middle, *(name for name in last if name in value)]
    return {name: _ordered(value[name], _STEP_FIRST) for name in names}


def _place(kind: Kind, key: str, folder: Path) -> Path:
    """Where the kind's files lie in this folder already, else its first name."""
    existing = next((name for name in kind.folders if (folder / name).is_dir()), kind.folder)
    return folder / existing / f"{key}.json"


def _body(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
