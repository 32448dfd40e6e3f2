"""What can be proved of conditions without asking anybody: those that never hold, always hold, or follow from another."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from conditions.duration import Duration
from conditions.model import (
    All,
    AnyOf,
    Comparison,
    Condition,
    Filter,
    Happened,
    Not,
    NumberIs,
    PropertyIs,
    Ref,
    TraitIs,
    ValueIs,
    WhereAll,
    WhereAny,
    WhereNot,
)
from conditions.operators import compile_test
from conditions.values import exact, is_number

Clause = Condition | Filter
_TIMED = ("older_than", "newer_than")


def always(clause: Clause) -> bool:
    """Whether it provably holds for everybody, at any time."""
    match clause:
        case All() | WhereAll():
            return all(always(part) for part in _parts(clause))
        case AnyOf() | WhereAny():
            parts = list(_parts(clause))
            return any(always(part) for part in parts) or any(opposite(one, other) for one in parts for other in parts)
        case Not() | WhereNot():
            return never(clause.not_) is not None
        case Happened(sum=None, count=NumberIs() as count):
            return _counts(count) is True
        case _:
            return False


def never(clause: Clause) -> str | None:
    """Why it provably holds for nobody, at no time; None where that is not proved."""
    match clause:
        case AnyOf() | WhereAny():
            reasons = [never(part) for part in _parts(clause)]
            if not reasons:
                return "an empty 'any' holds for nobody"
            return next((reason for reason in reasons if reason), None) if all(reasons) else None
        case All() | WhereAll():
            return _contradiction(list(_flat(clause)))
        case Not() | WhereNot():
            return "it denies what always holds" if always(clause.not_) else None
        case Happened():
            if clause.count is not None and _counts(clause.count) is False:
                return f"no count is {clause.count.op} {clause.count.value}"
            if clause.where is None or clause.count is not None or clause.sum is not None:
                return None  # a count or sum of no events is 0, and may be asked for
            return never(clause.where)
        case TraitIs() | PropertyIs() | ValueIs():
            return _contradiction([clause])
        case _:
            return None


def implies(one: Clause | None, other: Clause | None) -> bool:
    """Whether everybody for whom `one` holds provably meets `other` too; None stands for no condition."""
    if other is None or one == other or always(other):
        return True
    if one is None:
        return False
    match one, other:
        case _, (All() | WhereAll()):
            return all(implies(one, part) for part in _parts(other))
        case ((AnyOf() | WhereAny()), _):
            return all(implies(part, other) for part in _parts(one))
        case ((All() | WhereAll()), _) if any(implies(part, other) for part in _parts(one)):
            return True
        case _, (AnyOf() | WhereAny()):
            return any(implies(one, part) for part in _parts(other))
        case ((TraitIs() | PropertyIs() | ValueIs()), (TraitIs() | PropertyIs() | ValueIs())) if _subject(one) == _subject(other):
            return _follows(one, other)
        case _:
            return never(one) is not None


def opposite(one: Clause, other: Clause) -> bool:
    """Whether exactly one of the two holds, by the look of it: the one says `not` of the other."""
    return any(isinstance(left, Not | WhereNot) and left.not_ == right for left, right in ((one, other), (other, one)))


def _parts(clause: Clause) -> Sequence[Clause]:
    match clause:
        case All() | WhereAll():
            return clause.all
        case AnyOf() | WhereAny():
            return clause.any
        case _:
            return (clause,)


def _flat(clause: Clause) -> Iterator[Clause]:
    for part in _parts(clause):
        if isinstance(part, All | WhereAll):
            yield from _flat(part)
        else:
            yield part


def _contradiction(parts: list[Clause]) -> str | None:
    """Why these cannot hold together."""
    for position, part in enumerate(parts):
        if len(parts) > 1 and (reason := never(part)) is not None:
            return reason
        if any(opposite(part, other) for other in parts[:position]):
            return "it demands something and its opposite"
    subjects: dict[tuple[str, str], list[Comparison]] = {}
    for part in parts:
        if isinstance(part, TraitIs | PropertyIs | ValueIs):
            subjects.setdefault(_subject(part), []).append(part)
    return next((reason for subject, tests in subjects.items() if (reason := _clash(subject[1], tests))), None)


def _subject(test: Comparison) -> tuple[str, str]:
    match test:
        case TraitIs():
            return "trait", test.trait
        case PropertyIs():
            return "property", test.property
        case ValueIs():
            return "value", test.subject.ref if isinstance(test.subject, Ref) else repr(test.subject)
        case _:
            return "", ""


def _clash(name: str, tests: list[Comparison]) -> str | None:
    """Why no value of this name passes all the tests."""
    values = _allowed(tests)
    if values is not None:
        constant = [compile_test(test) for test in tests if test.op not in _TIMED and not isinstance(test.value, Ref)]
        if not any(all(passes(value) for passes in constant) for value in values):
            return f"no {name} is {' and '.join(_words(test) for test in tests)}" if values else f"{name} is in an empty list"
    low = [(limit, test.op == "gt") for test in tests if test.op in {"gt", "gte"} and (limit := _number(test)) is not None]
    high = [(limit, test.op == "lt") for test in tests if test.op in {"lt", "lte"} and (limit := _number(test)) is not None]
    if low and high:
        (least, above), (most, below) = max(low), min(high, key=lambda end: (end[0], not end[1]))
        if least > most or (least == most and (above or below)):
            return f"no {name} is {' and '.join(_words(test) for test in tests)}"
    older = [test.value for test in tests if test.op == "older_than" and isinstance(test.value, Duration)]
    newer = [test.value for test in tests if test.op == "newer_than" and isinstance(test.value, Duration)]
    if any(_surely_longer(long, short) for long in older for short in newer):
        return f"no {name} is {' and '.join(_words(test) for test in tests)}"
    return None


def _allowed(tests: list[Comparison]) -> list[str | int | float | bool | None] | None:
    """The only values that can pass, where the tests name them; None stands for a missing value among them."""
    for test in tests:
        match test.op, test.value:
            case "eq", (str() | int() | float()) as value:
                return [value]
            case "in", tuple() as values:
                return list(values)
            case "exists", False:
                return [None]
            case _:
                pass
    return None


def _number(test: Comparison) -> Fraction | None:
    value = test.value
    return exact(value) if isinstance(value, int | float) and is_number(value) else None


def _words(test: Comparison) -> str:
    return f"{test.op} {test.value!r}" if not isinstance(test.value, Duration | tuple) else f"{test.op} {test.value}"


def _surely_longer(long: Duration, short: Duration) -> bool:
    return not long.is_negative and not short.is_negative and long.shortest >= short.longest


def _follows(one: Comparison, other: Comparison) -> bool:
    """Whether a value that passes `one` passes `other`."""
    if one.op in _TIMED or other.op in _TIMED or isinstance(one.value, Ref) or isinstance(other.value, Ref):
        return False
    passes = compile_test(other)
    values = _allowed([one])
    if values is not None:
        return all(passes(value) for value in values)
    if other.op == "exists" and other.value is True:
        return one.op in {"gt", "gte", "lt", "lte", "contains", "exists"}
    mine, theirs = _number(one), _number(other)
    if mine is None or theirs is None:
        return False
    match one.op, other.op:
        case (("gt" | "gte"), ("gt" | "gte")):
            return mine > theirs or (mine == theirs and not (one.op == "gte" and other.op == "gt"))
        case (("lt" | "lte"), ("lt" | "lte")):
            return mine < theirs or (mine == theirs and not (one.op == "lte" and other.op == "lt"))
        case _:
            return False


def _counts(test: NumberIs) -> bool | None:
    """Whether every count (0, 1, 2, …) passes, or none does; None where it depends."""
    limit = exact(test.value)
    match test.op:
        case "gte" | "gt":
            return True if limit < 0 or (limit == 0 and test.op == "gte") else None
        case "lt" | "lte":
            return False if limit < 0 or (limit == 0 and test.op == "lt") else None
        case "eq" | "ne":
            possible = limit >= 0 and limit.denominator == 1
            return None if possible else test.op == "ne"
