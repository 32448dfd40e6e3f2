"""Conditions are read from JSON, written back unchanged, and refused with a path and a remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditions import ConditionError, Problem, bind, parse_condition, parse_filter, references
from tests.conditions.strategies import conditions, filters


@given(conditions)
def test_a_condition_is_written_back_as_it_was_read(data: dict[str, object]) -> None:
    condition = parse_condition(data)
    assert condition.model_dump(mode="json") == data
    assert parse_condition(condition.model_dump(mode="json")) == condition


@given(filters)
def test_a_filter_is_written_back_as_it_was_read(data: dict[str, object]) -> None:
    assert parse_filter(data).model_dump(mode="json") == data


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["P1D", "a.b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "not", "trait", "event", "eq", "in", "ref", "where", "within", "count", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def problems_of(data: object) -> tuple[Problem, ...] | None:
    try:
        parse_condition(data)
    except ConditionError as error:
        return error.problems
    return None


@given(json_values)
def test_any_json_is_a_condition_or_a_condition_error(data: object) -> None:
    problems = problems_of(data)
    assert problems is None or (problems and all(problem.path.startswith("$") for problem in problems))


@pytest.mark.parametrize(
    ("data", "path", "said"),
    [
        ({"trait": "dog.birthdate", "older_thn": "P1Y"}, "$.older_thn", "did you mean 'older_than'?"),
        ({"trait": "age"}, "$", "exactly one operator"),
        ({"trait": "age", "gt": 3, "lt": 5}, "$", "combine several with 'all'"),
        ({"trait": "age", "eq": None}, "$.eq", "neither text"),
        ({"trait": "age", "in": 3}, "$.in", "neither a list"),
        ({"trait": "tags.0", "eq": 3}, "$.trait", "lists cannot be indexed"),
        ({"trait": "dog.birthdate", "older_than": "1 year"}, "$.older_than", "did you mean 'P1Y'?"),
        ({"all": [{"segment": "vip"}, {"segmnt": "vip"}]}, "$.all[1]", "did you mean 'segment' instead of 'segmnt'?"),
        ({"event": "x", "count": {"gte": "1"}}, "$.count.gte", "is no number"),
        ({"event": "x", "count": {}}, "$.count", "exactly one operator"),
        ({"event": "x", "within": "P1D", "between": ["2024-01-01", "2025-01-01"]}, "$", "keep one"),
        ({"event": "x", "between": ["2025-01-01", "2024-01-01"]}, "$.between", "ends before it begins"),
        ({"event": "x", "between": ["2024-02-30", "2025-01-01"]}, "$.between[0]", "no date"),
        ({"event": "x", "within": "-P1D"}, "$.within", "positive"),
        ({"event": "x", "where": {"property": "at", "older_than": "P1D"}}, "$.where.older_than", "unknown key"),
        ({"event": "x", "where": {"property": "a b", "eqq": 1}}, "$.where.eqq", "did you mean 'eq'?"),
        ({"not": 3}, "$.not", "is no condition"),
        ([], "$", "is no condition"),
    ],
)
def test_what_is_wrong_is_named_with_its_path_and_a_remedy(data: object, path: str, said: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(data)
    assert any(problem.path == path and said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_every_problem_is_found_at_once() -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition({"all": [{"trait": "a..b", "eq": 1}, {"event": ""}, {"nope": 1}]}, path="$.steps[2].if")
    assert [problem.path for problem in caught.value.problems] == [
        "$.steps[2].if.all[0].trait",
        "$.steps[2].if.all[1].event",
        "$.steps[2].if.all[2]",
    ]


def test_references_are_found_everywhere() -> None:
    found = references(
        parse_condition(
            {
                "any": [
                    {"trait": "dog.id", "eq": {"ref": "entry.properties.dog"}},
                    {
                        "not": {
                            "event": "Order",
                            "where": {"all": [{"property": "topic", "in": {"ref": "profile.traits.topics"}}]},
                        }
                    },
                    {"segment": "vip"},
                ]
            }
        )
    )
    assert found.traits == {"dog.id"}
    assert found.events == {"Order"}
    assert found.segments == {"vip"}
    assert found.refs == {"entry.properties.dog", "profile.traits.topics"}


@given(conditions, st.sampled_from(["text", 3, None, ["a", 1], {"x": 1}]))
def test_a_bound_condition_has_no_references_left_and_survives_the_wire(data: dict[str, object], value: object) -> None:
    with_refs = {
        "all": [
            data,
            {"trait": "a", "eq": {"ref": "r"}},
            {"not": {"event": "x", "where": {"property": "p", "in": {"ref": "r"}}}},
            {"value": {"ref": "r"}, "eq": {"ref": "r"}},
        ]
    }
    bound = bind(parse_condition(with_refs), lambda _: value)  # type: ignore[arg-type, return-value]
    assert references(bound).refs == frozenset()
    assert parse_condition(bound.model_dump(mode="json")) == bound
