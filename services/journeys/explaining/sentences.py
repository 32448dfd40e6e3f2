"""Sentences for what happened: the same data gives the same words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from services.journeys.deferrals import DEFERRED
from services.journeys.explaining.model import MessageFate, WaitEnd

_TO_THE_JOURNEY = {"pause": "paused", "resume": "resumed", "drain": "drained", "archive": "archived"}


def instant(at: datetime | None) -> str:
    """To the second, UTC."""
    return "an unknown time" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def entered(entry: Mapping[str, Any], number: int | None, key: str) -> str:
    version = "" if number is None else f" version {number}"
    under = f" under the key {key!r}" if key else ""
    return f"Entered{version} by {entry.get('event')!r}{under}."


def decided(kind: str, step: str, outcome: Mapping[str, Any], seen: Mapping[str, Any], until: datetime | None) -> str:
    """One decision, without what became of it."""
    match kind:
        case "sent":
            return f"At {step!r} the message {seen.get('template')!r} was accepted for sending."
        case "skipped":
            detail = f" ({seen['detail']})" if seen.get("detail") else ""
            return f"At {step!r} the message {seen.get('template')!r} was not sent: {seen.get('reason')}{detail}."
        case "deferred" if seen.get("reason") in ("paused", "resumed"):
            return f"At {step!r} it waits for the end of the journey's pause."
        case "deferred":
            return f"At {step!r} it was put off until {instant(until)}{_why(seen)}."
        case "sleep":
            return f"At {step!r} it waits until {instant(until)}."
        case "waiting":
            return f"At {step!r} it waits" + (f", until {instant(until)} at the latest." if until else ".")
        case "past_due":
            due = seen.get("due") or "no date"
            return f"At {step!r} the time had passed ({due}): {_policy(outcome)}."
        case "held_out":
            return f"At {step!r} the person fell into the hold-out {outcome.get('path')!r}."
        case "chose":
            return f"At {step!r} the path {outcome.get('path')!r} was taken{_because(outcome, seen)}."
        case "updated":
            names = ", ".join(sorted(seen.get("set", {}))) or "nothing: no value was there"
            return f"At {step!r} the profile was updated: {names}."
        case "started":
            return f"At {step!r} the journey {seen.get('journey')!r} was started{_ended(seen.get('came_to'))}."
        case "called":
            return f"At {step!r} a web service was asked{_answered(seen.get('came_to'))}."
        case "emitted":
            return f"At {step!r} the event {seen.get('event')!r} was tracked."
        case "not_started":
            return f"At {step!r} the journey {seen.get('journey')!r} was not started: nobody can enter it."
        case _:
            return f"At {step!r}: {kind.replace('_', ' ')}."


def put_off(seen: Mapping[str, Any]) -> str:
    """What a decision was put off for before it was made; nothing where it was not."""
    deferred = seen.get(DEFERRED)
    if not isinstance(deferred, Mapping):
        return ""
    first, latest, count = deferred["first"], deferred["latest"], deferred["count"]
    arrived = f" The person had come there at {_told(first['at'])} and was put off"
    if count == 1:
        return f"{arrived} {_time_off(first)}."
    return f"{arrived} {count} times: first {_time_off(first)}, last at {_told(latest['at'])} {_time_off(latest)}."


def held(state: str, until: datetime) -> str:
    """Why somebody who has entered has not begun."""
    if state == "paused":
        return "Held: the journey is paused; it begins after the resume."
    return f"Held until {instant(until)}: so many enter per hour, or begin again after a pause."


def value(seen: object) -> str:
    """A value as it stands in a journey's file."""
    return orjson.dumps(seen).decode()


def wait_ended(end: WaitEnd) -> str:
    match end.by:
        case "event":
            return f" {_named(end.event)} took the path {end.path!r} at {instant(end.at)}."
        case "time":
            return f" Its time was up at {instant(end.at)}."
        case "exit":
            return " The end of the enrolment ended it."
        case "move":
            return f" It was left for another step at {instant(end.at)}."


def fate(message: MessageFate) -> str:
    """What became of a message, channel by channel."""
    tries = "; ".join(
        f"{one.channel}: {one.status}" + (f" ({one.reason})" if one.reason else "") + (f", {one.because}" if one.because else "")
        for one in message.attempts
    )
    return f" It is {message.status}" + (f" ({tries})." if tries else ".")


def whole(state: str, reason: str | None, ended_at: datetime | None, step: str | None, due: datetime | None) -> str:
    """An enrolment in one sentence."""
    if state == "ended":
        return f"Ended at {instant(ended_at)}: {reason}."
    if state == "ending":
        return f"About to end: {reason}."
    if step is None:
        return "Under way; nothing has been decided yet."
    return f"Under way at {step!r}" + (f", until {instant(due)}." if due else ".")


def audited(action: str, who: str, detail: Mapping[str, Any]) -> str:
    if action in _TO_THE_JOURNEY:
        return f"{who} {_TO_THE_JOURNEY[action]} the journey."
    if action == "migrate":
        ends, ended = detail.get("wait_ends"), detail.get("wait_ended")
        told = f"; the wait now ends at {_told(ends)}" if ends and ends != ended else ""
        return f"{who} moved it to another version, from {detail.get('from_step')!r} to {detail.get('to_step')!r}{told}."
    told = ", ".join(f"{name} {value}" for name, value in sorted(detail.items()) if isinstance(value, str | int | float))
    return f"{who}: {action.replace('_', ' ')}" + (f" ({told})." if told else ".")


def _time_off(deferral: Mapping[str, Any]) -> str:
    if deferral.get("reason") == "paused":
        return "while the journey was paused"
    return f"until {_told(deferral.get('until'))}{_why(deferral)}"


def _why(deferral: Mapping[str, Any]) -> str:
    detail = f" ({deferral['detail']})" if deferral.get("detail") else ""
    return f": {deferral['reason']}{detail}" if deferral.get("reason") else ""


def _told(at: str | None) -> str:
    return instant(datetime.fromisoformat(at) if at else None)


def _policy(outcome: Mapping[str, Any]) -> str:
    match outcome.get("action"):
        case "exit":
            return "the person leaves"
        case "goto":
            return f"on to {outcome.get('target')!r}"
        case _:
            return "on at once"


def _ended(came_to: object) -> str:
    if not isinstance(came_to, Mapping):
        return ""
    return f"; it has ended: {came_to.get('reason')}"


def _answered(came_to: object) -> str:
    if not isinstance(came_to, Mapping):
        return ""
    told = f"answered {came_to['status']}" if came_to.get("status") else f"gave no answer ({came_to.get('error')})"
    tries = came_to.get("tries")
    return f"; it {told}" + (f", at try {tries}" if isinstance(tries, int) and tries > 1 else "")


def _because(outcome: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    looked = seen.get(str(outcome.get("path")))
    if outcome.get("path") == "otherwise":
        return ", since no other matched"
    if not isinstance(looked, Mapping) or not isinstance(looked.get("seen"), Mapping):
        return ""
    values = ", ".join(f"{name} is {value(each)}" for name, each in sorted(looked["seen"].items()))
    return f", since {values}" if values else ""


def _named(event: str | None) -> str:
    return f"The event {event!r}" if event else "What it waited for"
