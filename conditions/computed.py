"""Computed traits: one value from a person's events, worked out when it is asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from conditions.duration import Duration, add
from conditions.filters import compile_filter
from conditions.parse import parse_filter
from conditions.person import EventFact
from conditions.problems import ConditionError, Problem
from conditions.values import lookup, parse_instant

_WHEN = attrgetter("timestamp", "id")
_Value = datetime | int | float | str | bool | list[JsonValue] | dict[str, JsonValue]


class Shift(BaseModel):
    """A duration read from the event: this number property, in these units."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    property: str = Field(min_length=1)
    """Dotted path to a number in the same event."""
    unit: Literal["minutes", "hours", "days", "weeks", "months", "years"] = "days"
    """What the number counts."""


class ComputedDraft(BaseModel):
    """`PUT /v1/computed-traits/{key}`: one value from a person's events.

    `take` with a property yields its value, `last` and `first` without one the event's own instant. Events that lack
    what is asked for are passed over. `add` moves a date by an ISO 8601 duration or by a property of the same event.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    event: str = Field(min_length=1)
    """The event's name."""
    where: dict[str, JsonValue] | None = None
    """A filter: only events whose properties pass; all of this name where left out."""
    take: Literal["last", "first", "count", "sum", "min", "max"]
    """What is made of the events: the newest or oldest one's value, how many there are, or the sum, least or greatest value."""
    property: str | None = Field(None, min_length=1)
    """Dotted path to the value; `last` and `first` take the event's own instant where left out, `count` has none."""
    add: str | Shift | None = None
    """Moves a date: by an ISO 8601 duration, or by a number in the same event."""


@dataclass(frozen=True)
class ComputedTrait:
    """A definition that was checked."""

    key: str
    definition: ComputedDraft

    @cached_property
    def _passes(self) -> Callable[[Mapping[str, JsonValue]], bool]:
        return compile_filter(None if self.definition.where is None else parse_filter(self.definition.where))

    @cached_property
    def _duration(self) -> Duration | None:
        return Duration.parse(self.definition.add) if isinstance(self.definition.add, str) else None

    def value(self, events: Sequence[EventFact]) -> JsonValue:
        """The value from these events of a person (others are passed over); None where there is none. Dates are ISO 8601, UTC."""
        counted = sorted((event for event in events if event.name == self.definition.event), key=_WHEN)
        match self.definition.take:
            case "count":
                return sum(self._passes(event.properties) for event in counted)
            case "sum":
                return _plain(sum((Decimal(str(number)) for number in _numbers(self._values(counted))), Decimal(0)))
            case "last":
                return _json(next(self._values(reversed(counted)), None))
            case "first":
                return _json(next(self._values(counted), None))
            case "min":
                return _json(min(_comparable(list(self._values(counted))), default=None))
            case "max":
                return _json(max(_comparable(list(self._values(counted))), default=None))
            case _:
                assert_never(self.definition.take)

    def _values(self, events: Iterable[EventFact]) -> Iterator[_Value]:
        """Of the events that pass, one by one: who takes the first looks at no more."""
        for event in events:
            value = self._value(event) if self._passes(event.properties) else None
            if value is not None:
                yield value

    def _value(self, event: EventFact) -> _Value | None:
        value: _Value | None = event.timestamp
        if self.definition.property is not None:
            value = lookup(event.properties, tuple(self.definition.property.split(".")))
        if self.definition.add is None or value is None:
            return value
        moment = value if isinstance(value, datetime) else parse_instant(value)
        if moment is None:
            return None
        try:
            return self._moved(moment, event)
        except OverflowError:
            return None

    def _moved(self, moment: datetime, event: EventFact) -> datetime | None:
        if self._duration is not None:
            return add(moment, self._duration, UTC)
        assert isinstance(self.definition.add, Shift)
        amount = lookup(event.properties, tuple(self.definition.add.property.split(".")))
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            return None
        match self.definition.add.unit:
            case "minutes" | "hours" | "days" | "weeks" as unit:
                return moment + timedelta(**{unit: amount})
            case "months":
                return add(moment, Duration("", months=int(amount)), UTC)
            case "years":
                return add(moment, Duration("", months=int(amount * 12)), UTC)
            case _:
                assert_never(self.definition.add.unit)


def _numbers(values: Iterator[_Value]) -> list[int | float]:
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def _comparable(values: list[_Value]) -> list[int | float] | list[datetime]:
    """The numbers among them, or where there are none the dates."""
    dates = (value if isinstance(value, datetime) else parse_instant(value) for value in values)
    return _numbers(iter(values)) or [date for date in dates if date is not None]


def _plain(total: Decimal) -> JsonValue:
    return int(total) if total == total.to_integral_value() else float(total)


def _json(value: _Value | None) -> JsonValue:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def computed_problems(draft: ComputedDraft) -> list[Problem]:
    """What is well formed and yet wrong with a definition, the filter included."""
    found: list[Problem] = []
    if draft.where is not None:
        try:
            parse_filter(draft.where, "$.where")
        except ConditionError as error:
            found += error.problems
    if draft.take in ("sum", "min", "max") and draft.property is None:
        message, remedy = f"is missing: {draft.take!r} of what?", "name a property of the event"
        found.append(Problem(path="$.property", message=message, remedy=remedy))
    if draft.take == "count" and draft.property is not None:
        message, remedy = "events are counted, not a property", "leave it out; filter with 'where'"
        found.append(Problem(path="$.property", message=message, remedy=remedy))
    if draft.take in ("count", "sum") and draft.add is not None:
        message = f"{draft.take!r} yields a number, which is no date"
        found.append(Problem(path="$.add", message=message, remedy="leave it out"))
    if isinstance(draft.add, str):
        try:
            Duration.parse(draft.add)
        except ConditionError as error:
            found += [Problem(path="$.add", message=one.message, remedy=one.remedy) for one in error.problems]
    return found
