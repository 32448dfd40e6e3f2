"""Comparisons of one value: operators, operands and references, as frozen nodes that read and write JSON."""

import re
from typing import Annotated, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Strict,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from conditions.duration import Duration
from conditions.values import parse_instant

Operator = Literal["exists", "eq", "ne", "in", "gt", "gte", "lt", "lte", "contains", "older_than", "newer_than"]
ZERO = Duration("PT0S")


class Node(BaseModel):
    """Base of everything written in a definition: frozen, closed to unknown keys, dumped as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        dumped: dict[str, JsonValue] = handler(self)
        fields = type(self).model_fields
        written = {fields[name].alias or name for name in self.model_fields_set}
        return {key: value for key, value in dumped.items() if key in written}


class Ref(Node):
    """A value that is known only when the condition is evaluated, such as `entry.properties.topic`."""

    ref: str = Field(min_length=1)
    """Dotted name of the value."""


class Nothing(Node):
    """What a reference becomes that leads nowhere: it equals nothing."""

    nothing: Literal[True]


NOTHING = Nothing(nothing=True)


def refuse(kind: str, message: str, remedy: str = "", at: str = "") -> PydanticCustomError:
    """What a validator raises; `at` is the field that is wrong, where a whole model is looked at."""
    context = {"remedy": remedy, "at": at}
    return PydanticCustomError(cast("Literal['problem']", kind), cast("Literal['']", message), context)


def _dotted(text: str) -> str:
    if any(not part or part.lstrip("-").isdecimal() for part in text.split(".")):
        raise refuse("path", "is no dotted path", "separate names by single dots; lists cannot be indexed")
    return text


def _moment(text: str) -> str:
    if parse_instant(text) is None:
        # A reference, written without saying that it is one.
        named = re.fullmatch(r"[a-z]+(\.[\w-]+)+", text) is not None
        remedy = f'did you mean {{"ref": "{text}"}}?' if named else "write '2026-03-01' or '2026-03-01T09:00:00Z'"
        raise PydanticCustomError("moment", "{text} is no date or datetime", {"text": repr(text), "remedy": remedy})
    return text


Path = Annotated[str, Field(min_length=1), AfterValidator(_dotted)]
Moment = Annotated[str, AfterValidator(_moment)]
Name = Annotated[str, Field(min_length=1)]


def _scalar_tag(value: object) -> str | None:
    match value:
        case bool():
            return "<boolean>"
        case str():
            return "<text>"
        case int():
            return "<integer>"
        case float():
            return "<number>"
        case {"ref": _} | Ref():
            return "<ref>"
        case {"nothing": _} | Nothing():
            return "<nothing>"
        case _:
            return None


def _number_tag(value: object) -> str | None:
    tag = _scalar_tag(value)
    return tag if tag in ("<integer>", "<number>") else None


def _list_tag(value: object) -> str | None:
    return (
        "<list>" if isinstance(value, list | tuple) else (tag if (tag := _scalar_tag(value)) in ("<ref>", "<nothing>") else None)
    )


Scalar = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[bool, Tag("<boolean>")]
    | Annotated[int, Tag("<integer>")]
    | Annotated[float, Field(allow_inf_nan=False), Tag("<number>")],
    Discriminator(_scalar_tag, custom_error_type="value", custom_error_message="is neither text, number nor boolean"),
]
Operand = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[bool, Tag("<boolean>")]
    | Annotated[int, Tag("<integer>")]
    | Annotated[float, Field(allow_inf_nan=False), Tag("<number>")]
    | Annotated[Ref, Tag("<ref>")]
    | Annotated[Nothing, Tag("<nothing>")],
    Discriminator(
        _scalar_tag, custom_error_type="value", custom_error_message="is neither text, number, boolean nor a reference"
    ),
]
OneOf = Annotated[
    Annotated[tuple[Scalar, ...], Tag("<list>")] | Annotated[Ref, Tag("<ref>")] | Annotated[Nothing, Tag("<nothing>")],
    Discriminator(_list_tag, custom_error_type="value", custom_error_message="is neither a list nor a reference"),
]


def _subject_tag(value: object) -> str:
    match value:
        case {"ref": _, **more} if not more:
            return "<ref>"
        case {"nothing": _, **more} if not more:
            return "<nothing>"
        case Ref():
            return "<ref>"
        case Nothing():
            return "<nothing>"
        case _:
            return "<constant>"


Subject = Annotated[
    Annotated[Ref, Tag("<ref>")] | Annotated[Nothing, Tag("<nothing>")] | Annotated[JsonValue, Tag("<constant>")],
    Discriminator(_subject_tag),
]

_SUBJECTS = frozenset({"trait", "property", "subject", "called"})
"""Fields of comparisons that are no operators."""


def _nothing() -> Nothing:
    return NOTHING


class Comparison(Node):
    """A test of one value by exactly one operator; `op` and `value` say which and with what."""

    exists: Annotated[bool, Strict()] = Field(default_factory=lambda: True)
    """Whether the value is there (a null is not)."""
    eq: Operand = Field(default_factory=_nothing)
    """Equal, of the same type."""
    ne: Operand = Field(default_factory=_nothing)
    """Not `eq`; so true of a missing value."""
    in_: OneOf = Field(default_factory=_nothing, alias="in")
    """Equal to one of a list."""
    gt: Operand = Field(default_factory=_nothing)
    """Greater, later, or behind in the alphabet."""
    gte: Operand = Field(default_factory=_nothing)
    lt: Operand = Field(default_factory=_nothing)
    lte: Operand = Field(default_factory=_nothing)
    contains: Operand = Field(default_factory=_nothing)
    """The list has this member, or the text this part."""

    @property
    def op(self) -> Operator:
        """The operator."""
        return cast("Operator", next(iter(self._operators())).rstrip("_"))

    @property
    def value(self) -> "bool | Duration | Constant | Ref | tuple[str | int | float | bool, ...]":
        """What the operator compares with."""
        found: bool | Duration | Constant | Ref | tuple[str | int | float | bool, ...] = getattr(
            self, next(iter(self._operators()))
        )
        return found

    def _operators(self) -> list[str]:
        return [name for name in self.model_fields_set if name not in _SUBJECTS]

    @model_validator(mode="after")
    def _one_operator(self) -> Self:
        if len(self._operators()) != 1:
            known = [info.alias or name for name, info in type(self).model_fields.items() if name not in _SUBJECTS]
            raise refuse("operators", "needs exactly one operator", f"one of {', '.join(known)}; combine several with 'all'")
        return self


Constant = str | int | float | bool | Nothing


class PropertyIs(Comparison):
    """A property of an event compares thus."""

    property: Path
    """Dotted path into the event's properties."""


