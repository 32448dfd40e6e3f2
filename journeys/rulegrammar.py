"""The grammar of recurrence rules: RFC 5545, section 3.3.10, as far as it speaks of whole days."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, weekday

from conditions.problems import Problem, did_you_mean

FREQUENCIES = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY, "YEARLY": YEARLY}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LIMITS = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LIMITS)
_WITHIN_A_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")


@dataclass(slots=True)
class RuleText:
    """A rule's text, read: `arguments` for dateutil's `rrule`, and `problems`, of which any forbids using them."""

    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, text: str, path: str) -> "RuleText":
        """Reads `FREQ=MONTHLY;BYDAY=1MO`; a leading `RRULE:` is passed over."""
        found = cls(path)
        parts = dict(found._parts(text.removeprefix("RRULE:").removesuffix(";")))
        found._frequency(parts.get("FREQ"))
        for name, value in parts.items():
            found._value(name, value)
        found._together(parts)
        return found

    def _wrong(self, message: str, remedy: str) -> None:
        self.problems.append(Problem(path=self.path, message=message, remedy=remedy))

    def _parts(self, text: str) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for part in text.split(";"):
            name, equals, value = part.partition("=")
            if name in _WITHIN_A_DAY:
                self._wrong(f"{name} is no part of a rule over whole days", "write the time of day into 'at'")
            elif name not in _PARTS:
                self._wrong(f"{part!r} is no part of a recurrence rule", did_you_mean(name.upper(), _PARTS))
            elif not equals or not value:
                self._wrong(f"{name} has no value", f"write {name}=…")
            elif name in seen:
                self._wrong(f"{name} is said twice", "say it once, with commas between several values")
            else:
                seen.add(name)
                yield name, value

    def _frequency(self, name: str | None) -> None:
        if name is None:
            self._wrong("FREQ is missing", "begin with FREQ=DAILY, FREQ=WEEKLY, FREQ=MONTHLY or FREQ=YEARLY")
        elif name not in FREQUENCIES:
            self._wrong(f"FREQ={name} is no rhythm of whole days", did_you_mean(name.upper(), FREQUENCIES))
        else:
            self.arguments["freq"] = FREQUENCIES[name]

    def _value(self, name: str, value: str) -> None:
        match name:
            case "INTERVAL" | "COUNT":
                if re.fullmatch(r"[1-9]\d{0,4}", value, re.ASCII):
                    self.arguments[name.lower()] = int(value)
                else:
                    self._wrong(f"{name}={value} is no whole number from 1 to 99999", f"write {name}=2, for example")
            case "UNTIL":
                self._until(value)
            case "WKST":
                if value in _DAYS:
                    self.arguments["wkst"] = _DAYS.index(value)
                else:
                    self._wrong(f"WKST={value} is no day of the week", did_you_mean(value.upper(), _DAYS))
            case "BYDAY":
                self.arguments["byweekday"] = [day for part in value.split(",") for day in self._weekday(part)]
            case "FREQ":
                pass
            case _:
                self.arguments[name.lower()] = [number for part in value.split(",") for number in self._number(name, part)]

    def _until(self, value: str) -> None:
        try:
            if not re.fullmatch(r"\d{8}", value, re.ASCII):
                raise ValueError(value)
            self.arguments["until"] = datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007  a day, not an instant
        except ValueError:
            self._wrong(f"UNTIL={value} is no day", "write the last day such as UNTIL=20271231")

    def _weekday(self, text: str) -> Iterator[weekday]:
        found = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]{2})", text, re.ASCII)
        if found is None or found[2] not in _DAYS:
            self._wrong(f"BYDAY={text} is no day of the week", did_you_mean(text.upper(), _DAYS))
        elif found[1] is not None and not 1 <= abs(int(found[1])) <= 53:
            self._wrong(f"BYDAY={text}: there is no such week", "write 1MO for the first Monday, -1FR for the last Friday")
        else:
            yield weekday(_DAYS.index(found[2]), int(found[1]) if found[1] else None)

    def _number(self, name: str, text: str) -> Iterator[int]:
        limit = _LIMITS[name]
        least = 1 if name == "BYMONTH" else -limit
        if re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII) and least <= int(text) <= limit and int(text) != 0:
            yield int(text)
        else:
            backwards = "" if name == "BYMONTH" else f", or -1 to -{limit} counted from the end"
            self._wrong(f"{name}={text} does not exist", f"write 1 to {limit}{backwards}")

    def _together(self, parts: dict[str, str]) -> None:
        """Parts that RFC 5545 forbids beside each other."""
        frequency = parts.get("FREQ")
        if "UNTIL" in parts and "COUNT" in parts:
            self._wrong("UNTIL and COUNT exclude each other", "keep one of them")
        if "BYWEEKNO" in parts and frequency != "YEARLY":
            self._wrong("BYWEEKNO is for FREQ=YEARLY only", "use FREQ=YEARLY, or BYDAY")
        if "BYYEARDAY" in parts and frequency != "YEARLY":
            self._wrong("BYYEARDAY is for FREQ=YEARLY only", "use FREQ=YEARLY, or BYMONTHDAY")
        if "BYMONTHDAY" in parts and frequency == "WEEKLY":
            self._wrong("BYMONTHDAY is not for FREQ=WEEKLY", "use FREQ=MONTHLY, or BYDAY")
        if re.search(r"\d", parts.get("BYDAY", "")) and (frequency in {"DAILY", "WEEKLY"} or "BYWEEKNO" in parts):
            self._wrong("BYDAY counts weeks only within months and years", "use FREQ=MONTHLY or FREQ=YEARLY without BYWEEKNO")
        if "BYSETPOS" in parts and not any(name != "BYSETPOS" for name in parts if name.startswith("BY")):
            self._wrong("BYSETPOS chooses among the days of another part", "add BYDAY or BYMONTHDAY")
        if "BYSETPOS" in parts and frequency == "DAILY":
            self._wrong("BYSETPOS finds but one day in each day", "leave it out, or use FREQ=MONTHLY")
        months, days = (self.arguments.get(name, []) for name in ("bymonth", "bymonthday"))
        if days and min(abs(day) for day in days) > max((_LONGEST[month - 1] for month in months), default=31):
            self._wrong("none of these months has such a day", "look at BYMONTH and BYMONTHDAY")
