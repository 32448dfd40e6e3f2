"""When a wait ends: pure resolution of durations, dates, times of day and windows, in the person's zone."""

from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from conditions.duration import Duration, add, at_local
from conditions.problems import Problem
from conditions.values import parse_instant
from journeys.model import DateRef, GoTo, Timeout, Until, Wait
from journeys.windows import next_opening

_JUST_NOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Instant:
    """The wait ends at this instant (UTC); one that is not after now ends at once."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """The instant lies too far in the past, or there is none (`due` None); the step's policy, ready for a PastDue outcome."""

    due: datetime | None
    action: Literal["continue", "exit", "goto"]
    target: str | None = None


def find_zone(name: str | None) -> ZoneInfo | None:
    """The zone of this IANA name, or None where there is none; never raises."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def zone_of(profile_zone: str | None, journey_zone: str | None, workspace_zone: str | None) -> tuple[ZoneInfo, Problem | None]:
    """The first valid zone of profile, journey, workspace (else UTC), and a warning where one was invalid and passed over."""
    passed_over: list[str] = []
    chosen: ZoneInfo | None = None
    for owner, name in (("profile", profile_zone), ("journey", journey_zone), ("workspace", workspace_zone)):
        chosen = find_zone(name)
        if chosen is not None:
            break
        if name:
            passed_over.append(f"the {owner}'s time zone {name!r} does not exist")
    chosen = chosen or ZoneInfo("UTC")
    if not passed_over:
        return chosen, None
    message = f"{', '.join(passed_over)}; {chosen.key} is used"
    return chosen, Problem(path="$.zone", message=message, remedy="use a name such as 'Europe/Berlin'", severity="warning")


def parse_anchor(value: JsonValue, zone: tzinfo | str) -> datetime | None:
    """A date value as an instant: dates and datetimes without offset are on the wall clock of `zone`; None where unreadable.

    (A birthdate is a day where the person lives. Conditions, which have no person's zone in SQL, read it as midnight UTC.)
    """
    return _read_anchor(value, _zone(zone)) if isinstance(value, str) else None


@lru_cache(maxsize=10_000)
def _read_anchor(value: str, zone: tzinfo) -> datetime | None:
    instant = parse_instant(value)
    if instant is None:
        return None
    _, _, clock = value.replace(" ", "T").partition("T")
    if clock.endswith("Z") or "+" in clock or "-" in clock:
        return instant
    return at_local(instant.date(), instant.time(), zone)


def anchor_of(until: Until | None, value: JsonValue, zone: tzinfo | str) -> datetime | None:
    """The anchor for `resolve_wait` and `resolve_timeout`: the constant of `until`, or the `value` its reference led to."""
    return parse_anchor(until if isinstance(until, str) else value, zone)


def resolve_wait(
    step: Wait, *, entered_at: datetime, now: datetime, anchor: datetime | None, zone: tzinfo | str, drawn: float = 0.0
) -> Instant | Past:
    """When a wait that was entered at `entered_at` ends. `drawn` (0 up to 1) says where in `between`.

    `anchor` is the date of `until` (see `anchor_of`), None where it is missing: then the reference's default stands in. The order
    is: duration or offset, then `at` on the resulting local date (after a duration: the next day, where that is not ahead of
    `entered_at`), then forward to the window's next opening.
    """
    if step.between is not None:
        first, last = (add(entered_at, end, _zone(zone)) for end in step.between)
        anchor = first + (last - first) * drawn
    due = _due(step.for_, step.until, step.offset, step.at, entered_at, anchor, _zone(zone))
    if due is not None and step.window is not None:
        due = next_opening(step.window, due, _zone(zone))
    if due is None:
        return _policy(step, None)
    return past_due(step, due, now, zone) or Instant(due)


def past_due(step: Wait, due: datetime, now: datetime, zone: tzinfo | str) -> Past | None:
    """The step's policy where `due` lies before `now` by more than `late_by`; None where the wait is in time.

    For a wait that ends after a pause. A timer that merely fired is not late: take it as done.
    """
    tolerated = due if step.late_by is None else add(due, step.late_by, _zone(zone))
    return _policy(step, due) if tolerated < now else None


def resolve_timeout(timeout: Timeout, *, entered_at: datetime, anchor: datetime | None, zone: tzinfo | str) -> Instant | None:
    """When a `wait_for` times out (perhaps already); None where its date is missing and it has no default: it waits on."""
    due = _due(timeout.after, timeout.until, timeout.offset, timeout.at, entered_at, anchor, _zone(zone))
    return None if due is None else Instant(due)


def _due(
    after: Duration | None,
    until: Until | None,
    offset: Duration | None,
    at: str | None,
    entered_at: datetime,
    anchor: datetime | None,
    zone: tzinfo,
) -> datetime | None:
    due: datetime | None
    if after is not None:
        due = add(entered_at, after, zone)
    elif anchor is not None and isinstance(until, DateRef) and until.yearly:
        return _next_anniversary(anchor, offset, at, entered_at, zone)
    else:
        due = anchor
        if due is None and isinstance(until, DateRef) and until.default is not None:
            due = add(entered_at, until.default.after, zone)
        if due is not None and offset is not None:
            due = add(due, offset, zone)
    if due is not None and at is not None:
        day = due.astimezone(zone).date()
        due = at_local(day, _clock(at), zone)
        if until is None and due <= entered_at:  # hours need not lead to another day, and a wait that is over at once is none
            due = at_local(day + timedelta(days=1), _clock(at), zone)
    return due if due is None else due.astimezone(UTC)


def _next_anniversary(anchor: datetime, offset: Duration | None, at: str | None, entered_at: datetime, zone: tzinfo) -> datetime:
    """The first anniversary that, moved by `offset` and `at`, is still ahead; the one that a timer has just fired for is not."""
    first = anchor.astimezone(zone)
    year = entered_at.astimezone(zone).year
    found = entered_at
    for there in range(year - 2, year + 4):
        day = first.date().replace(year=there, day=28) if (first.month, first.day) == (2, 29) and not isleap(there) else None
        due = at_local(day or first.date().replace(year=there), first.time(), zone)
        due = due if offset is None else add(due, offset, zone)
        found = due if at is None else at_local(due.astimezone(zone).date(), _clock(at), zone)
        if found > entered_at + _JUST_NOW:
            break
    return found.astimezone(UTC)


def _policy(step: Wait, due: datetime | None) -> Past:
    if isinstance(step.if_past, GoTo):
        return Past(due, "goto", step.if_past.goto)
    return Past(due, step.if_past)


def _clock(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))


def _zone(zone: tzinfo | str) -> tzinfo:
    return zone if isinstance(zone, tzinfo) else zone_of(zone, None, None)[0]
