"""The condition language: one typed tree in JSON, asked of one person here and of whole populations by SQL."""

from conditions.duration import Duration, add, at_local
from conditions.evaluate import evaluate
from conditions.filters import compile_filter, matches_filter
from conditions.model import (
    NOTHING,
    All,
    AnyOf,
    Comparison,
    Condition,
    Filter,
    Happened,
    InSegment,
    Nothing,
    Not,
    NumberIs,
    Operator,
    PropertyIs,
    Ref,
    SumIs,
    TraitIs,
    WhereAll,
    WhereAny,
    WhereNot,
)
from conditions.parse import parse_condition, parse_filter
from conditions.person import Evaluation, EventFact, Person
from conditions.problems import ConditionError, ConditionsError, Problem, did_you_mean
from conditions.references import References, bind, bind_filter, filter_references, references
from conditions.values import lookup, parse_instant

__all__ = [
    "NOTHING",
    "All",
    "AnyOf",
    "Comparison",
    "Condition",
    "ConditionError",
    "ConditionsError",
    "Duration",
    "Evaluation",
    "EventFact",
    "Filter",
    "Happened",
    "InSegment",
    "Not",
    "Nothing",
    "NumberIs",
    "Operator",
    "Person",
    "Problem",
    "PropertyIs",
    "Ref",
    "References",
    "SumIs",
    "TraitIs",
    "WhereAll",
    "WhereAny",
    "WhereNot",
    "add",
    "at_local",
    "bind",
    "bind_filter",
    "compile_filter",
    "did_you_mean",
    "evaluate",
    "filter_references",
    "lookup",
    "matches_filter",
    "parse_condition",
    "parse_filter",
    "parse_instant",
    "references",
]
