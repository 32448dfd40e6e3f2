"""One customer's story: every decision in words, with the values it rested on, and what became of each message."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.channels import Status
from demo.evidence import LedgerMessage
from demo.post import Handled
from demo.screen import CHANNEL_NAMES, shortened

_ORDER = {status: place for place, status in enumerate(Status)}
_LONGEST_BECAUSE = 240
_TOLD_ELSEWHERE = frozenset({"template", "channel", "message_id", "reason", "detail", "zone"})
_ADDRESSES = ("url", "order_id", "event_id")


def telling(story: Mapping[str, Any], receipts: Sequence[Handled]) -> float:
    """How much there is to tell; the richest story is shown."""
    whats = [line["what"] for line in story["lines"]]
    enrolment = story["enrolment"]
    mine = [each.receipt for each in receipts if str(each.receipt.enrolment) == enrolment["id"]]
    fell_back = any(receipt.attempt_number > 1 for receipt in mine)
    said = sum(receipt.status in ("opened", "clicked", "replied") for receipt in mine)
    points = 3 * whats.count("sent") + 5 * bool(enrolment["goal_at"]) + 5 * fell_back + min(said, 4) + len(set(whats))
    return float(points + 3 * (enrolment["state"] == "ended") - max(0, len(whats) - 14))


def told(
    story: Mapping[str, Any], receipts: Sequence[Handled], ledger: Sequence[LedgerMessage], name: str, zone: ZoneInfo
) -> RenderableType:
    """The story as a table, times in the customer's own zone."""
    enrolment = story["enrolment"]
    messages = {(each.step, each.visit): each for each in ledger if each.enrolment == enrolment["id"]}
    title = f"The story of {name} in {enrolment['journey']}"
    table = Table(box=None, pad_edge=False, title=title, title_style="bold", title_justify="left")
    table.add_column("when", no_wrap=True, style="dim")
    table.add_column("step", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=5)
    table.add_column("because", overflow="fold", ratio=5, style="dim")
    for line in story["lines"]:
        message = messages.get((line["step"], line["visit"] or 1))
        what, because = _sentence(line, message, zone)
        table.add_row(_local(line["at"], zone), line["step"] or "", what, shortened(because, _LONGEST_BECAUSE))
        if line["what"] == "sent" and message is not None:
            mine = [each for each in receipts if str(each.receipt.message_id) == message.id]
            for mark, why in _marks(mine, message, zone):
                table.add_row("", "", Text(mark, style="italic"), why)
    return Group(table, Text(f"Times are {name}'s own ({zone.key}).", style="dim"))


def _sentence(line: Mapping[str, Any], message: LedgerMessage | None, zone: ZoneInfo) -> tuple[str, str]:
    seen, outcome = line["seen"], line["outcome"]
    until = _local(outcome["until"], zone) if outcome.get("until") else ""
    match line["what"]:
        case "entered":
            return f"entered by {seen.get('event', 'an event')}", _values(seen.get("properties", {}))
        case "sent":
            first = message.attempts[0].because if message and message.attempts else ""
            channel = CHANNEL_NAMES.get(seen.get("channel") or "", "no channel")
            return f"sent {seen.get('template')} by {channel}", first or "the first choice of channel, with consent and reachable"
        case "skipped":
            return f"{seen.get('template')} was not sent: {seen.get('reason')}", str(seen.get("detail") or "")
        case "deferred":
            return f"is held until {until}", str(seen.get("reason") or "")
        case "sleep":
            return f"waits until {until}", _values(seen)
        case "past_due":
            where = f" to {outcome['target']}" if outcome.get("target") else ""
            return f"the time for it is past: {outcome['action']}{where}", _values(seen)
        case "waiting":
            return f"waits for something to happen{f', until {until} at most' if until else ''}", _values(seen)
        case "chose":
            return f"takes “{outcome.get('path')}”", _answers(seen)
        case "held_out":
            return f"is held out: “{outcome.get('path')}”", "a fixed share of people, to compare the others with"
        case "updated":
            return f"the profile learns {_values(seen.get('set', {}))}", ""
        case "started":
            return f"starts the journey {seen.get('journey')}", ""
        case "ended":
            return f"ended: {outcome.get('reason')}", ""
        case "goal met":
            return "reached the goal", _event(seen)
        case "exit met":
            return "leaves", _event(seen)
        case "wait met":
            return f"what it waited for came: “{outcome.get('path')}”", _event(seen)
        case what:
            return what, _values(seen)


def _answers(seen: Mapping[str, Any]) -> str:
    """Conditions with their answers and what they looked at."""
    parts = []
    for name, value in seen.items():
        if isinstance(value, dict) and "matches" in value:
            looked_at = _values(value.get("seen", {}))
            parts.append(f"{name}: {'yes' if value['matches'] else 'no'}{f' ({looked_at})' if looked_at else ''}")
        elif name != "hold_out":
            parts.append(_values({name: value}))
    return "; ".join(parts) or "a fixed share of people"


def _event(seen: Mapping[str, Any]) -> str:
    name = str(seen.get("event") or seen.get("status") or "")
    values = _values(seen.get("properties") or {name: value for name, value in seen.items() if name in ("channel", "text")})
    return f"{name}: {values}" if values else name


def _marks(handled: Iterable[Handled], message: LedgerMessage, zone: ZoneInfo) -> Iterable[tuple[str, str]]:
    """What became of a message, channel by channel, and why a further channel's turn came."""
    because = {attempt.number: attempt.because for attempt in message.attempts}
    shown: set[tuple[int, str]] = set()
    for each in sorted(handled, key=lambda one: (one.receipt.attempt_number, one.receipt.at, _ORDER[one.receipt.status])):
        receipt = each.receipt
        status = receipt.status.value
        if (receipt.attempt_number, status) in shown:
            continue
        why = (
            because.get(receipt.attempt_number, "")
            if receipt.attempt_number > 1 and not _seen(receipt.attempt_number, shown)
            else ""
        )
        shown.add((receipt.attempt_number, status))
        text = f": “{shortened(receipt.text, 60)}”" if receipt.text else f" ({receipt.reason})" if receipt.reason else ""
        yield f"  ↳ {CHANNEL_NAMES[receipt.channel.value]} {status} {_local(receipt.at.isoformat(), zone)}{text}", why


def _seen(number: int, shown: Iterable[tuple[int, str]]) -> bool:
    return any(known == number for known, _ in shown)


def _values(seen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in _flat(seen))


def _flat(seen: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, str]]:
    for name, value in seen.items():
        if name in _ADDRESSES or (not prefix and name in _TOLD_ELSEWHERE):
            continue
        if isinstance(value, dict):
            if depth < 2 and name != "books":
                yield from _flat(value, f"{prefix}{name}.", depth + 1)
        elif isinstance(value, str | int | float | None):
            yield (
                f"{prefix}{name}",
                "none" if value is None else "yes" if value is True else "no" if value is False else str(value),
            )


def _local(instant: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(zone):%a %d %b %H:%M}"
