"""The operators on single values."""

import operator
from collections.abc import Callable
from typing import assert_never

from pydantic import JsonValue

from conditions.model import Comparison, Operator
from conditions.values import is_number, parse_instant

Test = Callable[[JsonValue], bool]
_ORDER: dict[str, Callable[[object, object], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def compile_test(comparison: Comparison) -> Test:
    """The comparison as a function of the value (None: missing). `older_than` and `newer_than` are no such function."""
    op, operand = comparison.op, comparison.value
    match op:
        case "exists":
            return lambda value: (value is not None) is operand
        case "eq":
            return lambda value: same(value, operand)
        case "ne":
            return lambda value: not same(value, operand)
        case "in":
            members = operand if isinstance(operand, tuple) else ()
            return lambda value: any(same(value, member) for member in members)
        case "contains":
            return lambda value: _contains(value, operand)
        case "gt" | "gte" | "lt" | "lte":
            return lambda value: ordered(op, value, operand)
        case "older_than" | "newer_than":
            raise TypeError(f"{op} needs to know the time")
        case _:
            assert_never(op)


def same(value: JsonValue, operand: object) -> bool:
    """Equality within a type: number with number, text with text, boolean with boolean; everything else is unequal."""
    if is_number(value):
        return is_number(operand) and value == operand
    if isinstance(value, bool):
        return isinstance(operand, bool) and value is operand
    return isinstance(value, str) and isinstance(operand, str) and value == operand


def ordered(op: Operator, value: JsonValue, operand: object) -> bool:
    """Order within a type: numbers by size; texts as instants where both are, else by code point."""
    if is_number(value) and is_number(operand):
        return _ORDER[op](value, operand)
    if not (isinstance(value, str) and isinstance(operand, str)):
        return False
    left, right = parse_instant(value), parse_instant(operand)
    return _ORDER[op](left, right) if left is not None and right is not None else _ORDER[op](value, operand)


def _contains(value: JsonValue, operand: object) -> bool:
    if isinstance(value, list):
        return any(same(member, operand) for member in value)
    return isinstance(value, str) and isinstance(operand, str) and operand in value


