"""From JSON to conditions and filters, with every problem named."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from conditions.model import Condition, Filter
from conditions.problems import ConditionError, problems_of

_conditions: TypeAdapter[Condition] = TypeAdapter(Condition)
_filters: TypeAdapter[Filter] = TypeAdapter(Filter)
T = TypeVar("T")


def parse_condition(data: object, path: str = "$") -> Condition:
    """Reads a condition; raises ConditionError with all problems, their JSON paths starting at `path`."""
    return _parse(_conditions, Condition, data, path)


def parse_filter(data: object, path: str = "$") -> Filter:
    """Reads an event filter (`where`); raises ConditionError like `parse_condition`."""
    return _parse(_filters, Filter, data, path)


def _parse(adapter: TypeAdapter[T], kind: object, data: object, path: str) -> T:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        raise ConditionError(problems_of(error, kind, path)) from None
