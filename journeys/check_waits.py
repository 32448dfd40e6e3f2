"""Findings in waits: paths that are never taken, messages never sent before, timeouts and windows that make no sense."""

from collections.abc import Iterator

from conditions.logic import always, implies, never
from conditions.problems import Problem, did_you_mean
from conditions.references import filter_references
from journeys.flow import reachable
from journeys.index import JourneyIndex
from journeys.model import (
    ConditionPath,
    DateRef,
    EventPath,
    MessagePath,
    SegmentEnteredPath,
    SegmentLeftPath,
    Send,
    Timeout,
    Until,
    Wait,
    WaitFor,
    WaitPath,
)


def wait_problems(path: str, step: Wait) -> Iterator[Problem]:
    """Findings in a `wait`."""
    if step.for_ is not None and not step.for_.is_positive and step.at is None and step.window is None:
        message = "waits for no time at all"
        yield Problem(path=f"{path}.for", message=message, remedy="write a positive duration, or remove it", severity="warning")
    if step.between is not None:
        first, last = step.between
        if (first.months, first.days, first.seconds) == (last.months, last.days, last.seconds):
            message = "begins and ends at the same time, so nothing is random"
            yield Problem(path=f"{path}.between", message=message, remedy="write 'for', or two durations", severity="warning")
    window = step.window
    if window is not None and window.to == "00:00" and window.from_ == "00:00" and "days" not in window.model_fields_set:
        remedy = "say when it opens and closes, or leave it out"
        yield Problem(path=f"{path}.window", message="is always open", remedy=remedy, severity="warning")
    if window is not None and step.at is not None and not _shows(window.from_, window.to, step.at):
        message = f"{step.at} never fits the window from {window.from_} to {window.to}, so it is never kept"
        remedy = "move 'at' into the window, or drop one of them"
        yield Problem(path=f"{path}.at", message=message, remedy=remedy, severity="warning")
    yield from _yearly(path, step.until, step)


def wait_for_problems(index: JourneyIndex, path: str, step: WaitFor, *, ends: bool) -> Iterator[Problem]:
    """Findings in a `wait_for`. `ends`: something may end the journey whatever people wait for."""
    possible = 0
    for position, way in enumerate(step.paths):
        here = f"{path}.paths[{position}]"
        reason = _never(way)
        winner = next((before.id for before in step.paths[:position] if _same_or_more(way, before)), None)
        if reason is not None:
            where = f"{here}.if" if isinstance(way, ConditionPath) else f"{here}.where"
            message = f"path {way.id!r} is never taken: {reason}"
            yield Problem(path=where, message=message, remedy="say what can hold, or remove the path", severity="warning")
        elif winner is not None:
            message = f"path {way.id!r} is never taken: an earlier path waits for the same: {winner!r}"
            yield Problem(path=here, message=message, remedy="remove it, or wait for something else", severity="warning")
        elif isinstance(way, ConditionPath) and always(way.if_):
            message = f"the condition of path {way.id!r} always holds: nobody waits"
            yield Problem(path=f"{here}.if", message=message, remedy="say what to wait for", severity="warning")
        possible += reason is None
        if isinstance(way, MessagePath):
            yield from _message(index, here, way, step)
    if not possible and step.timeout is None:
        remedy = "add a 'timeout', or a path that can be taken"
        yield Problem(path=f"{path}.paths", message="nothing that is waited for can ever come", remedy=remedy)
    if possible and step.timeout is None and not ends:
        message = "waits without end for people to whom nothing of it happens, and nothing ends the journey"
        remedy = 'add a "timeout", or "exit_when" to the journey'
        yield Problem(path=path, message=message, remedy=remedy, severity="warning")
    if step.since == "entry" and step.id in index.recurring and not all(_tells_rounds_apart(way) for way in step.paths):
        message = "in a loop, 'since': 'entry' finds the same event again in every round"
        yield Problem(path=f"{path}.since", message=message, remedy='write "since": "step"', severity="warning")
    if step.timeout is not None:
        yield from _timeout(f"{path}.timeout", step.timeout, step.since)


def _tells_rounds_apart(way: WaitPath) -> bool:
    """Whether an event must differ from what woke the journey last (a newer revision), so that each round finds others.

    A condition finds no event: it is asked as of now, whatever `since` says.
    """
    if isinstance(way, ConditionPath):
        return True
    return isinstance(way, EventPath) and any(ref.startswith("event.") for ref in filter_references(way.where).refs)


def _timeout(path: str, timeout: Timeout, since: str) -> Iterator[Problem]:
    after, until = timeout.after, timeout.until
    if after is not None and not after.is_positive and timeout.at is None and since == "step":
        message = "leaves no time, so that no path is ever taken"
        yield Problem(path=f"{path}.after", message=message, remedy='write a positive duration, or "since": "entry" to look back')
    if isinstance(until, DateRef) and until.default is None:
        message = f"whoever has no {until.ref} waits without end"
        remedy = 'add "default": {"after": "P30D"} beside the ref'
        yield Problem(path=f"{path}.until", message=message, remedy=remedy, severity="warning")
    yield from _yearly(path, until, timeout)


def _yearly(path: str, until: Until | None, step: Wait | Timeout) -> Iterator[Problem]:
    if isinstance(until, DateRef) and until.yearly and step.offset is not None and step.offset.longest.days >= 365:
        message = "moves a yearly date by a year or more"
        yield Problem(path=f"{path}.offset", message=message, remedy="write less than a year: every year has its date")


def _shows(opens: str, closes: str, clock: str) -> bool:
    return opens <= clock < closes if opens < closes else clock >= opens or clock < closes


def _never(way: WaitPath) -> str | None:
    match way:
        case ConditionPath():
            return never(way.if_)
        case EventPath() if way.where is not None:
            return never(way.where)
        case _:
            return None


def _same_or_more(way: WaitPath, earlier: WaitPath) -> bool:
    """Whether whatever takes `way` takes the earlier path first."""
    match way, earlier:
        case EventPath(), EventPath():
            return way.event == earlier.event and implies(way.where, earlier.where)
        case MessagePath(), MessagePath():
            return (way.message, way.status) == (earlier.message, earlier.status)
        case SegmentEnteredPath(), SegmentEnteredPath():
            return way.segment_entered == earlier.segment_entered
        case SegmentLeftPath(), SegmentLeftPath():
            return way.segment_left == earlier.segment_left
        case ConditionPath(), ConditionPath():
            return implies(way.if_, earlier.if_)
        case _:
            return False


def _message(index: JourneyIndex, here: str, way: MessagePath, step: WaitFor) -> Iterator[Problem]:
    sends = [step_id for step_id, known in index.steps.items() if isinstance(known, Send)]
    if way.message not in sends:
        message = f"there is no send step {way.message!r}"
        yield Problem(path=f"{here}.message", message=message, remedy=did_you_mean(way.message, sends))
    elif step.id not in reachable(index, way.message):
        message = f"{way.message!r} is never sent before this step"
        yield Problem(path=f"{here}.message", message=message, remedy="send it earlier, or wait for another message")
