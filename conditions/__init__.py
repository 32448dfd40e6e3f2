"""The condition language: one typed tree in JSON, asked of one person here and of whole populations by SQL.

Both must give the same answer, so the rules are few and total: no condition fails on any data.

**Conditions**: `{"all": […]}` (true when empty), `{"any": […]}` (false when empty), `{"not": …}` (plain negation),
`{"trait": path, OPERATOR: operand}`, `{"event": name, "where", "count", "sum", "within", "between"}`, `{"segment": key}`,
`{"value": {"ref": name}, OPERATOR: operand}` (the value of a reference, compared as a trait; a constant is allowed too).
**Filters** (`where`) test one event's properties: `all`, `any`, `not`, `{"property": path, OPERATOR: operand}`.
A comparison has exactly one operator. Numbers are the exact decimals that were written.

**Paths** are names joined by dots and walk nested objects only; a part that is a whole number is refused, so a path never
indexes a list. (`traits #> '{a,b}'` in PostgreSQL then means the same.) A value that is absent, or null, is *missing*.

**Operators** on a value v and an operand o:

| operator | true when |
|---|---|
| `exists: b` | v is there is b |
| `eq: o` | v and o are equal, both numbers, both texts or both booleans (1 equals 1.0, not "1"; a list equals nothing) |
| `ne: o` | not `eq`: also true where v is missing or of another type |
| `in: [o, …]` | `eq` to one of them |
| `gt gte lt lte: o` | both numbers: by size; both texts: by instant if both are dates, else by code point (`COLLATE "C"`) |
| `contains: o` | v is a list with a member that is `eq` to o; or both are texts and o is a part of v (case counts) |
| `older_than: D` | v is a date and v + D <= now |
| `newer_than: D` | v is a date and v + D > now |

Everything not said to be true is false. `older_than` and `newer_than` are for traits and values (events have `within`).

**Dates** are texts of the form `YYYY-MM-DD` (midnight UTC) or `YYYY-MM-DDThh:mm[:ss[.ffffff]][Z|±hh:mm]` (a blank may stand
for T; without offset: UTC) of the years 1000 to 2999, offsets up to 15:59, no 24:00 and no leap second; `2023-02-30` is no
date. `parse_instant` is the one reader.

**v + D** adds a calendar duration in UTC: first months and years (the day is cut to the month's last), then weeks and days,
then hours and below; so does PostgreSQL's `timestamp + interval` (in the zone UTC).

**Events** count when the name is equal, the filter passes, and: with `within: D`, timestamp + D > now (also an event dated in the
future counts); with `between: [a, b]`, a <= timestamp < b. (`timestamp > now - D - 4 days` is a safe coarse filter for an index.)
`count` compares how many count. `sum` compares the sum of a property over them, as exact decimals; values that are no numbers add
nothing, the empty sum is 0. Where both are given both must hold; where neither is, one event is enough.

**References** `{"ref": name}` are bound to constants before a condition is asked. One that leads nowhere (or to an object, a
null, or a list where `in` expects none) becomes `{"nothing": true}`, which is `eq` to nothing; hence `ne` is true of it. `in`
takes a reference to a list, whose texts, numbers and booleans count. The `value` of a comparison keeps any type: a list has
members, an object is there and equals nothing. Once bound, `as` holds the reference's name, under which the value is `seen`.
"""

from conditions.duration import Duration, add, at_local
from conditions.evaluate import Asker, compile_condition, evaluate
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
    Not,
    Nothing,
    NumberIs,
    Operator,
    PropertyIs,
    Ref,
    SumIs,
    TraitIs,
    ValueIs,
    WhereAll,
    WhereAny,
    WhereNot,
)
from conditions.parse import parse_condition, parse_filter
from conditions.person import Evaluation, EventFact, Person
from conditions.problems import ConditionError, ConditionsError, Problem, did_you_mean
from conditions.references import (
    References,
    bind,
    bind_filter,
    filter_references,
    references,
)
from conditions.values import lookup, parse_instant

__all__ = [
    "NOTHING",
    "All",
    "AnyOf",
    "Asker",
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
    "ValueIs",
    "WhereAll",
    "WhereAny",
    "WhereNot",
    "add",
    "at_local",
    "bind",
    "bind_filter",
    "compile_condition",
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
