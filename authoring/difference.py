"""What differs between two definitions: field by field, for journeys step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from conditions.problems import join


class FieldChange(BaseModel):
    """A value before and after; `added` and `removed` tell a missing one from a null."""

    model_config = ConfigDict(frozen=True)

    path: str
    before: JsonValue = None
    after: JsonValue = None
    kind: Literal["changed", "added", "removed"] = "changed"


class StepChange(BaseModel):
    """What became of a step. `type` is the new one (the old one of a removed step)."""

    model_config = ConfigDict(frozen=True)

    step: str
    type: str
    kind: Literal["added", "removed", "changed", "moved"]
    fields: tuple[FieldChange, ...] = ()
    """Of a changed step; of a moved one, where it was and is."""


@dataclass(frozen=True, slots=True)
class _Placed:
    own: dict[str, Any]
    """The step without the steps inside it."""
    place: str
    """In which list it lies."""
    before: str | None
    """The step ahead of it in that list."""


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[FieldChange]:
    """Objects are compared inside; lists whose members have ids are compared by id, other lists and values as wholes."""
    for name in dict.fromkeys((*before, *after)):
        here = join(path, name).lstrip(".") if path else name
        if name not in after:
            yield FieldChange(path=here, before=before[name], kind="removed")
        elif name not in before:
            yield FieldChange(path=here, after=after[name], kind="added")
        else:
            yield from _value_changes(before[name], after[name], here)


def _value_changes(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from field_changes(before, after, path)
    elif (old := _by_id(before)) is not None and (new := _by_id(after)) is not None:
        yield from field_changes(old, new, path)
        if list(old) != list(new) and sorted(old) == sorted(new):
            yield FieldChange(path=f"{path} (order)", before=list(old), after=list(new))
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield FieldChange(path=path, before=before, after=after)


def _by_id(value: Any) -> dict[str, Any] | None:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in value)
    ):
        return None
    found = {each["id"]: {name: part for name, part in each.items() if name != "id"} for each in value}
    return found if len(found) == len(value) else None


def journey_changes(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[tuple[FieldChange, ...], tuple[StepChange, ...]]:
    """What differs about the journey itself, and about its steps, in the new order; removed steps come last."""
    fields = tuple(field_changes(_without(before, "steps"), _without(after, "steps")))
    old, new = dict(_steps(before.get("steps"), "")), dict(_steps(after.get("steps"), ""))
    found: list[StepChange] = []
    moved = _moved(old, new)
    for step, placed in new.items():
        if step not in old:
            where = FieldChange(path="place", after=_where(placed), kind="added")
            found.append(StepChange(step=step, type=_type(placed), kind="added", fields=(where,)))
        elif changed := tuple(field_changes(old[step].own, placed.own)):
            found.append(StepChange(step=step, type=_type(placed), kind="changed", fields=changed))
        elif step in moved:
            where = FieldChange(path="place", before=_where(old[step]), after=_where(placed))
            found.append(StepChange(step=step, type=_type(placed), kind="moved", fields=(where,)))
    found += [StepChange(step=step, type=_type(placed), kind="removed") for step, placed in old.items() if step not in new]
    return fields, tuple(found)


def _steps(steps: Any, place: str) -> Iterator[tuple[str, _Placed]]:
    """Every step at any depth by id, with what is its own."""
    ahead: str | None = None
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, dict) or not isinstance(step.get("id"), str):
            continue
        step_id = step["id"]
        inner: list[tuple[Any, str]] = []
        own = {name: value for name, value in _split(step, f"{step_id}", inner).items() if name != "id"}
        yield step_id, _Placed(own, place, ahead)
        for nested, where in inner:
            yield from _steps(nested, where)
        ahead = step_id


def _split(part: dict[str, Any], where: str, inner: list[tuple[Any, str]]) -> dict[str, Any]:
    """A step (or path, or timeout) without its lists of steps, which go to `inner` with the names of their places."""
    own: dict[str, Any] = {}
    for name, value in part.items():
        if name in ("steps", "otherwise", "on_failure"):
            inner.append((value, where if name == "steps" else f"{where}.{name}"))
        elif name == "paths" and isinstance(value, list):
            own[name] = [_split(each, f"{where}.{each.get('id')}", inner) if isinstance(each, dict) else each for each in value]
        elif name == "timeout" and isinstance(value, dict):
            own[name] = _split(value, f"{where}.timeout", inner)
        else:
            own[name] = value
    return own


def _moved(old: Mapping[str, _Placed], new: Mapping[str, _Placed]) -> frozenset[str]:
    """Steps that lie in another list, or in another order among those of their list that were there before and are now."""
    found = {step for step in new if step in old and old[step].place != new[step].place}
    for place in {placed.place for placed in new.values()}:
        was, now = (
            [step for step, placed in side.items() if placed.place == place and step in old and step in new and step not in found]
            for side in (old, new)
        )
        blocks = SequenceMatcher(a=was, b=now, autojunk=False).get_matching_blocks()
        found |= set(now) - {step for block in blocks for step in now[block.b : block.b + block.size]}
    return frozenset(found)


def _where(placed: _Placed) -> str:
    place = placed.place or "the journey"
    return f"after {placed.before}" if placed.before is not None else f"first in {place}"


def _type(placed: _Placed) -> str:
    return str(placed.own.get("type", "?"))


def _without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}
