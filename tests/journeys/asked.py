"""Random references, and random conditions and filters that make use of them, about what happens where journeys are tried."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.conditions.strategies import conditions, filters

Json = dict[str, Any]

EVENTS = ("Order", "Paid", "E0", "E1")
OF_ENTRY = ("entry.properties.at", "entry.properties.id", "entry.timestamp", "entry.event", "entry.id")
OF_EVENT = ("event.properties.at", "event.properties.id", "event.timestamp", "event.event", "event.id")
OF_PROFILE = ("profile.traits.dog.birthdate", "profile.traits.dog.id", "profile.computed.out", "profile.id")
_OF_CALL = ("body.at", "status", "headers.date", "error")
_OF_JOURNEY = ("reason", "goal_reached")
DATES = ("at", "timestamp", "birthdate", "out", "date")
"""Last parts of references that may lead to dates."""


def results(calls: Sequence[str], journeys: Sequence[str]) -> tuple[str, ...]:
    """What may come of calls and of journeys that are waited for, by the ids of their steps."""
    of_calls = [f"results.{step}.{part}" for step in calls for part in _OF_CALL]
    return (*of_calls, *(f"results.{step}.{part}" for step in journeys for part in _OF_JOURNEY))


def compared(refs: Sequence[str]) -> st.SearchStrategy[Json]:
    """Conditions on what references lead to."""
    tests: list[Json] = [
        *({"eq": value} for value in ("completed", "d", 200, True)),
        *({"exists": there} for there in (True, False)),
        {"ne": 200},
        {"older_than": "P1D"},
        {"newer_than": "-P1D"},
        {"gte": 1},
    ]
    return st.builds(lambda ref, test: {"value": {"ref": ref}, **test}, st.sampled_from(refs), st.sampled_from(tests))


def sifted(refs: Sequence[str]) -> st.SearchStrategy[Json]:
    """Filters that compare a property with what references lead to, among others."""
    like = st.builds(
        lambda name, test, ref: {"property": name, test: {"ref": ref}},
        st.sampled_from(["id", "at"]),
        st.sampled_from(["eq", "ne", "gte"]),
        st.sampled_from(refs),
    )
    return filters | like | like.map(lambda found: {"any": [found, {"property": "a", "eq": 2}]})


def asked(refs: Sequence[str]) -> st.SearchStrategy[Json]:
    """Conditions of every kind: also about the events, traits and segments that occur where random journeys are lived."""
    near = st.one_of(
        compared(refs),
        st.builds(
            lambda name, more: {"event": name, **more},
            st.sampled_from(EVENTS),
            st.fixed_dictionaries({}, optional={"within": st.just("P10D"), "count": st.just({"gte": 2}), "where": sifted(refs)}),
        ),
        st.sampled_from(
            [{"trait": "dog.alive", "eq": False}, {"segment": "vip"}, {"trait": "dog.birthdate", "older_than": "P1D"}]
        ),
    )
    return st.one_of(
        conditions, near, near.map(lambda found: {"not": found}), st.tuples(near, near).map(lambda two: {"all": [*two]})
    )
