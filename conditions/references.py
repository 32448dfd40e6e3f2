"""What a condition refers to, and putting constants in the place of its references."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from pydantic import JsonValue

from conditions.model import (
    NOTHING,
    All,
    AnyOf,
    Comparison,
    Condition,
    Filter,
    Happened,
    InSegment,
    Not,
    PropertyIs,
    Ref,
    TraitIs,
    ValueIs,
    WhereAll,
    WhereAny,
    WhereNot,
)
from conditions.values import is_number

Resolve = Callable[[str], JsonValue]


@dataclass(frozen=True, slots=True)
class References:
    """Names that a condition mentions: dotted traits, events, segments, and `{"ref": …}` names."""

    traits: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    refs: frozenset[str] = frozenset()

    @property
    def of_a_person(self) -> bool:
        """Whether anything of a person is looked at: with references alone, whoever knows the values can answer."""
        return bool(self.traits or self.events or self.segments)

    def __or__(self, other: "References") -> "References":
        return References(
            self.traits | other.traits, self.events | other.events, self.segments | other.segments, self.refs | other.refs
        )


def references(condition: Condition) -> References:
    """Everything the condition mentions."""
    return _union(names for _, names in placed("", condition))


def filter_references(where: Filter | None) -> References:
    """The `{"ref": …}` names in an event filter."""
    return _union(names for _, names in placed_in_filter("", where))


def placed(path: str, condition: Condition) -> Iterator[tuple[str, References]]:
    """What the condition at this JSON path mentions, each with its own path."""
    match condition:
        case All():
            for position, part in enumerate(condition.all):
                yield from placed(f"{path}.all[{position}]", part)
        case AnyOf():
            for position, part in enumerate(condition.any):
                yield from placed(f"{path}.any[{position}]", part)
        case Not():
            yield from placed(f"{path}.not", condition.not_)
        case TraitIs():
            yield f"{path}.trait", References(traits=frozenset({condition.trait}))
            yield from _operand(path, condition)
        case Happened():
            yield f"{path}.event", References(events=frozenset({condition.event}))
            yield from placed_in_filter(f"{path}.where", condition.where)
        case InSegment():
            yield f"{path}.segment", References(segments=frozenset({condition.segment}))
        case ValueIs():
            if isinstance(condition.subject, Ref):
                yield f"{path}.value.ref", References(refs=frozenset({condition.subject.ref}))
            yield from _operand(path, condition)
        case _:
            assert_never(condition)


def placed_in_filter(path: str, where: Filter | None) -> Iterator[tuple[str, References]]:
    """As `placed`, of an event filter."""
    match where:
        case None:
            return
        case WhereAll():
            for position, part in enumerate(where.all):
                yield from placed_in_filter(f"{path}.all[{position}]", part)
        case WhereAny():
            for position, part in enumerate(where.any):
                yield from placed_in_filter(f"{path}.any[{position}]", part)
        case WhereNot():
            yield from placed_in_filter(f"{path}.not", where.not_)
        case PropertyIs():
            yield from _operand(path, where)
        case _:
            assert_never(where)


def bind(condition: Condition, resolve: Resolve) -> Condition:
    """The condition with constants for references. `resolve` answers None for what is missing: that then equals nothing."""
    match condition:
        case All():
            return condition.model_copy(update={"all": tuple(bind(part, resolve) for part in condition.all)})
        case AnyOf():
            return condition.model_copy(update={"any": tuple(bind(part, resolve) for part in condition.any)})
        case Not():
            return condition.model_copy(update={"not_": bind(condition.not_, resolve)})
        case TraitIs():
            return condition.model_copy(update=_constant(condition, resolve))
        case Happened():
            if condition.where is None:
                return condition
            return condition.model_copy(update={"where": bind_filter(condition.where, resolve)})
        case InSegment():
            return condition
        case ValueIs():
            return condition.model_copy(update=_constant(condition, resolve) | _subject(condition, resolve))
        case _:
            assert_never(condition)


def bind_filter(where: Filter, resolve: Resolve) -> Filter:
    """The event filter with constants for references."""
    match where:
        case WhereAll():
            return where.model_copy(update={"all": tuple(bind_filter(part, resolve) for part in where.all)})
        case WhereAny():
            return where.model_copy(update={"any": tuple(bind_filter(part, resolve) for part in where.any)})
        case WhereNot():
            return where.model_copy(update={"not_": bind_filter(where.not_, resolve)})
        case PropertyIs():
            return where.model_copy(update=_constant(where, resolve))
        case _:
            assert_never(where)


def _union(parts: Iterable[References]) -> References:
    total = References()
    for part in parts:
        total |= part
    return total


def _operand(path: str, comparison: Comparison) -> Iterator[tuple[str, References]]:
    if isinstance(comparison.value, Ref):
        yield f"{path}.{comparison.op}.ref", References(refs=frozenset({comparison.value.ref}))


def _constant(comparison: Comparison, resolve: Resolve) -> dict[str, object]:
    if not isinstance(comparison.value, Ref):
        return {}
    found = resolve(comparison.value.ref)
    if comparison.op == "in":
        return {"in_": tuple(value for value in found if _is_scalar(value)) if isinstance(found, list) else NOTHING}
    return {comparison.op: found if _is_scalar(found) else NOTHING}


def _subject(condition: ValueIs, resolve: Resolve) -> dict[str, object]:
    """An object becomes an empty one: no operator looks inside, and it could be taken for a reference."""
    if not isinstance(condition.subject, Ref):
        return {}
    found = resolve(condition.subject.ref)
    constant: object = NOTHING if found is None else {} if isinstance(found, dict) else found
    return {"subject": constant, "called": condition.called or condition.subject.ref}


def _is_scalar(value: JsonValue) -> bool:
    return isinstance(value, str | bool) or is_number(value)
