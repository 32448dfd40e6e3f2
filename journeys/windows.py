"""Windows: on which days, between which local times, a wait may end."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from conditions.duration import at_local
from journeys.dates import Day, Window

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def is_open(window: Window, instant: datetime, zone: tzinfo) -> bool:
    """Whether a clock in `zone` shows a time inside the window: behind midnight, the day before is the day that it opened."""
    local = instant.astimezone(zone)
    opens, shown = _clock(window.from_), local.time()
    if window.to == "24:00" or opens < _clock(window.to):
        before_it_closes = window.to == "24:00" or shown < _clock(window.to)
        return DAYS[local.weekday()] in window.days and opens <= shown and before_it_closes
    if shown >= opens:
        return DAYS[local.weekday()] in window.days
    return shown < _clock(window.to) and DAYS[local.weekday() - 1] in window.days


def next_opening(window: Window, instant: datetime, zone: tzinfo) -> datetime:
    """The first instant from `instant` on (itself included) at which the window is open.

    Where a clock change skips the opening, the window opens with the change; where it skips the whole window, on a later day.
    """
    if is_open(window, instant, zone):
        return instant
    today = instant.astimezone(zone).date()
    opens = _clock(window.from_)
    # A window of one day a week may lie in the hour that the zone skips: then it is the week after. 400 days are plenty.
    for day in (today + timedelta(days=ahead) for ahead in range(-1, 400)):
        for found in sorted(_moments(day, opens, zone)):
            if found >= instant and is_open(window, found, zone):
                return found
    return instant


def _moments(day: date, opens: time, zone: tzinfo) -> Iterator[datetime]:
    """The instants of a day at which a window can begin to be open: its opening, once or twice, and any change of the clock."""
    yield at_local(day, opens, zone)
    yield datetime.combine(day, opens.replace(fold=1), tzinfo=zone).astimezone(UTC)
    low, high = at_local(day, time(0), zone) - _SECOND, at_local(day + _DAY, time(0), zone)
    if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
        yield _change(low, high, zone)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The first second between the two at which the offset is no longer that of `low`."""
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high


def _clock(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))
