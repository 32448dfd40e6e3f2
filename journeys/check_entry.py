"""Findings about the frame of a journey: who enters, what ends it, what it is for, and its zone."""

from collections.abc import Iterator
from itertools import islice

from conditions.logic import always, implies, never
from conditions.model import Condition, InSegment
from conditions.problems import Problem
from journeys.errors import JourneyError
from journeys.model import (
    EntryByApi,
    EntryByEvent,
    EntryBySchedule,
    EntryBySegment,
    ExitRule,
    Journey,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
)


def entry_problems(journey: Journey) -> Iterator[Problem]:
    """Every finding of this kind."""
    yield from _entry(journey)
    for position, rule in enumerate(journey.exit_when):
        path = f"$.exit_when[{position}]"
        yield from _exit(journey, path, rule)
        if rule in journey.exit_when[:position]:
            message, remedy = "is written twice", "remove one of them"
            yield Problem(path=path, message=message, remedy=remedy, severity="warning")
    yield from _goal(journey)
    yield from _zones(journey)


def _entry(journey: Journey) -> Iterator[Problem]:
    entry = journey.entry
    if isinstance(entry, EntryByEvent) and entry.where is not None and (reason := never(entry.where)) is not None:
        message = f"nobody ever enters: {reason}"
        yield Problem(path="$.entry.where", message=message, remedy="say what can hold")
    if entry.only_if is not None and (reason := never(entry.only_if)) is not None:
        message = f"nobody ever enters: {reason}"
        yield Problem(path="$.entry.only_if", message=message, remedy="say what can hold")
    caps = entry.caps
    if caps is not None and caps.per_hour is not None and caps.in_all is not None and caps.per_hour > caps.in_all:
        message = "more may enter in an hour than in all"
        yield Problem(path="$.entry.caps.per_hour", message=message, remedy="write less than 'in_all'", severity="warning")
    if caps is not None and caps.per_hour is None and caps.in_all is None:
        message = "limits nothing"
        yield Problem(path="$.entry.caps", message=message, remedy="add 'per_hour' or 'in_all'", severity="warning")
    if isinstance(entry, EntryBySchedule) and entry.reentry == "never" and _comes_again(entry):
        message = "the schedule comes again and again, but everybody enters only once"
        remedy = 'write "when-finished", or COUNT=1'
        yield Problem(path="$.entry.reentry", message=message, remedy=remedy, severity="warning")


def _comes_again(entry: EntryBySchedule) -> bool:
    from journeys.recurrence import parse_rule  # noqa: PLC0415  reads time zones, as in _zones

    try:
        days = parse_rule(entry.schedule)
    except JourneyError:
        return False
    return len(list(islice(days, 2))) > 1


def _exit(journey: Journey, path: str, rule: ExitRule) -> Iterator[Problem]:
    entry = journey.entry
    match rule:
        case OnEvent():
            if rule.where is not None and (reason := never(rule.where)) is not None:
                message = f"ends it for nobody: {reason}"
                yield Problem(path=f"{path}.where", message=message, remedy="say what can hold", severity="warning")
            elif isinstance(entry, EntryByEvent) and rule.event == entry.event and implies(entry.where, rule.where):
                message = f"the same event {rule.event!r} that lets people enter ends it"
                remedy = "name another event, or tell them apart by 'where'"
                yield Problem(path=path, message=message, remedy=remedy, severity="warning")
        case OnSegmentEntered() if isinstance(entry, EntryBySegment) and rule.segment_entered == entry.segment_entered:
            message = f"the same segment {rule.segment_entered!r} that lets people enter ends it"
            yield Problem(path=path, message=message, remedy="write segment_left, or name another segment", severity="warning")
        case OnCondition():
            reason = never(rule.if_)
            if reason is not None:
                message = f"ends it for nobody: {reason}"
                yield Problem(path=f"{path}.if", message=message, remedy="say what can hold", severity="warning")
            elif always(rule.if_) or any(implies(known, rule.if_) for known in _known_on_entry(journey)):
                message = "holds for everybody who enters, and so ends the journey at once"
                yield Problem(path=f"{path}.if", message=message, remedy="say what changes while the journey runs")
        case _:
            pass


def _known_on_entry(journey: Journey) -> Iterator[Condition]:
    """What holds for everybody who enters."""
    entry = journey.entry
    if entry.only_if is not None:
        yield entry.only_if
    if isinstance(entry, EntryBySegment):
        yield InSegment(segment=entry.segment_entered)
    elif isinstance(entry, EntryBySchedule):
        yield InSegment(segment=entry.segment)


def _goal(journey: Journey) -> Iterator[Problem]:
    goal = journey.goal
    if goal is None:
        return
    if goal.within is not None and not goal.within.is_positive:
        yield Problem(path="$.goal.within", message="leaves no time for the goal", remedy="write a positive duration")
    if goal.where is not None and (reason := never(goal.where)) is not None:
        yield Problem(path="$.goal.where", message=f"the goal is never reached: {reason}", remedy="say what can hold")
    if not journey.steps:
        message = "there are no steps that could lead to the goal"
        yield Problem(path="$.goal", message=message, remedy="add steps", severity="warning")
    for position, rule in enumerate(journey.exit_when):
        if isinstance(rule, OnEvent) and rule.event == goal.event and implies(goal.where, rule.where):
            message = f"the goal's event {goal.event!r} ends the journey by $.exit_when[{position}] as well"
            remedy = 'remove that criterion and write "on_reached": "exit"'
            yield Problem(path="$.goal", message=message, remedy=remedy, severity="warning")
            return


def _zones(journey: Journey) -> Iterator[Problem]:
    # Time zones are read from disk: not for whoever merely imports the core.
    from journeys.recurrence import rule_problems  # noqa: PLC0415
    from journeys.timing import find_zone  # noqa: PLC0415

    if journey.zone is not None and find_zone(journey.zone) is None:
        yield Problem(path="$.zone", message=f"{journey.zone!r} is no time zone", remedy="use a name such as 'Europe/Berlin'")
    if isinstance(journey.entry, EntryBySchedule):
        yield from rule_problems(journey.entry.schedule)


def brings_no_event(journey: Journey) -> str | None:
    """How people enter without an event, in words; None where an event brings properties."""
    match journey.entry:
        case EntryBySegment():
            return "by a segment"
        case EntryBySchedule():
            return "by a schedule"
        case EntryByApi() | EntryByEvent():
            return None
