"""Random conditions and people, from few names and values so that they meet."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conditions import EventFact, Person

SOME_INSTANT = datetime(2024, 2, 29, 12, tzinfo=UTC)
Json = dict[str, Any]
TRAITS = ("color", "age", "dog.birthdate", "dog", "tags")
PROPERTIES = ("total", "topic", "at")
EVENTS = ("Order Completed", "Dog Deceased")
SEGMENTS = ("vip", "puppy-owners")
DURATIONS = ("P1D", "P1M", "P12M", "P1Y2M3DT4H5M6S", "PT1H", "P8W", "-P1M", "PT0S")

texts = st.sampled_from(
    ["", "a", "ab", "B", "1", "é", "2024-01-31", "2024-02-29T11:30:00Z", "2023-02-30", "2024-02-29T13:00+02:00"]
)
numbers = st.sampled_from([0, 1, 1.0, -2, 0.1, 0.2, 10**20, 2**53 + 1, 1e300])
scalars = texts | numbers | st.booleans()
values = (
    st.none()
    | scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.sampled_from(["birthdate", "x"]), scalars, max_size=2)
)
instants = st.integers(-400 * 24, 400 * 24).map(lambda hours: SOME_INSTANT + timedelta(hours=hours, minutes=7))


def _operator(*, durations: bool) -> SearchStrategy[Json]:
    known: list[SearchStrategy[Json]] = [
        st.fixed_dictionaries({"exists": st.booleans()}),
        st.fixed_dictionaries({"in": st.lists(scalars, max_size=3)}),
        *(st.fixed_dictionaries({name: scalars}) for name in ("eq", "ne", "gt", "gte", "lt", "lte", "contains")),
    ]
    if durations:
        known += [st.fixed_dictionaries({name: st.sampled_from(DURATIONS)}) for name in ("older_than", "newer_than")]
    return st.one_of(known)


def _node(inner: SearchStrategy[Json]) -> SearchStrategy[Json]:
    several = st.lists(inner, max_size=3)
    return (
        several.map(lambda parts: {"all": parts})
        | several.map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    )


def _tree(leaves: SearchStrategy[Json]) -> SearchStrategy[Json]:
    return st.recursive(
        leaves,
        _node,
        max_leaves=5,
    )


filters = _tree(st.builds(lambda name, op: {"property": name, **op}, st.sampled_from(PROPERTIES), _operator(durations=False)))
"""JSON of event filters."""

_comparisons = st.builds(
    lambda op, value: {op: value},
    st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
    st.sampled_from([0, 1, 2, 0.3, 10**20]),
)
_windows: SearchStrategy[Json] = st.one_of(
    st.just({}),
    st.sampled_from([name for name in DURATIONS if name[0] != "-" and name != "PT0S"]).map(lambda text: {"within": text}),
    st.sampled_from([["2023-06-01", "2024-02-29"], ["2024-01-31", "2025-01-01T09:00:00Z"]]).map(lambda pair: {"between": pair}),
)
_events = st.builds(
    lambda name, window, extra: {"event": name, **window, **extra},
    st.sampled_from(EVENTS),
    _windows,
    st.fixed_dictionaries(
        {},
        optional={
            "where": filters,
            "count": _comparisons,
            "sum": st.builds(lambda name, test: {"property": name, **test}, st.sampled_from(PROPERTIES), _comparisons),
        },
    ),
)
_traits = st.builds(lambda name, op: {"trait": name, **op}, st.sampled_from(TRAITS), _operator(durations=True))
_constants = st.builds(lambda value, op: {"value": value, **op}, values, _operator(durations=True))
conditions = _tree(_traits | _events | _constants | st.sampled_from(SEGMENTS).map(lambda key: {"segment": key}))
"""JSON of conditions."""

properties = st.dictionaries(st.sampled_from(PROPERTIES), values, max_size=3)
people = st.builds(
    Person,
    traits=st.dictionaries(st.sampled_from(["color", "age", "dog", "tags"]), values, max_size=4),
    events=st.lists(st.builds(EventFact, st.uuids().map(str), st.sampled_from(EVENTS), instants, properties), max_size=5),
    segments=st.frozensets(st.sampled_from(SEGMENTS)),
)
