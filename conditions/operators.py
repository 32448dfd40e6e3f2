"""The operators on single values."""

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Literal, TypeVar, assert_never

from pydantic import JsonValue

from conditions.model import Comparison
from conditions.values import exact, is_number, parse_instant

Test = Callable[[JsonValue], bool]
Order = Literal["gt", "gte", "lt", "lte"]
T = TypeVar("T", datetime, str, Fraction)


def compare(op: Order, left: T, right: T) -> bool:
    """The four orders."""
    match op:
        case "gt":
            return left > right
        case "gte":
            return left >= right
        case "lt":
            return left < right
        case "lte":
            return left <= right
        case _:
            assert_never(op)


def compile_test(comparison: Comparison) -> Test:
    """The comparison as a function of the value (None: missing). `older_than` and `newer_than` are no such function."""
    op, operand = comparison.op, comparison.value
    match op:
        case "exists":
            return lambda value: (value is not None) is operand
        case "eq" if isinstance(operand, str):
            return lambda value: value == operand
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
            return _ordered(op, operand)
        case "older_than" | "newer_than":
            raise TypeError(f"{op} needs to know the time")
        case _:
            assert_never(op)


def same(value: JsonValue, operand: object) -> bool:
    """Equality within a type: number with number, text with text, boolean with boolean; everything else is unequal."""
    if isinstance(value, int | float) and is_number(value):
        return isinstance(operand, int | float) and is_number(operand) and exact(value) == exact(operand)
    if isinstance(value, bool):
        return isinstance(operand, bool) and value is operand
    return isinstance(value, str) and isinstance(operand, str) and value == operand


def _ordered(op: Order, operand: object) -> Test:
    """Order within a type: numbers by size; texts as instants where both are, else by code point."""
    if isinstance(operand, int | float) and is_number(operand):
        limit = exact(operand)
        return lambda value: isinstance(value, int | float) and is_number(value) and compare(op, exact(value), limit)
    if not isinstance(operand, str):
        return lambda _: False
    text, right = operand, parse_instant(operand)

    def test(value: JsonValue) -> bool:
        if not isinstance(value, str):
            return False
        left = parse_instant(value) if right is not None else None
        return compare(op, value, text) if left is None or right is None else compare(op, left, right)

    return test


def _contains(value: JsonValue, operand: object) -> bool:
    if isinstance(value, list):
        return any(same(member, operand) for member in value)
    return isinstance(value, str) and isinstance(operand, str) and operand in value
