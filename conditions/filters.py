"""Event filters: whether an event's properties pass a `where`."""

from collections.abc import Callable, Mapping
from typing import assert_never

from pydantic import JsonValue

from conditions.model import Filter, PropertyIs, WhereAll, WhereAny, WhereNot
from conditions.operators import compile_test
from conditions.values import lookup

Predicate = Callable[[Mapping[str, JsonValue]], bool]


def matches_filter(where: Filter | None, properties: Mapping[str, JsonValue]) -> bool:
    """Whether the properties pass; no filter passes everything. A reference that was not bound equals nothing."""
    return compile_filter(where)(properties)


def compile_filter(where: Filter | None) -> Predicate:
    """The filter as a closure, for use on many events."""
    match where:
        case None:
            return lambda _: True
        case WhereAll():
            every = [compile_filter(part) for part in where.all]
            return lambda properties: all(part(properties) for part in every)
        case WhereAny():
            some = [compile_filter(part) for part in where.any]
            return lambda properties: any(part(properties) for part in some)
        case WhereNot():
            denied = compile_filter(where.not_)
            return lambda properties: not denied(properties)
        case PropertyIs():
            path, test = tuple(where.property.split(".")), compile_test(where)
            return lambda properties: test(lookup(properties, path))
        case _:
            assert_never(where)
