"""When somebody may enter again: pure rules, for the service and the simulator alike."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from conditions.duration import add, at_local
from journeys.rules import Entry, ReentryAfter

HOUR = timedelta(hours=1)


def asks_for_zone(entry: Entry) -> bool:
    """Whether the rule of re-entry moves on the person's calendar, so that their zone must be known."""
    rule = entry.reentry
    return isinstance(rule, ReentryAfter) and rule.after.counts_days


def again_from(rule: ReentryAfter, *, entered_at: datetime, ended_at: datetime, zone: tzinfo) -> datetime:
    """The first instant (UTC) at which somebody whose last run was this one may enter again.

    A duration of whole days ends with the local day: after P1D, any time tomorrow is late enough, however late it was today.
    One with hours or less ends at its exact instant.
    """
    due = add(entered_at if rule.since == "entry" else ended_at, rule.after, zone)
    if rule.after.seconds:
        return due
    return min(due, at_local(due.astimezone(zone).date(), time(0), zone))


def places(taken: Sequence[datetime], wanted: int, per_hour: int, now: datetime) -> list[datetime]:
    """When each of the next `wanted` people may begin, in order, so that no hour sees more than `per_hour`.

    `taken` holds the newest places given so far, in order: at least the last `per_hour`, or all.
    """
    recent = list(taken[-per_hour:])
    found: list[datetime] = []
    for _ in range(wanted):
        begins = max(now, recent[-1]) if recent else now
        if len(recent) >= per_hour:
            begins = max(begins, recent[-per_hour] + HOUR)
        recent.append(begins)
        found.append(begins)
    return found
