"""One customer's story: every decision in words, with the values it rested on, and what became of each message."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from demo.post import Handled
from demo.screen import CHANNEL_NAMES, shortened

_HIDDEN = frozenset({"template", "channel", "message_id", "reason", "detail", "zone"})


def telling(story: Mapping[str, Any], receipts: Sequence[Handled]) -> float:
    """How much there is to tell; the richest story is shown."""
    whats = [line["what"] for line in story["lines"]]
    enrolment = story["enrolment"]
    mine = [each for each in receipts if str(each.receipt.enrolment) == enrolment["id"]]
    fell_back = any(each.receipt.attempt_number > 1 for each in mine)
    ended = enrolment["state"] == "ended"
    said = sum(each.receipt.status in ("opened", "clicked", "replied") for each in mine)
    points = 3 * whats.count("sent") + 4 * bool(enrolment["goal_at"]) + 4 * fell_back + 3 * ended + min(said, 4) + len(set(whats))
    return float(points - 0.2 * max(0, len(whats) - 14))


def told(story: Mapping[str, Any], receipts: Sequence[Handled], name: str, zone: ZoneInfo) -> RenderableType:
    """The story as a table, times in the customer's own zone."""
    enrolment = story["enrolment"]
    by_step: dict[tuple[str, int], list[Handled]] = defaultdict(list)
    for each in receipts:
        if str(each.receipt.enrolment) == enrolment["id"]:
            by_step[each.receipt.step, each.receipt.visit].append(each)
    table = Table(
        show_header=True,
        box=None,
        pad_edge=False,
        title=f"The story of {name} in {enrolment['journey']}",
        title_style="bold",
        title_justify="left",
    )
    table.add_column("when", no_wrap=True, style="dim")
    table.add_column("step", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("because", overflow="fold", style="dim")
    for line in story["lines"]:
        what, because = _sentence(line, zone)
        table.add_row(_local(line["at"], zone), line["step"] or "", what, because)
        if line["what"] == "sent":
            for mark in _marks(by_step[line["step"], line["visit"] or 1], zone):
                table.add_row("", "", mark, "")
    return Group(table, Text(f"Times are {name}'s own ({zone.key}).", style="dim"))


def _sentence(line: Mapping[str, Any], zone: ZoneInfo) -> tuple[str, str]:
    seen, outcome = line["seen"], line["outcome"]
    until = _local(outcome["until"], zone) if outcome.get("until") else ""
    match line["what"]:
        case "entered":
            return "entered", f"{seen.get('event', 'event')}: {_values(seen.get('properties', {}))}"
        case "sent":
            passed = f"; {seen['detail']}" if seen.get("detail") else ""
            return (
                f"sent {seen.get('template')} by {CHANNEL_NAMES.get(seen.get('channel') or '', 'no channel')}",
                f"first channel that reaches and may{passed}",
            )
        case "skipped":
            return f"{seen.get('template')} was not sent: {seen.get('reason')}", str(seen.get("detail") or "")
        case "deferred":
            return f"waits with sending until {until}", str(seen.get("reason") or "")
        case "sleep":
            return f"waits until {until}", _values(seen)
        case "past_due":
            target = f" {outcome['target']}" if outcome.get("target") else ""
            return f"the time is past: {outcome['action']}{target}", _values(seen)
        case "waiting":
            return f"waits for an event{f', until {until} at most' if until else ''}", _values(seen)
        case "chose":
            return f"takes “{outcome.get('path')}”", _values(seen)
        case "held_out":
            return f"is held out (“{outcome.get('path')}”), to compare with", "a fixed share of people, by hash"
        case "updated":
            return f"the profile learns {_values(seen.get('set', {}))}", ""
        case "started":
            return f"starts the journey {seen.get('journey')}", ""
        case "ended":
            return f"ended: {outcome.get('reason')}", ""
        case what if what.endswith(" met"):
            path = f", takes “{outcome['path']}”" if outcome.get("path") else ""
            return f"{what.removesuffix(' met')} criterion met{path}" if not what.startswith(
                "wait"
            ) else f"what it waited for came{path}", _event(seen)
        case what:
            return what, _values(seen)


def _event(seen: Mapping[str, Any]) -> str:
    name = seen.get("event") or seen.get("name") or seen.get("status") or ""
    properties = seen.get("properties") or {}
    return f"{name}: {_values(properties)}" if properties else str(name) or _values(seen)


def _marks(handled: Iterable[Handled], zone: ZoneInfo) -> Iterable[Text]:
    """What became of a message, channel by channel, in order."""
    shown: set[tuple[int, str]] = set()
    for each in sorted(handled, key=lambda one: (one.receipt.attempt_number, one.receipt.at)):
        receipt = each.receipt
        if (receipt.attempt_number, receipt.status.value) in shown:
            continue
        shown.add((receipt.attempt_number, receipt.status.value))
        text = f": “{shortened(receipt.text, 60)}”" if receipt.text else f" ({receipt.reason})" if receipt.reason else ""
        yield Text(
            f"  ↳ {CHANNEL_NAMES[receipt.channel.value]} {receipt.status.value} {_local(receipt.at.isoformat(), zone)}{text}",
            style="italic",
        )


def _values(seen: Mapping[str, Any]) -> str:
    flat = dict(_flat(seen))
    return shortened(", ".join(f"{name} = {value}" for name, value in flat.items()), 220)


def _flat(seen: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in seen.items():
        if name in _HIDDEN and not prefix:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "–" if value is None else "yes" if value is True else "no" if value is False else str(value)


def _local(instant: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(zone):%a %d %b %H:%M}"
