"""Schedules: the instants of a recurrence rule (RFC 5545) over whole days, on the wall clock of a zone."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from dateutil.rrule import rrule

from conditions.duration import at_local
from conditions.problems import Problem
from journeys.errors import JourneyError
from journeys.model import Schedule
from journeys.rulegrammar import RuleText
from journeys.timing import find_zone, zone_of

FIRST_YEAR, YEARS = 2000, 100


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule that was understood."""

    by_calendar: rrule
    count: int | None

    def __iter__(self) -> Iterator[date]:
        """Its days, in order."""
        return (found.date() for found in itertools.islice(self.by_calendar, self.count))


def parse_rule(schedule: Schedule, path: str = "$.entry.schedule") -> Rule:
    """The rule's days from `starts` on, for 100 years. Raises JourneyError with every problem.

    `starts` itself is among them only where the rule names it. `UNTIL` is a day, and the last one.
    """
    read = RuleText.read(schedule.rrule, f"{path}.rrule")
    first = datetime.fromisoformat(schedule.starts[:10])
    if first.year < FIRST_YEAR:
        message = f"{schedule.starts} is too long ago"
        read.problems.append(Problem(path=f"{path}.starts", message=message, remedy=f"begin in {FIRST_YEAR} or later"))
    if read.problems:
        raise JourneyError(read.problems)
    end = first + timedelta(days=YEARS * 365)
    arguments = {**read.arguments, "until": min(read.arguments.get("until", end), end)}
    return Rule(
        rrule(dtstart=first, **{name: value for name, value in arguments.items() if name != "count"}), arguments.get("count")
    )


def rule_problems(schedule: Schedule, path: str = "$.entry.schedule") -> tuple[Problem, ...]:
    """What is wrong with a schedule; also where its rule names no day at all, or its zone does not exist."""
    problems: list[Problem] = []
    try:
        rule = parse_rule(schedule, path)
    except JourneyError as error:
        problems.extend(error.problems)
    else:
        if next(iter(rule), None) is None:
            message = f"the rule names no day from {schedule.starts} on"
            problems.append(Problem(path=f"{path}.rrule", message=message, remedy="look at UNTIL, and at days that no month has"))
    if len(schedule.starts) > 10:
        message = "only the day of 'starts' counts"
        problems.append(Problem(path=f"{path}.starts", message=message, remedy="write the time into 'at'", severity="warning"))
    if schedule.zone is not None and find_zone(schedule.zone) is None:
        message = f"{schedule.zone!r} is no time zone"
        problems.append(Problem(path=f"{path}.zone", message=message, remedy="use a name such as 'Europe/Berlin'"))
    return tuple(problems)


def next_occurrence(schedule: Schedule, after: datetime, zone: tzinfo | str) -> datetime | None:
    """The first instant (UTC) later than `after`; None where the rule has come to its end.

    `zone` is the person's; the schedule's own counts before it. On each day of the rule the instant is `at` under the time
    contract: skipped by a clock change, it moves forward by the gap; coming twice, it is the first. Raises JourneyError for a
    rule in which `rule_problems` finds errors.
    """
    return next((found for found in _instants(schedule, after, zone) if found > after), None)


def occurrences(schedule: Schedule, start: datetime, end: datetime, zone: tzinfo | str) -> Iterator[datetime]:
    """The instants (UTC) from `start` up to, not including, `end`, in order; see `next_occurrence`."""
    for found in _instants(schedule, start, zone):
        if found >= end:
            return
        if found >= start:
            yield found


def _instants(schedule: Schedule, around: datetime, zone: tzinfo | str) -> Iterator[datetime]:
    """The instants from a little before `around` on, each once: a day that a country skipped falls together with the next."""
    where = find_zone(schedule.zone) or (zone_of(zone, None, None)[0] if isinstance(zone, str) else zone)
    clock, last = time.fromisoformat(schedule.at), None
    for day in _days(schedule, around.astimezone(where).date() - timedelta(days=2)):
        found = at_local(day, clock, where)
        if found != last:
            yield found
        last = found


def _days(schedule: Schedule, first: date) -> Iterator[date]:
    year: int | None = first.year
    while year is not None:
        days, year = _year(schedule.rrule, schedule.starts, year)
        yield from (day for day in days if day >= first)


@functools.lru_cache(maxsize=1024)
def _year(rule: str, starts: str, year: int) -> tuple[tuple[date, ...], int | None]:
    """The rule's days in a year, and the next year that has any: reading the rule from its start once a year is enough."""
    days: list[date] = []
    for found in parse_rule(Schedule(rrule=rule, starts=starts)):
        if found.year > year:
            return tuple(days), found.year
        if found.year == year:
            days.append(found)
    return tuple(days), None
