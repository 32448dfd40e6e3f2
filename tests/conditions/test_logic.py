"""What is proved of conditions holds for every person."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conditions import evaluate, parse_condition
from conditions.logic import always, implies, never
from conditions.person import Person
from tests.conditions.strategies import SOME_INSTANT, conditions, people

Json = dict[str, Any]


def trait(**test: object) -> Json:
    return {"trait": "age", **test}


@pytest.mark.parametrize(
    "condition",
    [
        {"any": []},
        {"not": {"all": []}},
        {"all": [trait(eq=1), trait(eq=2)]},
        {"all": [trait(eq=1), {"all": [trait(ne=1)]}]},
        {"all": [trait(gt=5), trait(lt=3)]},
        {"all": [trait(gt=5), trait(lte=5)]},
        {"all": [trait(gte=5), trait(lt=5)]},
        {"all": [trait(eq="a"), trait(gt=0)]},
        {"all": [trait(**{"in": [1, 2]}), trait(gt=2)]},
        trait(**{"in": []}),
        {"all": [trait(exists=False), trait(contains="x")]},
        {"all": [{"segment": "vip"}, {"not": {"segment": "vip"}}]},
        {"all": [trait(older_than="P2Y"), trait(newer_than="P1Y")]},
        {"event": "Order", "count": {"lt": 0}},
        {"event": "Order", "count": {"eq": 1.5}},
        {"event": "Order", "where": {"all": [{"property": "x", "eq": 1}, {"property": "x", "eq": 2}]}},
        {"any": [{"any": []}, {"all": [trait(eq=1), trait(eq=2)]}]},
    ],
)
def test_a_contradiction_is_found_and_explained(condition: Json) -> None:
    assert never(parse_condition(condition))
    assert always(parse_condition({"not": condition}))


@pytest.mark.parametrize(
    "condition",
    [
        {"all": [trait(eq=1), trait(gte=1)]},
        {"all": [trait(gte=5), trait(lte=5)]},
        {"all": [trait(gt=3), trait(lt=5)]},
        {"all": [trait(contains="a"), trait(contains="b")]},
        {"all": [trait(ne=1), trait(exists=False)]},
        {"all": [trait(eq=1), {"trait": "size", "eq": 2}]},
        {"all": [trait(eq={"ref": "entry.properties.x"}), trait(eq=2)]},
        {"all": [trait(older_than="P1Y"), trait(newer_than="P2Y")]},
        {"event": "Order", "count": {"eq": 0}},
        {"any": [{"any": []}, {"segment": "vip"}]},
    ],
)
def test_what_can_hold_is_no_contradiction(condition: Json) -> None:
    assert never(parse_condition(condition)) is None
    assert not always(parse_condition(condition))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trait(gt=5), trait(gt=3)),
        (trait(gt=5), trait(gte=5)),
        (trait(lte=2), trait(lt=3)),
        (trait(eq=7), trait(gt=5)),
        (trait(**{"in": [1, 2]}), trait(lt=3)),
        (trait(gt=5), trait(exists=True)),
        ({"all": [{"segment": "vip"}, trait(eq=1)]}, {"segment": "vip"}),
        ({"segment": "vip"}, {"any": [trait(eq=1), {"segment": "vip"}]}),
        ({"any": [trait(eq=1), trait(eq=2)]}, trait(lt=3)),
        ({"all": [trait(eq=1), {"segment": "vip"}]}, {"all": [{"segment": "vip"}, trait(lt=3)]}),
    ],
)
def test_what_follows_is_found_and_not_the_other_way_round(one: Json, other: Json) -> None:
    assert implies(parse_condition(one), parse_condition(other))
    assert not implies(parse_condition(other), parse_condition(one))


age = st.sampled_from([0, 1, 1.0, 2, 3, "a", "ab", "2024-01-31", True])
tests = st.one_of(
    *(
        st.builds(lambda value, name=name: trait(**{name: value}), age)
        for name in ("eq", "ne", "gt", "gte", "lt", "lte", "contains")
    ),
    st.lists(age, max_size=2).map(lambda values: trait(**{"in": values})),
    st.booleans().map(lambda there: trait(exists=there)),
    st.sampled_from(["P1D", "P1Y", "P2Y", "-P1D"]).flatmap(
        lambda text: st.sampled_from([trait(older_than=text), trait(newer_than=text)])
    ),
)
about_one_trait = st.recursive(
    tests,
    lambda inner: (
        st.lists(inner, max_size=3).flatmap(lambda parts: st.sampled_from([{"all": parts}, {"any": parts}]))
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=4,
)
ages = (
    st.none()
    | age
    | st.lists(age, max_size=2)
    | st.integers(-900, 900).map(lambda days: str((SOME_INSTANT + timedelta(days=days)).date()))
)


def of_age(value: Any) -> Person:
    return Person(traits={} if value is None else {"age": value})


aged = ages.map(of_age)


@settings(max_examples=400, deadline=None)
@given(about_one_trait | conditions, about_one_trait | conditions, st.lists(aged, min_size=10, max_size=10), people)
def test_what_is_proved_holds_for_every_person(one: Json, other: Json, several: list[Person], somebody: Person) -> None:
    first, second = parse_condition(one), parse_condition(other)
    for person in (*several, somebody):
        holds, follows = (evaluate(condition, person, SOME_INSTANT).matches for condition in (first, second))
        assert not (holds and never(first))
        assert holds or not always(first)
        assert follows or not holds or not implies(first, second)
