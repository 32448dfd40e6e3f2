"""A plan in words: what is new, what changes and how, whom it is about."""

from collections.abc import Iterator, Sequence

import orjson
from pydantic import JsonValue
from rich.console import Console
from rich.text import Text

from authoring.difference import FieldChange, StepChange
from authoring.findings import counted
from authoring.impact import Impact
from authoring.planning import Change, Plan

_SIGNS = {"new": ("+", "green"), "changed": ("~", "yellow"), "only on the server": ("?", "dim")}
_STEP_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "moved": (">", "cyan")}
_LONGEST = 90


def print_plan(plan: Plan, console: Console) -> None:
    """Unchanged definitions are counted, not listed."""
    for change in plan.changes:
        if change.status != "unchanged":
            for line in _lines(change):
                console.print(line, soft_wrap=True)
        if change.state is not None:
            told = f"! {change.kind} {change.key} is {change.state} on the server, which applying does not change"
            console.print(Text(told, "yellow"), soft_wrap=True)
    console.print(_sum(plan), highlight=False, soft_wrap=True)


def _sum(plan: Plan) -> str:
    numbers = [f"{len(plan.of(status))} {status}" for status in ("new", "changed", "unchanged", "only on the server")]
    rest = "; what is only on the server stays there" if plan.of("only on the server") else ""
    return ", ".join(numbers) + rest


def _lines(change: Change) -> Iterator[Text]:
    sign, colour = _SIGNS[change.status]
    note = f" ({change.status})" if change.status == "only on the server" else ""
    yield Text(f"{sign} {change.kind} {change.key}{note}", colour)
    for field in change.fields:
        yield Text(f"    {_field(field)}")
    for step in change.steps:
        yield from _step(step)
    if change.impact is not None:
        yield from _impact(change.impact)


def _step(step: StepChange) -> Iterator[Text]:
    sign, colour = _STEP_SIGNS[step.kind]
    place = f", {step.fields[0].after}" if step.kind == "added" and step.fields else ""
    yield Text(f"    {sign} {step.step} ({step.type}{place})", colour)
    if step.kind in ("changed", "moved"):
        for field in step.fields:
            yield Text(f"        {_field(field)}")


def _field(field: FieldChange) -> str:
    match field.kind:
        case "added":
            return f"{field.path}: {shown(field.after)} (new)"
        case "removed":
            return f"{field.path}: {shown(field.before)} (gone)"
        case "changed":
            return f"{field.path}: {shown(field.before)} → {shown(field.after)}"


def shown(value: JsonValue) -> str:
    """JSON on one line, long texts cut where the difference no longer helps."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _impact(impact: Impact) -> Iterator[Text]:
    if not impact.under_way:
        yield Text("    nobody is under way", "dim")
        return
    yield Text(f"    {counted(impact.under_way, 'person') if impact.under_way == 1 else f'{impact.under_way} people'} under way:")
    for parked in impact.parked:
        colour = {"removed": "red", "changed": "yellow", "moved": "cyan"}.get(parked.fate, "dim")
        what = {"removed": "the step is gone", "changed": "the step changes", "moved": "the step moves"}.get(parked.fate, "stays")
        yield Text(f"      {parked.people} at {parked.step}: {what}", colour)
    affected = sum(parked.people for parked in impact.parked if parked.fate != "stays")
    rest = f"{affected} of them stand at a step that changes; " if affected else ""
    yield Text(f"      {rest}all keep the version they entered until they are migrated", "dim")


def step_words(steps: Sequence[StepChange]) -> str:
    """`2 added, 1 changed`."""
    kinds = [step.kind for step in steps]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in _STEP_SIGNS if kind in kinds)
