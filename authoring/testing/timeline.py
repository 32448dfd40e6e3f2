"""What was expected and what happened, side by side on the person's wall clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict

from journeys.simulation import Life, Line

_QUIET = frozenset({"woke", "entered", "ended", "sent"})


class Row(BaseModel):
    """One instant: what should be there, what is; either may be missing."""

    model_config = ConfigDict(frozen=True)

    at: datetime | None
    """None: an expectation that names no time, beside what did not come."""
    expected: str = ""
    actual: str = ""


class Reason(BaseModel):
    """A decision of the journey with the values seen."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    step: str
    what: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something on one side of the timeline; `pair` is the same for what belongs together."""

    at: datetime | None
    text: str
    pair: int | None = None


def side_by_side(expected: Iterable[Event], actual: Iterable[Event]) -> tuple[Row, ...]:
    """In order of time. What belongs together shares a row where the instants agree."""
    expected = list(expected)
    waiting: dict[int | None, Event] = {event.pair: event for event in expected if event.pair is not None}
    rows = [Row(at=event.at, expected=event.text) for event in expected if event.pair is None]
    for event in actual:
        partner = waiting.get(event.pair) if event.pair is not None else None
        if partner is not None and (partner.at is None or partner.at == event.at):
            rows.append(Row(at=event.at, expected=partner.text, actual=event.text))
            waiting.pop(event.pair, None)
        else:
            rows.append(Row(at=event.at, actual=event.text))
    rows += [Row(at=event.at, expected=event.text) for event in waiting.values()]
    timed = sorted(((row.at, row) for row in rows if row.at is not None), key=itemgetter(0))
    return (*(row for _, row in timed), *(row for row in rows if row.at is None))


def reasons(life: Life) -> tuple[Reason, ...]:
    """Why it went as it did: every decision of the journey under test, and why the person did not enter."""
    found = [
        Reason(at=line.at, step=line.step or "", what=_what(line), seen=_values(line.seen))
        for line in life.lines
        if line.kind not in _QUIET
    ]
    found += [
        Reason(at=each.at, step="", what=f"did not enter {each.journey}: {each.reason}")
        for each in life.refused
        if each.journey == life.journey
    ]
    return tuple(sorted(found, key=lambda each: each.at))


def local(at: datetime, zone: ZoneInfo) -> str:
    """`Mon 2026-03-02 09:00`, with seconds where there are any."""
    there = at.astimezone(zone)
    return there.strftime("%a %Y-%m-%d %H:%M" + (":%S" if there.second else ""))


def refusal(line: Line) -> str:
    """Why a message was not sent, or not yet: `no_consent (email: no_consent)`."""
    reason, detail = line.seen.get("reason", ""), line.seen.get("detail")
    return f"{reason} ({detail})" if detail else str(reason)


def _what(line: Line) -> str:
    told = ", ".join(f"{name} {value}" for name, value in line.outcome.items() if line.kind != "skipped")
    if line.kind in ("skipped", "deferred"):
        told = ", ".join(part for part in (refusal(line), told) if part)
    return f"{line.kind}: {told}" if told else line.kind


def _values(seen: dict[str, Any]) -> str:
    return orjson.dumps(seen, default=str).decode() if seen else ""
