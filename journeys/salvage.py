"""What is left of a definition that cannot be read: each unreadable step becomes one of which nothing is claimed.

So the rest can be judged at once. In the place of an unreadable step stands a `wait_for` through which everything inside it, and
everything behind it, can be reached; if the step, or one that is lost inside it, may have been a jump, every step can be. Too
much is then taken for possible, never too little, and what is found in spite of that is true of the definition however the step
will be repaired.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pydantic import TypeAdapter, ValidationError

from conditions.problems import Problem, join
from journeys.model import Journey, Step

_STEP: TypeAdapter[Step] = TypeAdapter(Step)
_FRAME: dict[str, Any] = {"key": "unreadable", "name": "?", "purpose": "?", "entry": {"event": "?"}}
_NEVER_JUMPS = {"send", "wait_for", "branch", "split", "repeat", "update_profile", "emit_event", "call", "start_journey", "exit"}
_DATA = {"body", "properties", "set", "headers"}
_HOLDS = {"wait_for": "paths", "branch": "paths", "split": "paths", "repeat": "steps"}
"""Where steps have other steps; there may be jumps among those that are not told."""
_HUB, _DEEPEST = "unreadable-hub", 40


@dataclass(slots=True)
class Salvage:
    """The readable rest of a definition; `true_findings` tells which findings about it are true of the definition as well."""

    steps: list[Any] = field(default_factory=list)
    frame: dict[str, Any] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """JSON path of a list of steps here → in the definition."""
    unreadable: list[str] = field(default_factory=list)
    """JSON paths, here, of steps that stand for unreadable ones, and of fields left out."""
    ids: list[str] = field(default_factory=list)
    """Ids of unreadable steps."""
    jumps: bool = False
    """Whether an unreadable step, or one that is lost inside it, may have been a jump."""
    _count: int = 0

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Salvage":
        """Reads what can be read."""
        found = cls(frame=dict(_FRAME))
        for name, value in {**dict.fromkeys(_FRAME), **data}.items():
            if name == "steps":
                continue
            try:
                Journey.model_validate({**_FRAME, name: value})
                found.frame[name] = value
            except (ValidationError, RecursionError):
                found.unreadable.append(f"$.{name}")
        steps = data.get("steps")
        if not isinstance(steps, list):  # perhaps under another key
            found.unreadable += ["$.goal", "$.steps"]
        found.steps = found._list(steps if isinstance(steps, list) else [], "$.steps", "$.steps", 0)
        return found

    def journey(self) -> Journey | None:
        """The rest as a journey; None where too little is left."""
        steps = list(self.steps)
        if self.jumps:
            targets = [step["id"] for step in _outside_repetitions(steps)]
            paths = [_path(at, [{"id": f"{_HUB}-{at}", "type": "goto", "goto": target}]) for at, target in enumerate(targets)]
            steps += [{"id": f"{_HUB}-end", "type": "exit"}, {"id": _HUB, "type": "wait_for", "paths": paths or [_path(0, [])]}]
        try:
            return Journey.model_validate({**self.frame, "steps": steps})
        except (ValidationError, RecursionError):
            return None

    def true_findings(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """The findings that hold for the definition, with the paths that they have there."""
        frame = any(path.count(".") == 1 and not path.startswith("$.steps") for path in self.unreadable)
        for problem in problems:
            step = next((path for path in self.unreadable if _inside(problem.path, path)), None)
            moved = max((path for path in self.moved if _inside(problem.path, path)), key=len, default="")
            said = problem.message
            if (
                (step is None or len(moved) > len(step))
                and not any(_inside(problem.path, path) for path in self._added())
                and not any(repr(name) in said or f"loop of {name}" in said or f", {name}" in said for name in self.ids)
                and _HUB not in said
                and not (self.ids and " has been seen yet" in said)
                and not (frame and "nothing ends the journey" in said)
                and not (self.jumps and problem.path.endswith(".since"))
            ):
                path = self.moved[moved] + problem.path[len(moved) :] if moved else problem.path
                yield problem.model_copy(update={"path": path, "remedy": _without_stand_ins(problem.remedy)})

    def _added(self) -> Iterator[str]:
        if self.jumps:
            yield f"$.steps[{len(self.steps)}]"
            yield f"$.steps[{len(self.steps) + 1}]"

    def _list(self, steps: list[Any], here: str, there: str, depth: int) -> list[Any]:
        if here != there:
            self.moved[here] = there
        return [self._step(step, f"{here}[{at}]", f"{there}[{at}]", depth) for at, step in enumerate(steps)]

    def _step(self, step: object, here: str, there: str, depth: int) -> dict[str, Any]:
        raw = step if isinstance(step, dict) else {}
        inner = list(_slots(raw)) if depth < _DEEPEST else []
        if depth < _DEEPEST and _readable(raw, [keys for keys, _ in inner]):
            copy = dict(raw)
            for keys, steps in inner:
                _put(copy, keys, self._list(steps, here + _text(keys), there + _text(keys), depth + 1))
            return copy
        return self._stand_in(raw, list(_lists_in(raw)) if depth < _DEEPEST else [], here, there, depth)

    def _stand_in(
        self, raw: dict[str, Any], inner: list[tuple[tuple[str | int, ...], list[Any]]], here: str, there: str, depth: int
    ) -> dict[str, Any]:
        self.unreadable.append(here)
        name = raw.get("id")
        try:
            _STEP.validate_python({"id": name, "type": "exit"})
        except ValidationError:
            self._count += 1
            name = f"unreadable-{self._count}"
        self.ids.append(str(name))
        paths = [_path(0, [])]
        for at, (keys, steps) in enumerate(inner, 1):
            paths.append(_path(at, self._list(steps, f"{here}.paths[{at}].steps", there + _text(keys), depth + 1)))
        if _may_jump(raw, [steps for _, steps in inner]):
            self.jumps = True
            paths.append(_path(len(paths), [{"id": f"{_HUB}-from-{len(self.ids)}", "type": "goto", "goto": _HUB}]))
        return {"id": name, "type": "wait_for", "paths": paths}


def _path(at: int, steps: list[Any]) -> dict[str, Any]:
    return {"id": f"p{at}", "event": f"?{at}", "steps": steps}


def _slots(raw: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], list[Any]]]:
    """The lists of steps inside a step as written, each with the keys that lead to it."""
    for key in ("steps", "otherwise", "on_failure"):
        if isinstance(raw.get(key), list):
            yield (key,), raw[key]
    timeout, paths = raw.get("timeout"), raw.get("paths")
    if isinstance(timeout, dict) and isinstance(timeout.get("steps"), list):
        yield ("timeout", "steps"), timeout["steps"]
    for at, path in enumerate(paths if isinstance(paths, list) else ()):
        if isinstance(path, dict) and isinstance(path.get("steps"), list):
            yield ("paths", at, "steps"), path["steps"]


def _lists_in(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], list[Any]]]:
    """Whatever looks like a list of steps inside an unreadable one, under whichever key, each with the keys that lead to it."""
    named = ("steps", "otherwise", "on_failure")
    if isinstance(value, list) and (keys[-1:] in {(name,) for name in named} or any(_like_a_step(each) for each in value)):
        yield keys, value
    elif isinstance(value, dict) or (isinstance(value, list) and len(keys) < _DEEPEST):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in _DATA and len(keys) < _DEEPEST:
                yield from _lists_in(part, (*keys, key))


def _like_a_step(value: object) -> bool:
    return isinstance(value, dict) and "id" in value and "type" in value


def _may_jump(raw: dict[str, Any], seen: list[list[Any]]) -> bool:
    """Whether the step may lead elsewhere, by itself or by a step that is in none of the lists that were seen."""
    kind = raw.get("type")
    if kind == "wait":
        return "if_past" in raw
    if not isinstance(kind, str) or kind not in _NEVER_JUMPS:
        return True
    holds = _HOLDS.get(kind)
    return (holds is not None and not isinstance(raw.get(holds), list)) or _goes(raw, seen)


def _goes(part: object, seen: list[list[Any]]) -> bool:
    """Whether there is a jump in a part of the definition, the lists that were seen left out."""
    if isinstance(part, list):
        return not any(part is steps for steps in seen) and any(_goes(each, seen) for each in part)
    return isinstance(part, dict) and ("goto" in part or any(_goes(each, seen) for each in part.values()))


def _readable(raw: dict[str, Any], slots: list[tuple[str | int, ...]]) -> bool:
    """Whether the step itself is well formed, whatever is inside it."""
    shell = dict(raw)
    for keys in slots:
        _put(shell, keys, [{"id": "x", "type": "exit"}])
    try:
        _STEP.validate_python(shell)
    except (ValidationError, RecursionError):
        return False
    return True


def _put(target: dict[str, Any], keys: tuple[str | int, ...], value: list[Any]) -> None:
    """Replaces what the keys lead to, copying the way there."""
    inner: Any = target
    for key in keys[:-1]:
        inner[key] = inner[key].copy()
        inner = inner[key]
    inner[keys[-1]] = value


def _text(keys: tuple[str | int, ...]) -> str:
    return reduce(join, keys, "")


def _without_stand_ins(remedy: str) -> str:
    """A list of known steps names none that only this module made."""
    known = remedy.removeprefix("known are: ")
    if known == remedy:
        return remedy
    names = [name for name in known.split(", ") if not name.startswith("unreadable-")]
    return f"known are: {', '.join(names)}" if names else "none is known"


def _inside(path: str, outer: str) -> bool:
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in {"", ".", "["}


def _outside_repetitions(steps: list[Any]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        if step["type"] != "repeat":
            for _, inner in _slots(step):
                yield from _outside_repetitions(inner)
