"""Sentences for what happened: the same data gives the same words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from services.journeys.deferrals import DEFERRED
from services.journeys.explaining.model import MessageFate, WaitEnd
from services.journeys.moves.destinations import EXIT

_TO_THE_JOURNEY = {"pause": "paused", "resume": "resumed", "drain": "drained", "archive": "archived"}


def instant(at: datetime | None) -> str:
    """To the second, UTC."""
    return "an unknown time" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def entered(entry: Mapping[str, Any], number: int | None, key: str, asked: Mapping[str, Any]) -> str:
    """`asked`: what `only_if` was answered with."""
    version = "" if number is None else f" version {number}"
    under = f" under the key {key!r}" if key else ""
    held = f"; 'only_if' held, since {values(asked['only_if']['seen'])}" if "only_if" in asked else ""
    return f"Entered{version} by {entry.get('event')!r}{under}{held}."


def decided(kind: str, step: str, outcome: Mapping[str, Any], seen: Mapping[str, Any], until: datetime | None) -> str:
    """One decision, without what became of it."""
    match kind:
        case "sent":
            return f"At {step!r} the message {seen.get('template')!r} was accepted for sending."
        case "skipped" if "event" in seen:
            return f"At {step!r} the event {seen['event']!r} was not tracked: {seen.get('reason')}."
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
        case "past_due" if seen.get("reason") == "paused":
            late = f"the wait {seen.get('wait')!r} had ended at {_told(seen.get('due'))}, in the pause"
            return f"At {step!r} it was too late, as {late}: {_policy(outcome)}."
        case "past_due":
            return f"At {step!r} {_over(seen)}: {_policy(outcome)}."
        case "held_out":
            return f"At {step!r} the person fell into the hold-out {outcome.get('path')!r}."
        case "chose":
            return f"At {step!r} the path {outcome.get('path')!r} was taken{_because(outcome, seen)}."
        case "updated":
            names = ", ".join(sorted(seen.get("set", {}))) or "nothing: no value was there"
            return f"At {step!r} the profile was updated: {names}."
        case "started" if (refused := _refused(seen)) is not None:
            return f"At {step!r} the journey {seen.get('journey')!r} did not take the person in: {refused}."
        case "started":
            return f"At {step!r} the journey {seen.get('journey')!r} was started{_ended(seen.get('came_to'))}."
        case "called":
            return f"At {step!r} a web service was asked{_answered(seen.get('came_to'))}."
        case "emitted":
            return f"At {step!r} the event {seen.get('event')!r} was tracked."
        case "not_started":
            return f"At {step!r} the journey {seen.get('journey')!r} was not started: {seen.get('reason')}."
        case "circle":
            return f"At {step!r} it was ended, for it {seen.get('reason')}."
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


def values(seen: Mapping[str, Any]) -> str:
    """What a condition looked at."""
    return ", ".join(f"{name} is {value(each)}" for name, each in sorted(seen.items())) or "nothing is known"


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


def on_the_way(moving: Mapping[str, Any]) -> str:
    """Where somebody is to go."""
    who = moving.get("who")
    if moving.get("migration"):
        return f" It goes to another version, as {who}'s migration says, from the next step that leads there."
    return f" It goes to {moving.get('step')!r}, as {who} asked, when its workflow asks next."


def audited(action: str, who: str, detail: Mapping[str, Any]) -> str:
    if action in _TO_THE_JOURNEY:
        return f"{who} {_TO_THE_JOURNEY[action]} the journey."
    why = f" ({detail['why']})" if detail.get("why") else ""
    match action:
        case "migrate" if detail.get("to_step") == EXIT:
            return f"{who}'s migration to another version ended it."
        case "migrate" if detail.get("from_step") is None:
            return f"{who} moved it to another version before it had begun."
        case "migrate":
            ends, ended = detail.get("wait_ends"), detail.get("wait_ended")
            told = f"; the wait now ends at {_told(ends)}" if ends and ends != ended else ""
            return f"{who} moved it to another version, from {detail['from_step']!r} to {detail.get('to_step')!r}{told}."
        case "ask to move":
            return f"{who} asked to have it moved to {detail.get('step')!r}{why}."
        case "move":
            return f"{who} moved it from {detail.get('from_step')!r} to {detail.get('to_step')!r}{why}."
        case "end":
            return f"{who} ended it{why}."
        case "restart" if "of" in detail:
            return f"{who} restarted an earlier enrolment as this one{why}."
        case "restart":
            return f"{who} ended it, if it still ran, and had the person begin anew{why}."
        case _:
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


def _over(seen: Mapping[str, Any]) -> str:
    """Why nobody waits at a wait any longer."""
    due = f"its time, {_told(seen['due'])}, had passed" if seen.get("due") else "there was no date"
    match seen:
        case {"cut_short": {"at": at, "was": was}}:
            why = "in the version that the person was moved to at"
        case {"followed": [*_, {"at": at, "instead_of": was}]}:
            why = "by the date as it was at"
        case _:
            return due
    return f"it waited {f'until {_told(was)}' if was else 'with no end'}, but {why} {_told(at)} {due}"


def _policy(outcome: Mapping[str, Any]) -> str:
    """By the `if_past` of a wait that was over as the person came to it, or that a pause made them late by."""
    match outcome:
        case {"action": "exit"} | {"kind": "ended"}:
            return "the person leaves"
        case {"action": "goto", "target": target} | {"kind": "moved", "target": target}:
            return f"on to {target!r}"
        case _:
            return "on at once"


def _refused(seen: Mapping[str, Any]) -> str | None:
    """Why another journey refused the person; None where it did not."""
    came_to = seen.get("came_to")
    said = (
        str(came_to.get("reason")) if isinstance(came_to, Mapping) else f"refused: {seen['refused']}" if "refused" in seen else ""
    )
    return said.removeprefix("refused: ") if said.startswith("refused: ") else None


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
    return f", since {values(looked['seen'])}" if looked["seen"] else ""


def _named(event: str | None) -> str:
    return f"The event {event!r}" if event else "What it waited for"
