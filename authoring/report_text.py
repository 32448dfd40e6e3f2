"""A simulation's report in words: step by step, the send curve, and the difference between two versions."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from authoring.findings import counted
from authoring.trying import Tried
from journeys import Journey
from journeys.simulation import Difference, Report

_ROWS = 40
_WIDTH = 40
_NAMED = 5


def print_report(report: Report, journey: Journey, zone: str, console: Console) -> None:
    """The sum, the steps, the curve."""
    console.print(Text(f"{journey.key}: {report.people} people, {report.entered} entered", "bold"))
    for line in _sums(report):
        console.print(line, highlight=False, markup=False)
    console.print(_steps(report, journey))
    print_curve(report, zone, console)


def _sums(report: Report) -> Iterator[str]:
    if report.refused:
        yield f"  did not enter: {_listed(report.refused)}"
    if report.held:
        yield f"  wait for a place: {report.held}"
    yield f"  ended: {_listed(report.ended) or 'nobody'}; under way: {report.under_way}"
    if report.goal_reached or report.held_out:
        yield f"  goal reached: {report.goal_reached}; held out: {report.held_out}"
    yield f"  messages: {sum(report.messages.values())} ({_listed(report.channels) or 'none'})"


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items(), key=lambda each: (-each[1], each[0])))


def _steps(report: Report, journey: Journey) -> Table:
    numbered = [Column(name, justify="right") for name in ("entered", "waiting", "sent", "skipped")]
    table = Table(Column("step", overflow="fold"), "type", *numbered, "paths and reasons")
    for step, model in journey.index.steps.items():
        numbers = report.step(step)
        told = [_listed(numbers.paths)] if numbers.paths else []
        told += [f"skipped: {_listed(numbers.skipped)}"] if numbers.skipped else []
        told += [f"put off: {_listed(numbers.deferred)}"] if numbers.deferred else []
        told += [f"past due: {_listed(numbers.past_due)}"] if numbers.past_due else []
        shown = [numbers.entered, numbers.waiting, numbers.sent, sum(numbers.skipped.values())]
        table.add_row(step, model.type, *(str(number) if number else "" for number in shown), Text("; ".join(told)))
    return table


def print_curve(report: Report, zone: str, console: Console) -> None:
    """Messages per hour; where hours would be too many rows per day or week, and per hour of the day. All in a zone."""
    if not report.curve:
        return
    there = ZoneInfo(zone)
    span = report.curve[-1].at - report.curve[0].at
    unit = "hour" if span <= timedelta(hours=_ROWS) else "day" if span <= timedelta(days=_ROWS) else "week"
    bars: dict[str, int] = {}
    clock = {f"{number:02}:00": 0 for number in range(24)}
    for hour in report.curve:
        local = hour.at.astimezone(there)
        clock[f"{local:%H}:00"] += hour.sent
        match unit:
            case "hour":
                name = local.strftime("%a %Y-%m-%d %H:00")
            case "day":
                name = local.strftime("%a %Y-%m-%d")
            case _:
                name = f"week of {(local - timedelta(days=local.weekday())).strftime('%Y-%m-%d')}"
        bars[name] = bars.get(name, 0) + hour.sent
    peak = max(report.curve, key=lambda hour: hour.sent)
    console.print(f"messages per {unit} ({zone}); at most {peak.sent} in one hour", highlight=False)
    _print_bars(bars, console)
    if unit != "hour":
        console.print(f"messages per hour of the day ({zone})", highlight=False)
        _print_bars(clock, console)


def _print_bars(bars: Mapping[str, int], console: Console) -> None:
    most = max(bars.values())
    for name, number in bars.items():
        bar = "█" * max(1, round(_WIDTH * number / most)) if number else ""
        console.print(f"  {name}  {bar} {number or ''}".rstrip(), highlight=False, soft_wrap=True)


def print_difference(result: Tried, before: str, console: Console) -> None:
    """What is otherwise than in the other version."""
    if result.difference is None:
        return
    console.print(Text(f"against {before}", "bold"))
    lines = list(_differences(result.difference))
    if result.other_hours:
        lines.append(f"  {counted(result.other_hours, 'message')} at another hour")
    for line in lines or ["  no difference"]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _differences(difference: Difference) -> Iterator[str]:
    totals = {"entered": difference.entered, "goal reached": difference.goal_reached, "held out": difference.held_out}
    for name, change in totals.items():
        if change is not None:
            yield f"  {name}: {change.before} → {change.after}"
    for reason, change in difference.refused.items():
        yield f"  did not enter, {reason}: {change.before} → {change.after}"
    for reason, change in difference.ended.items():
        yield f"  ended {reason}: {change.before} → {change.after}"
    for step, changes in difference.steps.items():
        told = ", ".join(f"{name} {change.before} → {change.after}" for name, change in changes.items())
        yield f"  step {step}: {told}"
    for channel, change in difference.channels.items():
        yield f"  messages by {channel}: {change.before} → {change.after}"
    for template, message in difference.messages.items():
        whom = [_people(message.more, "more"), _people(message.fewer, "fewer")]
        yield f"  messages {template}: {message.before} → {message.after}; {', '.join(each for each in whom if each)}"


def _people(people: tuple[str, ...], word: str) -> str:
    if not people:
        return ""
    named = ", ".join(people[:_NAMED]) + (", …" if len(people) > _NAMED else "")
    return f"{word} for {counted(len(people), 'person') if len(people) == 1 else f'{len(people)} people'} ({named})"
