"""Local hours in which no marketing message leaves."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FORM = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until `end`, usually over midnight, on the wall clock of the person's zone."""

    start: time
    end: time
    default_zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, default_zone: str) -> "QuietHours | None":
        """Reads `HH:MM-HH:MM`; none for an empty text or an empty window. Raises ValueError."""
        if not text.strip():
            return None
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no window: write HH:MM-HH:MM, e.g. 21:00-08:00, or nothing")
        numbers = [int(part) for part in match.groups()]
        start, end = time(numbers[0], numbers[1]), time(numbers[2], numbers[3])
        return cls(start, end, ZoneInfo(default_zone)) if start != end else None

    def until(self, now: datetime, *zones: object) -> datetime | None:
        """The end of the quiet window that `now` lies in (UTC); none outside. The first of `zones` that exists counts.

        An end that the clock change skips moves forward by the gap; one that exists twice is the first.
        """
        known = (_zone(zone) for zone in zones if isinstance(zone, str))
        where = next((zone for zone in known if zone is not None), self.default_zone)
        local = now.astimezone(where)
        clock = local.time().replace(tzinfo=None, fold=0)
        if self.start < self.end:
            if not self.start <= clock < self.end:
                return None
            day = local.date()
        elif clock >= self.start:
            day = local.date() + timedelta(days=1)
        elif clock < self.end:
            day = local.date()
        else:
            return None
        until = datetime.combine(day, self.end, tzinfo=where).astimezone(UTC)
        return until if until > now else None


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