class DatedComparison(Comparison):
    """A comparison that knows the time too."""

    older_than: Duration = Field(default_factory=lambda: ZERO)
    """The date plus this duration is past: it is longer ago."""
    newer_than: Duration = Field(default_factory=lambda: ZERO)
    """The date plus this duration is yet to come: not so long ago, or ahead; with `-P1D` more than a day ahead."""


class TraitIs(DatedComparison):
    """A trait of the profile compares thus."""

    trait: Path
    """Dotted path into the profile's traits."""


class ValueIs(DatedComparison):
    """A value that a reference leads to compares thus, as a trait would."""

    subject: Subject = Field(alias="value")
    """A reference such as `{"ref": "results.credit-check.body.score"}`, or the constant that it was bound to."""
    called: str | None = Field(default=None, alias="as")
    """What explanations call it; the reference's name once it is bound."""

    @property
    def constant(self) -> JsonValue:
        """The value; None (missing) for a reference that was not bound or leads nowhere."""
        return None if isinstance(self.subject, Ref | Nothing) else self.subject


Number = Annotated[
    Annotated[int, Strict(), Tag("<integer>")] | Annotated[float, Strict(), Field(allow_inf_nan=False), Tag("<number>")],
    Discriminator(_number_tag, custom_error_type="number", custom_error_message="is no number"),
]


class NumberIs(Node):
    """A number compares thus, by exactly one operator."""

    eq: Number = Field(default_factory=int)
    ne: Number = Field(default_factory=int)
    gt: Number = Field(default_factory=int)
    gte: Number = Field(default_factory=int)
    lt: Number = Field(default_factory=int)
    lte: Number = Field(default_factory=int)

    @property
    def op(self) -> Literal["eq", "ne", "gt", "gte", "lt", "lte"]:
        """The operator."""
        return cast("Literal['eq']", next(iter(self.model_fields_set - {"property"})))

    @property
    def value(self) -> int | float:
        """What the operator compares with."""
        found: int | float = getattr(self, self.op)
        return found

    @model_validator(mode="after")
    def _one_operator(self) -> Self:
        if len(self.model_fields_set - {"property"}) != 1:
            raise refuse("operators", "needs exactly one operator", "one of eq, ne, gt, gte, lt, lte")
        return self


class SumIs(NumberIs):
    """The sum of a numeric property over the counted events compares thus; other values of it add nothing."""

    property: Path
