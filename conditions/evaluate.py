"""Asking a condition of one person."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
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

Asker = Callable[[Person, datetime], Evaluation]
_Answer = tuple[bool, datetime | None]
_Part = Callable[["_Question"], _Answer]


def evaluate(condition: Condition, person: Person, now: datetime) -> Evaluation:
    """Whether the condition holds for the person at `now` (aware), on what values, and when that may change by time alone.

    The docstring of `conditions` has the rules. Every part is looked at, so that `seen` is complete. References that were not
    bound equal nothing. Total: no well-formed condition and no person raises.
    """
    return compile_condition(condition)(person, now)


def compile_condition(condition: Condition) -> Asker:
    """`evaluate` for one condition, for use on many people or instants."""
    answer = _part(condition)

    def ask(person: Person, now: datetime) -> Evaluation:
        asked = _Question(person, now)
        matches, change = answer(asked)
        return Evaluation(matches, asked.seen, change)

    return ask


@dataclass(slots=True)
class _Question:
    person: Person
    now: datetime
    seen: dict[str, JsonValue] = field(default_factory=dict)


def _part(condition: Condition) -> _Part:
    match condition:
        case All():
            return _several(condition.all, all)
        case AnyOf():
            return _several(condition.any, any)
        case Not():
            return _denied(_part(condition.not_))
        case TraitIs():
            return _trait(condition)
        case Happened():
            return _happened(condition)
        case InSegment():
            return _member(condition.segment)
        case ValueIs():
            return _value(condition)
        case _:
            assert_never(condition)


def _several(conditions: Iterable[Condition], together: Callable[[Iterable[bool]], bool]) -> _Part:
    parts = [_part(each) for each in conditions]

    def answer(asked: _Question) -> _Answer:
        answers = [part(asked) for part in parts]
        return together(matches for matches, _ in answers), _earliest(change for _, change in answers)

    return answer


def _denied(part: _Part) -> _Part:
    def answer(asked: _Question) -> _Answer:
        matches, change = part(asked)
        return not matches, change

    return answer


def _member(segment: str) -> _Part:
    def answer(asked: _Question) -> _Answer:
        asked.seen[f"segments.{segment}"] = member = segment in asked.person.segments
        return member, None

    return answer


def _trait(condition: TraitIs) -> _Part:
    path, called, compared = tuple(condition.trait.split(".")), f"traits.{condition.trait}", _compared(condition)

    def answer(asked: _Question) -> _Answer:
        asked.seen[called] = value = lookup(asked.person.traits, path)
        return compared(value, asked.now)

    return answer


def _value(condition: ValueIs) -> _Part:
    value, called, compared = condition.constant, condition.called, _compared(condition)

    def answer(asked: _Question) -> _Answer:
        if called is not None:
            asked.seen[called] = value
        return compared(value, asked.now)

    return answer


def _compared(condition: TraitIs | ValueIs) -> Callable[[JsonValue, datetime], _Answer]:
    op, span = condition.op, condition.value
    if op not in ("older_than", "newer_than"):
        test = compile_test(condition)
        return lambda value, _: (test(value), None)

    @lru_cache(maxsize=1000)
    def ages(value: str) -> datetime | None:
        begins = parse_instant(value)
        return None if begins is None or not isinstance(span, Duration) else add(begins, span, UTC)

    def aged(value: JsonValue, now: datetime) -> _Answer:
        turns = ages(value) if isinstance(value, str) else None
        if turns is None:
            return False, None
        older = turns <= now
        return older is (op == "older_than"), None if older else turns

    return aged


def _happened(condition: Happened) -> _Part:
    passes, span, within = compile_filter(condition.where), condition.span, condition.within

    def answer(asked: _Question) -> _Answer:
        counted = [event for event in asked.person.events if event.name == condition.event and passes(event.properties)]
        if span is not None:
            counted = [event for event in counted if span[0] <= event.timestamp < span[1]]
        if within is None:
            _note(condition, counted, asked.seen)
            return _enough(condition, counted), None
        leaving = sorted(((_leaves(event, within), event) for event in counted), key=lambda pair: pair[0])
        leaving = [(leaves, event) for leaves, event in leaving if leaves > asked.now]
        _note(condition, [event for _, event in leaving], asked.seen)
        return _first_change(condition, leaving)

    return answer


def _note(condition: Happened, counted: Sequence[EventFact], seen: dict[str, JsonValue]) -> None:
    note: dict[str, JsonValue] = {"count": len(counted)}
    if counted:
        note["last"] = max(counted, key=lambda event: event.timestamp).id
    if condition.sum is not None:
        note["sum"] = _plain(_sum(condition.sum.property, counted))
    name, again = f"events.{condition.event}", 2
    while name in seen:
        name, again = f"events.{condition.event}#{again}", again + 1
    seen[name] = note


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
