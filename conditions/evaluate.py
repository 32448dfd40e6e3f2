"""Asking a condition of one person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import assert_never

from pydantic import JsonValue

from conditions.duration import Duration, add
from conditions.filters import compile_filter
from conditions.model import (
    All,
    AnyOf,
    Condition,
    Happened,
    InSegment,
    Not,
    NumberIs,
    TraitIs,
    ValueIs,
)
from conditions.operators import compare, compile_test
from conditions.person import Evaluation, EventFact, Person
from conditions.values import exact, is_number, lookup, parse_instant

_Answer = tuple[bool, datetime | None]


def evaluate(condition: Condition, person: Person, now: datetime) -> Evaluation:
    """Whether the condition holds for the person at `now` (aware), on what values, and when that may change by time alone.

    The docstring of `conditions` has the rules. Every part is looked at, so that `seen` is complete. References that were not
    bound equal nothing. Total: no well-formed condition and no person raises.
    """
    asked = _Question(person, now)
    matches, change = asked.answer(condition)
    return Evaluation(matches, asked.seen, change)


@dataclass(slots=True)
class _Question:
    person: Person
    now: datetime
    seen: dict[str, JsonValue] = field(default_factory=dict)

    def answer(self, condition: Condition) -> _Answer:
        match condition:
            case All():
                parts = [self.answer(part) for part in condition.all]
                return all(matches for matches, _ in parts), _earliest(change for _, change in parts)
            case AnyOf():
                parts = [self.answer(part) for part in condition.any]
                return any(matches for matches, _ in parts), _earliest(change for _, change in parts)
            case Not():
                matches, change = self.answer(condition.not_)
                return not matches, change
            case TraitIs():
                return self._trait(condition)
            case Happened():
                return self._happened(condition)
            case InSegment():
                member = condition.segment in self.person.segments
                self.seen[f"segments.{condition.segment}"] = member
                return member, None
            case ValueIs():
                if condition.called is not None:
                    self.seen[condition.called] = condition.constant
                return self._compared(condition, condition.constant)
            case _:
                assert_never(condition)

    def _trait(self, condition: TraitIs) -> _Answer:
        value = lookup(self.person.traits, tuple(condition.trait.split(".")))
        self.seen[f"traits.{condition.trait}"] = value
        return self._compared(condition, value)

    def _compared(self, condition: TraitIs | ValueIs, value: JsonValue) -> _Answer:
        if condition.op not in ("older_than", "newer_than"):
            return compile_test(condition)(value), None
        begins = parse_instant(value)
        if begins is None or not isinstance(condition.value, Duration):
            return False, None
        turns = add(begins, condition.value, UTC)
        older = turns <= self.now
        return older is (condition.op == "older_than"), None if older else turns

    def _happened(self, condition: Happened) -> _Answer:
        passes = compile_filter(condition.where)
        counted = [event for event in self.person.events if event.name == condition.event and passes(event.properties)]
        if (span := condition.span) is not None:
            counted = [event for event in counted if span[0] <= event.timestamp < span[1]]
        if condition.within is None:
            self._note(condition, counted)
            return _enough(condition, counted), None
        leaving = sorted(((_leaves(event, condition.within), event) for event in counted), key=lambda pair: pair[0])
        leaving = [(leaves, event) for leaves, event in leaving if leaves > self.now]
        counted = [event for _, event in leaving]
        self._note(condition, counted)
        return _first_change(condition, leaving)

    def _note(self, condition: Happened, counted: Sequence[EventFact]) -> None:
        note: dict[str, JsonValue] = {"count": len(counted)}
        if counted:
            note["last"] = max(counted, key=lambda event: event.timestamp).id
        if condition.sum is not None:
            note["sum"] = _plain(_sum(condition.sum.property, counted))
        name, again = f"events.{condition.event}", 2
        while name in self.seen:
            name, again = f"events.{condition.event}#{again}", again + 1
        self.seen[name] = note


def _leaves(event: EventFact, within: Duration) -> datetime:
    try:
        return add(event.timestamp, within, UTC)
    except OverflowError:  # beyond the year 9999: it never leaves
        return datetime.max.replace(tzinfo=UTC)


def _first_change(condition: Happened, leaving: list[tuple[datetime, EventFact]]) -> _Answer:
    """The answer now, and the first instant at which enough events have left the window to turn it."""
    answer = _enough(condition, [event for _, event in leaving])
    total = Fraction(0) if condition.sum is None else _sum(condition.sum.property, (event for _, event in leaving))
    for position, (leaves, event) in enumerate(leaving):
        if condition.sum is not None:
            total -= _sum(condition.sum.property, (event,))
        last_of_instant = position + 1 == len(leaving) or leaving[position + 1][0] > leaves
        if last_of_instant and _holds(condition, len(leaving) - position - 1, total) is not answer:
            return answer, leaves
    return answer, None


def _enough(condition: Happened, counted: Sequence[EventFact]) -> bool:
    total = Fraction(0) if condition.sum is None else _sum(condition.sum.property, counted)
    return _holds(condition, len(counted), total)


def _holds(condition: Happened, count: int, total: Fraction) -> bool:
    if condition.count is None and condition.sum is None:
        return count >= 1
    counts = condition.count is None or _number(condition.count, Fraction(count))
    return counts and (condition.sum is None or _number(condition.sum, total))


def _number(test: NumberIs, value: Fraction) -> bool:
    operand = exact(test.value)
    match test.op:
        case "eq":
            return value == operand
        case "ne":
            return value != operand
        case "gt" | "gte" | "lt" | "lte":
            return compare(test.op, value, operand)
        case _:
            assert_never(test.op)


def _sum(name: str, events: Iterable[EventFact]) -> Fraction:
    path = tuple(name.split("."))
    values = (lookup(event.properties, path) for event in events)
    return sum((exact(value) for value in values if isinstance(value, int | float) and is_number(value)), Fraction(0))


def _plain(total: Fraction) -> JsonValue:
    if total.denominator == 1:
        return total.numerator
    try:
        return float(total)
    except OverflowError:
        return str(total)


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
