"""Conditions as SQL over the whole population, with exactly the answers of `conditions.evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, assert_never

from sqlalchemy import TextClause, text

from conditions import (
    All,
    AnyOf,
    Condition,
    Duration,
    Filter,
    Happened,
    InSegment,
    Not,
    PropertyIs,
    TraitIs,
    ValueIs,
    WhereAll,
    WhereAny,
    WhereNot,
    add,
    parse_instant,
)
from conditions.operators import compile_test
from services.segments.comparisons import Binds, compare, number_is, shifted

Memberships = Literal["current", "history"]
_SLACK_DAYS = 4  # an upper bound of what a month longer than 31 days or a cut day may add to a window
_NOW = "CAST(:now AS timestamptz)"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A boolean SQL expression over `person AS p`, never null, and what it binds. It also binds `:now` (aware)."""

    sql: str
    binds: dict[str, object]

    def statement(self, template: str) -> TextClause:
        """`template` with the expression in the place of `{condition}`."""
        return text(template.replace("{condition}", self.sql))

    def parameters(self, now: datetime, **more: object) -> dict[str, object]:
        return {**self.binds, "now": now, **more}


def compile_condition(condition: Condition, memberships: Memberships = "current") -> Predicate:
    """The condition over `person AS p`.

    `history` asks as of `:now`: what memberships were then, and of events up to then only. `current` asks what is, and
    counts an event whose clock runs ahead of ours, as `conditions.evaluate` does.
    """
    compiler = _Compiler(memberships)
    return Predicate(compiler.condition(condition), compiler.binds.values)


class _Compiler:
    def __init__(self, memberships: Memberships) -> None:
        self.binds = Binds()
        self._memberships = memberships

    def condition(self, condition: Condition) -> str:
        match condition:
            case All():
                return _joined("AND", [self.condition(part) for part in condition.all])
            case AnyOf():
                return _joined("OR", [self.condition(part) for part in condition.any])
            case Not():
                return f"(NOT {self.condition(condition.not_)})"
            case TraitIs():
                return f"({compare(condition, self.binds.path('p.traits', condition.trait), self.binds, _NOW)})"
            case Happened():
                return self._happened(condition)
            case InSegment():
                return self._in_segment(condition.segment)
            case ValueIs():
                return self._value(condition)
            case _:
                assert_never(condition)

    def _happened(self, condition: Happened) -> str:
        tests = [
            "e.profile_id = p.profile_id",
            f"e.name = {self.binds.add(condition.event, 'text')}",
            self._where(condition.where),
        ]
        if self._memberships == "history":
            tests.append(f"e.timestamp <= {_NOW}")
        if condition.within is not None:
            coarse = self.binds.add(condition.within.longest.days + 1 + _SLACK_DAYS, "int")
            tests.append(f"e.timestamp > {_NOW} - make_interval(days => {coarse})")
            tests.append(f"{shifted('e.timestamp', self.binds.interval(condition.within))} > {_NOW}")
        if (span := condition.span) is not None:
            first, second = (self.binds.add(instant, "timestamptz") for instant in span)
            tests.append(f"e.timestamp >= {first} AND e.timestamp < {second}")
        events = "FROM event AS e WHERE " + " AND ".join(tests)
        parts = []
        if condition.count is not None:
            parts.append(number_is(condition.count, f"(SELECT count(*) {events})", self.binds))
        if condition.sum is not None:
            value = self.binds.path("e.properties", condition.sum.property)
            number = f"CASE jsonb_typeof({value}) WHEN 'number' THEN CAST({value} AS numeric) ELSE 0 END"
            parts.append(number_is(condition.sum, f"(SELECT coalesce(sum({number}), 0) {events})", self.binds))
        return _joined("AND", parts or [f"EXISTS (SELECT 1 {events})"])

    def _where(self, where: Filter | None) -> str:
        match where:
            case None:
                return "true"
            case WhereAll():
                return _joined("AND", [self._where(part) for part in where.all])
            case WhereAny():
                return _joined("OR", [self._where(part) for part in where.any])
            case WhereNot():
                return f"(NOT {self._where(where.not_)})"
            case PropertyIs():
                return f"({compare(where, self.binds.path('e.properties', where.property), self.binds, _NOW)})"
            case _:
                assert_never(where)

    def _value(self, condition: ValueIs) -> str:
        """The same for everybody, so it is answered here; only time is left to the server."""
        if condition.op not in ("older_than", "newer_than"):
            return str(compile_test(condition)(condition.constant)).lower()
        begins = parse_instant(condition.constant)
        if begins is None or not isinstance(condition.value, Duration):
            return "false"
        turns = self.binds.add(add(begins, condition.value, UTC), "timestamptz")
        return f"({turns} {'<=' if condition.op == 'older_than' else '>'} {_NOW})"

    def _in_segment(self, segment: str) -> str:
        key = self.binds.add(segment, "text")
        if self._memberships == "current":
            return f"EXISTS (SELECT 1 FROM membership AS m WHERE m.segment = {key} AND m.profile_id = p.profile_id AND m.member)"
        return (
            "coalesce((SELECT h.member FROM membership_history AS h WHERE h.profile_id = p.profile_id "
            f"AND h.segment = {key} AND h.at <= {_NOW} ORDER BY h.at DESC, h.position DESC LIMIT 1), false)"
        )


def _joined(word: str, parts: Sequence[str]) -> str:
    if not parts:
        return "true" if word == "AND" else "false"
    return "(" + f" {word} ".join(parts) + ")"
