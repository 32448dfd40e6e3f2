"""What conditions mean for one person."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from conditions import EventFact, Person, References, bind, evaluate, matches_filter, parse_condition, parse_filter, references
from tests.conditions.strategies import conditions, filters, instants, people, properties

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def holds(condition: dict[str, object], person: Person, now: datetime = NOW) -> bool:
    return evaluate(parse_condition(condition), person, now).matches


@pytest.mark.parametrize(
    ("value", "operator", "expected"),
    [
        (1, {"eq": 1.0}, True),
        (10**300, {"eq": 1e300}, True),  # as decimals
        (1, {"eq": "1"}, False),
        ("1", {"eq": 1}, False),
        (True, {"eq": 1}, False),
        (1, {"eq": True}, False),
        (True, {"eq": True}, True),
        (None, {"eq": ""}, False),
        ([1], {"eq": 1}, False),
        ("a", {"ne": "a"}, False),
        (None, {"ne": "a"}, True),
        (3, {"ne": "a"}, True),
        (None, {"exists": False}, True),
        (None, {"exists": True}, False),
        (False, {"exists": True}, True),
        ("b", {"in": ["a", "b"]}, True),
        ("b", {"in": []}, False),
        (1, {"in": ["1", True]}, False),
        (2, {"gt": 1.5}, True),
        ("2", {"gt": 1}, False),
        (True, {"gte": True}, False),
        ("b", {"gt": "a"}, True),
        ("B", {"lt": "a"}, True),
        ("2024-01-01T00:30:00+02:00", {"lt": "2024-01-01"}, True),
        ("2024-01-01", {"gte": "2024-01-01T00:00:00Z"}, True),
        ("2024-13-01", {"gt": "2024-12-01"}, True),  # no date: by code point
        (2**53 + 1, {"gt": float(2**53)}, True),
        (["red", 3], {"contains": 3}, True),
        (["red", 3], {"contains": "re"}, False),
        ("infrared", {"contains": "red"}, True),
        (33, {"contains": 3}, False),
        ("2025-03-31", {"older_than": "P12M"}, True),
        ("2025-04-01", {"older_than": "P12M"}, False),
        ("2025-04-01", {"newer_than": "P12M"}, True),
        ("2025-02-28", {"older_than": "P13M"}, True),
        ("2026-04-05", {"older_than": "-P1W"}, True),
        ("yesterday", {"newer_than": "P12M"}, False),
        (1_700_000_000, {"older_than": "P1D"}, False),
    ],
)
def test_an_operator_answers(value: JsonValue, operator: dict[str, object], expected: object) -> None:
    assert holds({"trait": "x", **operator}, Person(traits={"x": value})) is expected
    if not operator.keys() & {"older_than", "newer_than"}:
        assert matches_filter(parse_filter({"property": "x", **operator}), {"x": value}) is expected


def test_a_path_walks_objects_only() -> None:
    person = Person(traits={"dog": {"name": "Rex"}, "dog.name": "Bello", "list": ["a"]})
    assert holds({"trait": "dog.name", "eq": "Rex"}, person)
    assert holds({"trait": "list.a", "exists": False}, person)


def order(days_ago: float, **values: JsonValue) -> EventFact:
    return EventFact(f"e{days_ago}", "Order", NOW - timedelta(days=days_ago), values)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"count": {"eq": 3}}, True),
        ({"count": {"eq": 0}}, False),
        ({"count": {"gte": 2}, "within": "P10D"}, True),
        ({"count": {"gte": 3}, "within": "P10D"}, False),
        ({"where": {"property": "topic", "eq": "dogs"}, "count": {"eq": 1}}, True),
        ({"where": {"property": "topic", "eq": "cats"}}, False),
        ({"where": {"property": "topic", "eq": "cats"}, "count": {"eq": 0}}, True),
        ({"sum": {"property": "total", "eq": 0.3}}, True),
        ({"sum": {"property": "nope", "eq": 0}}, True),
        ({"sum": {"property": "total", "gt": 0}, "count": {"gt": 5}}, False),
        ({"between": ["2026-03-30", "2026-03-31"], "count": {"eq": 1}}, True),
        ({"between": ["2026-03-30T12:00:00Z", "2026-03-31"], "count": {"eq": 1}}, True),
        ({"between": ["2026-03-29", "2026-03-30T12:00:00Z"]}, False),
    ],
)
def test_events_are_counted_and_summed(condition: dict[str, object], expected: object) -> None:
    person = Person(events=[order(1, total=0.1), order(2, total=0.2, topic="dogs"), order(30, total="many")])
    if "between" in condition:
        person = Person(events=[order(1)])
    assert holds({"event": "Order", **condition}, person) is expected
    assert not holds({"event": "Other"}, person)


def test_an_answer_by_count_changes_when_enough_events_have_left_the_window() -> None:
    person = Person(events=[order(9), order(5), order(1)])
    answer = evaluate(parse_condition({"event": "Order", "count": {"gte": 2}, "within": "P10D"}), person, NOW)
    assert answer.matches
    assert answer.next_change == NOW + timedelta(days=5)


def test_an_answer_by_age_changes_when_the_age_is_reached_and_then_never() -> None:
    condition, person = parse_condition({"trait": "born", "older_than": "P1M"}), Person(traits={"born": "2026-03-31"})
    young = evaluate(condition, person, NOW)
    assert not young.matches
    assert young.next_change == datetime(2026, 4, 30, tzinfo=UTC)
    old = evaluate(condition, person, young.next_change)
    assert old.matches
    assert old.next_change is None


def test_a_reference_that_leads_nowhere_equals_nothing_so_its_opposite_holds() -> None:
    person = Person(traits={"x": "a"})
    for operator, expected in (("eq", False), ("ne", True), ("in", False), ("gt", False), ("contains", False)):
        bound = bind(parse_condition({"trait": "x", operator: {"ref": "entry.properties.gone"}}), lambda _: None)
        assert evaluate(bound, person, NOW).matches is expected


def test_the_values_that_were_looked_at_are_kept() -> None:
    condition = parse_condition(
        {"any": [{"trait": "dog.age", "gt": 3}, {"segment": "vip"}, {"event": "Order"}, {"event": "Order", "count": {"eq": 0}}]}
    )
    answer = evaluate(condition, Person(traits={"dog": {"age": 4}}, events=[order(2), order(1)]), NOW)
    assert answer.seen == {
        "traits.dog.age": 4,
        "segments.vip": False,
        "events.Order": {"count": 2, "last": "e1"},
        "events.Order#2": {"count": 2, "last": "e1"},
    }


@given(conditions, people, instants)
def test_every_condition_answers_for_everybody_and_not_is_plain_negation(
    data: dict[str, object], person: Person, now: datetime
) -> None:
    answer = evaluate(parse_condition(data), person, now)
    assert evaluate(parse_condition({"not": data}), person, now).matches is not answer.matches


@settings(max_examples=300)
@given(conditions, people, instants, st.floats(0, 1))
def test_an_answer_does_not_change_before_it_says_so(data: dict[str, object], person: Person, now: datetime, part: float) -> None:
    condition = parse_condition(data)
    answer = evaluate(condition, person, now)
    if answer.next_change is None:
        later = [now + timedelta(days=days) for days in (1, 40, 500, 5000)]
    else:
        assert answer.next_change > now
        span = answer.next_change - now
        later = [now + span * part, answer.next_change - timedelta(microseconds=1)]
        later = [instant for instant in later if now <= instant < answer.next_change]
    assert all(evaluate(condition, person, instant).matches is answer.matches for instant in later)


@given(people, instants, st.sampled_from(["P1D", "P1M", "P8W"]), st.sampled_from(["eq", "ne", "gte", "lt"]), st.integers(0, 3))
def test_a_window_names_the_very_instant_of_its_change(person: Person, now: datetime, within: str, op: str, count: int) -> None:
    condition = parse_condition({"event": "Order Completed", "count": {op: count}, "within": within})
    answer = evaluate(condition, person, now)
    if answer.next_change is not None:
        assert evaluate(condition, person, answer.next_change).matches is not answer.matches


@given(filters, properties)
def test_a_filter_answers_for_all_properties(data: dict[str, object], values: dict[str, JsonValue]) -> None:
    assert matches_filter(parse_filter({"not": data}), values) is not matches_filter(parse_filter(data), values)


def test_no_data_is_too_large() -> None:
    person = Person(
        events=[
            EventFact("1", "x", datetime(9990, 1, 1, tzinfo=UTC), {"total": 1e308}),
            EventFact("2", "x", NOW, {"total": 1e308}),
            EventFact("3", "x", NOW, {"total": 10**400 + 1}),
        ]
    )
    assert holds({"event": "x", "sum": {"property": "total", "gt": 1}, "within": "P900Y"}, person)


@pytest.mark.parametrize(
    ("found", "test", "expected"),
    [
        (700, {"gte": 600}, True),
        ("700", {"gte": 600}, False),
        (None, {"exists": False}, True),
        (None, {"ne": 1}, True),
        (["gold", "blue"], {"contains": "gold"}, True),
        ({"ref": "entry.id"}, {"exists": True}, True),
        ({"ref": "entry.id"}, {"eq": {"nothing": True}}, False),
        ("2026-02-01", {"older_than": "P1M"}, True),
        ("2026-03-02", {"older_than": "P1M"}, False),
    ],
)
def test_a_value_that_a_reference_leads_to_compares_as_a_trait_would(
    found: JsonValue, test: dict[str, JsonValue], expected: object
) -> None:
    condition = parse_condition({"value": {"ref": "results.check.body"}, **test})
    assert references(condition).refs == {"results.check.body"}
    bound = parse_condition(bind(condition, lambda _: found).model_dump(mode="json"))
    assert references(bound) == References()
    answer = evaluate(bound, Person(), datetime(2026, 3, 15, tzinfo=UTC))
    assert answer.matches is expected
    assert answer.seen == {"results.check.body": {} if isinstance(found, dict) else found}
    as_trait = evaluate(parse_condition({"trait": "t", **test}), Person(traits={"t": found}), datetime(2026, 3, 15, tzinfo=UTC))
    assert (answer.matches, answer.next_change) == (as_trait.matches, as_trait.next_change)
