"""A condition says the same of a person in Python and in SQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from sqlalchemy import Connection, create_engine, text

from conditions import EventFact, Person, evaluate, parse_condition, parse_instant
from infra.local.postgres import EmbeddedPostgres
from services.segments.sql import compile_condition

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAITS, PROPERTIES, EVENTS, SEGMENTS = ("a", "b", "a.c", "b.c.d"), ("p", "q", "p.r"), ("Bought", "Viewed"), ("vip", "new")

_letters = st.text(alphabet="ab é\U0001f600\ue000%'\":\\_Z1-", max_size=4)
_dates = st.one_of(
    st.dates(date(2024, 1, 1), date(2027, 12, 31)).map(str),
    st.datetimes(datetime(2026, 2, 1), datetime(2026, 4, 1)).map(datetime.isoformat),  # noqa: DTZ001  # without a zone
    st.sampled_from(
        [
            "2024-02-29", "2023-02-29", "2024-02-30", "1900-02-29", "2000-02-29", "2026-04-31", "2026-01-31", "2026-03-01Z",
            "2026-03-01T12:00Z", "2026-03-01 12:00:00+02:00", "2026-03-01T12:00:00.5-15:59", "2026-03-01T12:00:00.1234567",
            "2026-03-01T24:00:00", "2026-03-01T12:00:60Z", "2999-12-31", "0999-01-01", "2026-3-1", "2026-03-01\n", "20260301",
            "+2026-03-01", "2026-03-01T12", "infinity", "now", "٢٠٢٦-٠٣-٠١",
        ]
    ),
)  # fmt: skip
_numbers = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.5, 0.1, 0.2, 0.3, 0.30000000000000004, 1.0, -0.0, 1e-7, 1e15]),
    st.integers(-(2**53), 2**53),
)
_scalars = st.one_of(_letters, _dates, st.booleans(), _numbers)
_values: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    _scalars,
    st.lists(st.one_of(_scalars, st.lists(_scalars, max_size=1)), max_size=3),
    st.recursive(_scalars, lambda inner: st.dictionaries(st.sampled_from(["c", "d", "r", "0"]), inner, max_size=2), max_leaves=4),
)
_durations = st.sampled_from(["P12M", "P1M", "P30D", "PT1S", "P1Y2M3DT4H5M6.S".replace(".", ""), "P8W", "PT36H", "P1D"])
_spans = st.one_of(_durations, _durations.map("-{}".format))


def _comparisons(name: str, subjects: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[dict[str, JsonValue]]:
    operator = st.one_of(
        st.fixed_dictionaries({"exists": st.booleans()}),
        *(st.fixed_dictionaries({op: _scalars}) for op in ("eq", "ne", "gt", "gte", "lt", "lte", "contains")),
        st.fixed_dictionaries({"in": st.lists(_scalars, max_size=3)}),
        st.just({"eq": {"nothing": True}}),
        st.just({"ne": {"nothing": True}}),
    )
    return st.builds(lambda subject, test: {name: subject, **test}, subjects, operator)


def _nested(leaf: st.SearchStrategy[dict[str, JsonValue]], leaves: int) -> st.SearchStrategy[dict[str, JsonValue]]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=leaves,
    )


_number_is = st.builds(lambda op, value: {op: value}, st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), _numbers)
_where = _nested(_comparisons("property", st.sampled_from(PROPERTIES)), 3)
_windows: st.SearchStrategy[dict[str, JsonValue]] = st.one_of(
    st.just({}),
    _durations.map(lambda text: {"within": text}),
    st.sampled_from([{"between": ["2026-02-01", "2026-03-01"]}, {"between": ["2026-03-01T11:59:59Z", "2026-03-02"]}]),
)


@st.composite
def _happened(draw: st.DrawFn) -> dict[str, JsonValue]:
    condition: dict[str, JsonValue] = {"event": draw(st.sampled_from(EVENTS)), **draw(_windows)}
    if draw(st.booleans()):
        condition["where"] = draw(_where)
    if draw(st.booleans()):
        condition["count"] = draw(_number_is)
    if draw(st.booleans()):
        condition["sum"] = {"property": draw(st.sampled_from(PROPERTIES)), **draw(_number_is)}
    return condition


_aged = st.builds(
    lambda path, op, span: {"trait": path, op: span},
    st.sampled_from(TRAITS),
    st.sampled_from(["older_than", "newer_than"]),
    _spans,
)
_leaves = st.one_of(
    _comparisons("trait", st.sampled_from(TRAITS)),
    _comparisons("value", st.one_of(_values, st.just({"nothing": True}))),
    _aged,
    st.builds(lambda date, op, span: {"value": date, op: span}, _dates, st.sampled_from(["older_than", "newer_than"]), _spans),
    _happened(),
    st.sampled_from(SEGMENTS).map(lambda key: {"segment": key}),
)
_conditions = _nested(_leaves, 4)

_instants = st.one_of(
    st.datetimes(datetime(2025, 2, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the zone is given
    st.sampled_from(
        [NOW, NOW - timedelta(days=30), NOW - timedelta(days=1), datetime(2026, 2, 1, tzinfo=UTC), NOW - timedelta(seconds=1)]
    ),
)
_events = st.builds(
    EventFact,
    id=st.uuids().map(str),
    name=st.sampled_from(EVENTS),
    timestamp=_instants,
    properties=st.dictionaries(st.sampled_from(["p", "q"]), _values, max_size=2),
)
_people = st.builds(
    Person,
    traits=st.dictionaries(st.sampled_from(["a", "b"]), _values, max_size=2),
    events=st.lists(_events, max_size=4),
    segments=st.frozensets(st.sampled_from(SEGMENTS)),
)


_INTO_PERSON = """INSERT INTO person SELECT id, traits, 1, now()
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, traits jsonb)"""
_INTO_EVENT = """INSERT INTO event (id, profile_id, name, timestamp, properties) SELECT id, who, name, at, properties
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, who uuid, name text, at timestamptz, properties jsonb)"""
_INTO_MEMBERSHIP = """INSERT INTO membership SELECT segment, id, true, now(), 1
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, segment text)"""
_INTO_HISTORY = """INSERT INTO membership_history (segment, profile_id, member, number, at, version)
SELECT segment, id, true, 1, '2020-01-01Z', 1 FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, segment text)"""


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres, segments_template: str) -> Iterator[Connection]:
    postgres.clone_database(segments_template, "segments_sql")
    # A zone with clock changes: the answers must not depend on the session's.
    engine = create_engine(postgres.url("segments_sql"), connect_args={"options": "-c timezone=America/New_York"})
    with engine.connect() as connection:
        yield connection
    engine.dispose()
    postgres.drop_database("segments_sql")


def _load(connection: Connection, people: list[Person]) -> None:
    everybody = [{"id": UUID(int=number), "traits": person.traits} for number, person in enumerate(people)]
    events = [
        {
            "id": f"{number}-{event.id}",
            "who": UUID(int=number),
            "name": event.name,
            "at": event.timestamp,
            "properties": event.properties,
        }
        for number, person in enumerate(people)
        for event in person.events
    ]
    memberships = [{"id": UUID(int=number), "segment": key} for number, person in enumerate(people) for key in person.segments]
    for statement, rows in (
        (_INTO_PERSON, everybody),
        (_INTO_EVENT, events),
        (_INTO_MEMBERSHIP, memberships),
        (_INTO_HISTORY, memberships),
    ):
        connection.execute(text(statement), {"rows": orjson.dumps(rows).decode()})


def _matching(connection: Connection, condition: JsonValue, now: datetime, memberships: str) -> set[int]:
    predicate = compile_condition(parse_condition(condition), "current" if memberships == "current" else "history")
    statement = predicate.statement("SELECT p.profile_id, {condition} AS matches FROM person AS p")
    rows = connection.execute(statement, predicate.parameters(now)).all()
    assert all(row.matches is not None for row in rows), "a condition is never null"
    return {row.profile_id.int for row in rows if row.matches}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(people=st.lists(_people, min_size=1, max_size=12), conditions=st.lists(_conditions, min_size=1, max_size=6), now=_instants)
@example(
    people=[Person({"a": "2026-01-31"}), Person({"a": "2025-12-31"}), Person({"a": ["2026-01-31"]})],
    conditions=[{"trait": "a", "older_than": "P1M"}, {"not": {"trait": "a", "newer_than": "P2M"}}],
    now=datetime(2026, 2, 28, tzinfo=UTC),
)
def test_sql_and_python_agree_on_everybody(
    connection: Connection, people: list[Person], conditions: list[JsonValue], now: datetime
) -> None:
    _load(connection, people)
    try:
        for condition in conditions:
            parsed = parse_condition(condition)
            expected = {number for number, person in enumerate(people) if evaluate(parsed, person, now).matches}
            assert _matching(connection, condition, now, "current") == expected
            by_then = {
                number
                for number, person in enumerate(people)
                if evaluate(
                    parsed, replace(person, events=[each for each in person.events if each.timestamp <= now]), now
                ).matches
            }
            assert _matching(connection, condition, now, "history") == by_then
    finally:
        connection.rollback()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=st.lists(st.one_of(_dates, _letters, st.text(alphabet="0123456789-:T Z+.", max_size=30)), min_size=1, max_size=20))
def test_the_same_texts_are_dates_in_sql_and_in_python(connection: Connection, written: list[str]) -> None:
    statement = text(
        "SELECT json_instant(value) FROM jsonb_array_elements(CAST(:texts AS jsonb)) WITH ORDINALITY AS t(value, n) ORDER BY n"
    )
    try:
        found = list(connection.execute(statement, {"texts": orjson.dumps(written).decode()}).scalars())
    except psycopg.Error as error:
        pytest.fail(f"{written}: {error}")
    finally:
        connection.rollback()
    assert found == [parse_instant(one) for one in written]


@pytest.mark.parametrize("path", ["+0", " 1", "0x"])
def test_no_path_reaches_into_a_list(connection: Connection, path: str) -> None:
    _load(connection, [Person({"a": ["x", "y"]})])
    condition: JsonValue = {"trait": f"a.{path}", "exists": True}
    try:
        assert _matching(connection, condition, NOW, "current") == set()
    finally:
        connection.rollback()
