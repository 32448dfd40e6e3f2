"""In which zone a person's days are counted, and whether that matters: not where no clock in the world changes meanwhile."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from pydantic import JsonValue

from conditions import Duration, Problem, add
from journeys import Journey
from journeys.timing import zone_of

FARTHEST = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
"""Where it is the earliest and the latest on earth."""
# Over a longer time some clock changes for certain, and to find which is not worth the while.
_CERTAIN = timedelta(days=150)
# An instant found in one zone may lie this many days from that of another.
_MARGIN = (timedelta(days=-1), timedelta(days=2))


@cache
def known_zones() -> frozenset[str]:
    """The names of time zones that exist here."""
    return frozenset(available_timezones())


def lives_in(traits: Mapping[str, JsonValue], journey: Journey, workspace_zone: str) -> tuple[ZoneInfo, Problem | None]:
    """A person's zone: their own, else the journey's, else the workspace's; with what was wrong with those passed over."""
    own = traits.get("timezone")
    return zone_of(own if isinstance(own, str) else None, journey.zone, workspace_zone)


def days_differ(begins: datetime, *durations: Duration) -> bool:
    """Whether these durations, one behind the other from `begins` (aware), may end at another instant in another zone."""
    if not any(duration.counts_days for duration in durations):
        return False
    marks = {zone: [begins] for zone in FARTHEST}
    for zone, reached in marks.items():
        for duration in durations:
            reached.append(add(reached[-1], duration, ZoneInfo(zone)))
    first, second = marks.values()
    return first[-1] != second[-1] or _clocks_change([*first, *second])


def _clocks_change(instants: Iterable[datetime]) -> bool:
    """Whether any zone's offset is not the same around all of these."""
    days = sorted({instant.astimezone(UTC).date() for instant in instants})
    return days[-1] - days[0] > _CERTAIN or len({_offsets(day + margin) for day in days for margin in _MARGIN}) > 1


@lru_cache(maxsize=1_000)
def _offsets(day: date) -> tuple[timedelta | None, ...]:
    """Every zone's offset when a day begins in UTC."""
    begins = datetime.combine(day, time(0), UTC)
    return tuple(begins.astimezone(zone).utcoffset() for zone in _zones())


@cache
def _zones() -> tuple[ZoneInfo, ...]:
    """Held on to: ZoneInfo itself keeps few of those that nobody uses, and reads the others anew."""
    return tuple(map(ZoneInfo, sorted(known_zones())))
