"""ISO 8601 calendar durations and the time contract: how they move an instant."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from conditions.meant import meant_duration
from conditions.problems import ConditionError, Problem

_ISO = re.compile(
    r"(?P<sign>-?)P(?!$)(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?!$)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII,
)
_SHAPE = r"^-?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?$"
_LONGEST_DAYS = 900 * 12 * 31
_REMEDY = "write an ISO 8601 duration such as 'P1Y2M', 'P8W', 'P1DT12H' or '-P1D', of at most 900 years"


@dataclass(frozen=True, slots=True)
class Duration:
    """Months and days move on a wall clock, seconds on the absolute clock. All three share one sign.

    Years count twelve months, weeks seven days, hours and minutes their seconds. `text` is what was written.
    """

    text: str
    months: int = 0
    days: int = 0
    seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Reads `P1Y2M3DT4H5M6S`, `P8W`, `-P1D`; raises ConditionError (path `$`) for anything else."""
        duration = _read(text)
        if duration is None:
            raise ConditionError([Problem(path="$", message=f"{text!r} is no duration", remedy=_remedy(text))])
        return duration

    @property
    def is_positive(self) -> bool:
        """Whether it moves an instant forward (zero does not)."""
        return self.months > 0 or self.days > 0 or self.seconds > 0

    @property
    def is_negative(self) -> bool:
        """Whether it moves an instant back."""
        return self.months < 0 or self.days < 0 or self.seconds < 0

    @property
    def counts_days(self) -> bool:
        """Whether a part of it moves on the wall clock, so that a zone bears on its end."""
        return bool(self.months or self.days)

    @property
    def longest(self) -> timedelta:
        """An upper bound of its length: months count 31 days, and an hour of clock change is left out."""
        return timedelta(days=abs(self.months) * 31 + abs(self.days), seconds=abs(self.seconds))

    @property
    def shortest(self) -> timedelta:
        """A lower bound of its length: months count 28 days, and an hour of clock change is left out."""
        return timedelta(days=abs(self.months) * 28 + abs(self.days), seconds=abs(self.seconds))

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_validate, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": _SHAPE, "examples": ["P1D", "PT4H", "-P2W"]}


def _validate(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    duration = _read(value) if isinstance(value, str) else None
    if duration is None:
        raise PydanticCustomError("duration", "{value} is no duration", {"value": repr(value), "remedy": _remedy(value)})
    return duration


def _remedy(value: object) -> str:
    meant = meant_duration(value) if isinstance(value, str) else None
    return _REMEDY if meant is None or _read(meant) is None else f"did you mean {meant!r}?"


def _read(text: str) -> Duration | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    sign = -1 if found["sign"] else 1
    number = {name: int(digits or 0) for name, digits in found.groupdict().items() if name != "sign"}
    months = number["years"] * 12 + number["months"]
    days = number["weeks"] * 7 + number["days"]
    seconds = number["hours"] * 3600 + number["minutes"] * 60 + number["seconds"]
    if months * 31 + days + seconds // 86400 > _LONGEST_DAYS:
        return None
    return Duration(text, sign * months, sign * days, sign * seconds)


def add(instant: datetime, duration: Duration, zone: tzinfo) -> datetime:
    """Moves an aware instant by a duration; the answer is in UTC.

    First the months move the local date in `zone` (the day is cut to the month's last), then the days, keeping the local time of
    day; that local time becomes an instant by `at_local`; then the seconds pass on the absolute clock. A duration without months
    and days never looks at the zone. Raises OverflowError outside the years 1 to 9999.
    """
    if not duration.months and not duration.days:
        return instant.astimezone(UTC) + timedelta(seconds=duration.seconds)
    local = instant.astimezone(zone)
    day = local.date()
    if duration.months:
        day = _add_months(day, duration.months)
    if duration.days:
        day += timedelta(days=duration.days)
    moved = at_local(day, local.time(), zone)
    return moved + timedelta(seconds=duration.seconds) if duration.seconds else moved


def at_local(day: date, clock: time, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which a local clock in `zone` shows this date and time.

    A local time that is skipped moves forward by the length of the gap; one that comes twice is the first (PEP 495, fold=0).
    """
    return datetime.combine(day, clock.replace(fold=0) if clock.fold else clock, tzinfo=zone).astimezone(UTC)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"{day} and {months} months lie outside the calendar")
    following = date(year + month // 11, (month + 1) % 12 + 1, 1) if (year, month) != (9999, 11) else None
    last = (following - timedelta(days=1)).day if following else 31
    return date(year, month + 1, min(day.day, last))
