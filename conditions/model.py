"""The condition tree: frozen nodes that read and write the JSON of the language."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from conditions.comparison import (
    NOTHING,
    Comparison,
    Constant,
    Moment,
    Name,
    Node,
    Nothing,
    NumberIs,
    Operand,
    Operator,
    Path,
    PropertyIs,
    Ref,
    Scalar,
    SumIs,
    TraitIs,
    ValueIs,
    refuse,
)
from conditions.duration import Duration
from conditions.values import parse_instant

__all__ = [
    "NOTHING",
    "All",
    "AnyOf",
    "Comparison",
    "Condition",
    "Constant",
    "Filter",
    "Happened",
    "InSegment",
    "Moment",
    "Name",
    "Node",
    "Not",
    "Nothing",
    "NumberIs",
    "Operand",
    "Operator",
    "Path",
    "PropertyIs",
    "Ref",
    "Scalar",
    "SumIs",
    "TraitIs",
    "ValueIs",
    "WhereAll",
    "WhereAny",
    "WhereNot",
]


class WhereAll(Node):
    """Every one of these holds (an empty list holds)."""

    all: "tuple[Filter, ...]"


class WhereAny(Node):
    """At least one of these holds (an empty list does not)."""

    any: "tuple[Filter, ...]"


class WhereNot(Node):
    """This does not hold."""

    not_: "Filter" = Field(alias="not")


class Happened(Node):
    """How often an event happened, or what a property of it sums up to; where neither is said, it happened at least once."""

    event: Name
    """The event's name, compared exactly."""
    where: "Filter | None" = None
    """Counts only events whose properties pass; all of this name where left out."""
    count: NumberIs | None = None
    sum: SumIs | None = None
    within: Duration | None = None
    """Counts only events younger than this; of any age where left out."""
    between: tuple[Moment, Moment] | None = None
    """Counts only events from the first instant up to, not including, the second; a date is its midnight in UTC."""

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """`between` as instants."""
        if self.between is None:
            return None
        first, second = (parse_instant(text) for text in self.between)
        return (first or datetime.min.replace(tzinfo=UTC), second or datetime.min.replace(tzinfo=UTC))

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if self.within is not None and self.between is not None:
            raise refuse("windows", "has both 'within' and 'between'", "keep one of them")
        if self.within is not None and not self.within.is_positive:
            raise refuse(
                "windows", "'within' must be longer than nothing", "write a positive duration such as 'P30D'", at="within"
            )
        if (span := self.span) is not None and span[0] >= span[1]:
            raise refuse("windows", "'between' ends before it begins", "write the earlier instant first", at="between")
        return self


class InSegment(Node):
    """The person is a member of this segment now."""

    segment: Name


class All(Node):
    """Every one of these holds (an empty list holds)."""

    all: "tuple[Condition, ...]"


class AnyOf(Node):
    """At least one of these holds (an empty list does not)."""

    any: "tuple[Condition, ...]"


class Not(Node):
    """This does not hold."""

    not_: "Condition" = Field(alias="not")


_CONDITION_KEYS = ("all", "any", "not", "trait", "event", "segment", "value")
_CONDITION_TAGS: dict[type[Node], str] = {
    All: "<all>",
    AnyOf: "<any>",
    Not: "<not>",
    TraitIs: "<trait>",
    Happened: "<event>",
    InSegment: "<segment>",
    ValueIs: "<value>",
}
_FILTER_KEYS = ("all", "any", "not", "property")
_FILTER_TAGS: dict[type[Node], str] = {WhereAll: "<all>", WhereAny: "<any>", WhereNot: "<not>", PropertyIs: "<property>"}


def _condition_tag(value: object) -> str | None:
    if isinstance(value, dict):
        return next((f"<{key}>" for key in _CONDITION_KEYS if key in value), None)
    return next((tag for model, tag in _CONDITION_TAGS.items() if isinstance(value, model)), None)


def _filter_tag(value: object) -> str | None:
    if isinstance(value, dict):
        return next((f"<{key}>" for key in _FILTER_KEYS if key in value), None)
    return next((tag for model, tag in _FILTER_TAGS.items() if isinstance(value, model)), None)


Condition = Annotated[
    Annotated[All, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[TraitIs, Tag("<trait>")]
    | Annotated[Happened, Tag("<event>")]
    | Annotated[InSegment, Tag("<segment>")]
    | Annotated[ValueIs, Tag("<value>")],
    Discriminator(
        _condition_tag,
        custom_error_type="condition",
        custom_error_message="is no condition: it needs one of the keys all, any, not, trait, event, segment, value",
    ),
]
Filter = Annotated[
    Annotated[WhereAll, Tag("<all>")]
    | Annotated[WhereAny, Tag("<any>")]
    | Annotated[WhereNot, Tag("<not>")]
    | Annotated[PropertyIs, Tag("<property>")],
    Discriminator(
        _filter_tag,
        custom_error_type="filter",
        custom_error_message="is no filter: it needs one of the keys all, any, not, property",
    ),
]
for _model in (WhereAll, WhereAny, WhereNot, Happened, All, AnyOf, Not):
    _model.model_rebuild()
