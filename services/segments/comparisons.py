"""Comparisons of one JSON value as SQL: the operators of the condition language, never null."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

import orjson

from conditions import Comparison, Duration, NumberIs, parse_instant

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "ne": "<>"}
FALSE = "false"


class Binds:
    """The bound parameters of one statement."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._places: dict[tuple[str, str], str] = {}

    def add(self, value: object, kind: str) -> str:
        """Binds `value` and answers its place, cast to the PostgreSQL type `kind`. A value bound before is reused."""
        known = (kind, repr(value))
        if known not in self._places:
            name = f"v{len(self.values)}"
            self.values[name] = value
            self._places[known] = f"CAST(:{name} AS {kind})"
        return self._places[known]

    def path(self, document: str, path: str) -> str:
        """The value at a dotted path of nested objects (`->` with text never indexes a list)."""
        return "(" + " -> ".join([document, *(self.add(part, "text") for part in path.split("."))]) + ")"

    def interval(self, duration: Duration) -> str:
        """A duration as an interval; PostgreSQL adds its months, then its days, then its seconds, as we do."""
        months, days, seconds = (
            self.add(number, kind)
            for number, kind in ((duration.months, "int"), (duration.days, "int"), (duration.seconds, "double precision"))
        )
        return f"make_interval(months => {months}, days => {days}, secs => {seconds})"


def shifted(instant: str, interval: str) -> str:
    """A timestamptz moved by an interval on the calendar of UTC, whatever the session's zone."""
    return f"(({instant} AT TIME ZONE 'UTC' + {interval}) AT TIME ZONE 'UTC')"


def compare(comparison: Comparison, value: str, binds: Binds, now: str) -> str:
    """The comparison of the jsonb expression `value`, as a boolean that is never null."""
    op, operand = comparison.op, comparison.value
    match op:
        case "exists":
            there = f"coalesce(jsonb_typeof({value}) <> 'null', false)"
            return there if operand else f"NOT {there}"
        case "eq":
            return _same(value, operand, binds)
        case "ne":
            return f"NOT {_same(value, operand, binds)}"
        case "in":
            members = [_json(member) for member in operand] if isinstance(operand, tuple) else []
            return f"coalesce({value} = ANY({binds.add(members, 'jsonb[]')}), false)" if members else FALSE
        case "contains":
            return _contains(value, operand, binds)
        case "gt" | "gte" | "lt" | "lte":
            return _ordered(_SIGNS[op], value, operand, binds)
        case "older_than" | "newer_than":
            if not isinstance(operand, Duration):
                return FALSE
            sign = "<=" if op == "older_than" else ">"
            return f"coalesce({shifted(f'json_instant({value})', binds.interval(operand))} {sign} {now}, false)"
        case _:
            assert_never(op)


def number_is(test: NumberIs, value: str, binds: Binds) -> str:
    """A numeric expression compared exactly, as decimals."""
    return f"coalesce({value} {_SIGNS[test.op]} {binds.add(_decimal(test.value), 'numeric')}, false)"


def _same(value: str, operand: object, binds: Binds) -> str:
    """Jsonb's equality is ours: by type, numbers by size (1 = 1.0), texts by their bytes."""
    return f"coalesce({value} = {binds.add(_json(operand), 'jsonb')}, false)" if _is_scalar(operand) else FALSE


def _contains(value: str, operand: object, binds: Binds) -> str:
    if not _is_scalar(operand):
        return FALSE
    member = f"WHEN 'array' THEN {value} @> {binds.add(_json(operand), 'jsonb')}"
    part = f"WHEN 'string' THEN strpos({value} #>> '{{}}', {binds.add(operand, 'text')}) > 0" if isinstance(operand, str) else ""
    return f"coalesce(CASE jsonb_typeof({value}) {member} {part} ELSE false END, false)"


def _ordered(sign: str, value: str, operand: object, binds: Binds) -> str:
    if isinstance(operand, bool) or not isinstance(operand, str | int | float):
        return FALSE
    if not isinstance(operand, str):
        test = f"CAST({value} AS numeric) {sign} {binds.add(_decimal(operand), 'numeric')}"
        return f"coalesce(CASE jsonb_typeof({value}) WHEN 'number' THEN {test} ELSE false END, false)"
    by_text = f"({value} #>> '{{}}') COLLATE \"C\" {sign} {binds.add(operand, 'text')}"
    moment = parse_instant(operand)
    if moment is not None:
        by_time = f"json_instant({value}) {sign} {binds.add(moment, 'timestamptz')}"
        by_text = f"coalesce({by_time}, {by_text})"
    return f"coalesce(CASE jsonb_typeof({value}) WHEN 'string' THEN {by_text} ELSE false END, false)"


def _is_scalar(operand: object) -> bool:
    return isinstance(operand, str | bool | int | float)


def _json(value: object) -> str:
    """JSON of a scalar; integers of any size, which orjson refuses."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else orjson.dumps(value).decode()


def _decimal(value: float) -> Decimal:
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))
