"""From the first tables to the newest: people who are under way at the upgrade go on, and are seen by all that looks."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from alembic import command
from sqlalchemy import create_engine, text

from infra import migrations
from infra.db import service_url
from infra.local.postgres import EmbeddedPostgres
from journeys.outcome import Done, Ended, Moved, Waiting
from journeys.parse import content_hash
from services.journeys import reporting
from services.journeys.event_ids import told_as
from services.journeys.explaining.stories import stories
from services.journeys.outgoing import take_over
from services.journeys.reconciling import suspects
from tests.services.journeys.conftest import NOW, Service

STEPS: list[dict[str, Any]] = [
    {"id": "hello", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"},
    {"id": "rest", "type": "wait", "for": "P1D"},
    {"id": "came", "type": "wait_for", "paths": [{"id": "yes", "event": "Came"}], "timeout": {"after": "P3D"}},
    {"id": "bye", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"},
]
JOURNEY = {
    "key": "old",
    "name": "Old",
    "purpose": "transactional",
    "entry": {"event": "Signup", "key": "event.properties.order"},
    "exit_when": [{"event": "Left"}],
    "steps": STEPS,
}
BEFORE = NOW - timedelta(hours=2)
ASLEEP, WAITING, UNSTARTED, ENDING, OVER, MET = (uuid4() for _ in range(6))


@pytest.fixture
def migrated_database(postgres: EmbeddedPostgres, database_names: Iterator[str]) -> Iterator[Any]:
    """A database of the first tables, with people in it, brought to the newest."""
    name = next(database_names)
    schema, url = migrations.schema_of("journeys"), postgres.url(name)
    migrations.create_database(service_url(url, "journeys"))
    command.upgrade(migrations._config(schema, service_url(url, "journeys")), "0001")
    engine = create_engine(service_url(url, "journeys"))
    with engine.begin() as connection:
        for statement, rows in _old_rows():
            connection.execute(text(statement), rows)
    engine.dispose()
    migrations.upgrade(schema, url)
    yield lambda _: service_url(url, "journeys").render_as_string(hide_password=False)
    postgres.drop_database(f"{name}_journeys")


def _old_rows() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """As the version before wrote them."""
    version = content_hash(JOURNEY)
    people = {ASLEEP: "running", WAITING: "running", UNSTARTED: "running", ENDING: "ending", OVER: "ended", MET: "running"}
    yield (
        "INSERT INTO version VALUES (:hash, 'old', 1, :definition, :at, 'someone')",
        [{"hash": version, "definition": orjson.dumps(JOURNEY).decode(), "at": BEFORE}],
    )
    yield "INSERT INTO journey (key, current, created_at) VALUES ('old', :hash, :at)", [{"hash": version, "at": BEFORE}]
    yield (
        (
            "INSERT INTO enrolment (id, journey, version, profile_id, entry_key, number, entry, entered_at, state, reason, "
            "ended_at) VALUES (:id, 'old', :version, :profile, 'o', 1, :entry, :at, :state, :reason, :ended)"
        ),
        [
            {
                "id": each,
                "version": version,
                "profile": _profile(each),
                "entry": orjson.dumps(
                    {"id": f"in-{each}", "event": "Signup", "at": BEFORE, "properties": {"order": "o"}}
                ).decode(),
                "at": BEFORE,
                "state": state,
                "reason": {"running": None, "ending": "exit: event 'Left'", "ended": "completed"}[state],
                "ended": BEFORE if state == "ended" else None,
            }
            for each, state in people.items()
        ],
    )
    yield (
        (
            "INSERT INTO decision (enrolment_id, step, visit, journey, kind, outcome, seen, deadline, at) "
            "VALUES (:id, :step, 1, 'old', :kind, :outcome, '{}', :deadline, :at)"
        ),
        list(_decisions()),
    )
    yield (
        (
            "INSERT INTO listener (enrolment_id, profile_id, kind, source, name, step, visit, path, since) "
            "VALUES (:id, :profile, :kind, 'event', :name, :step, :visit, :path, :at)"
        ),
        [
            {
                "id": each,
                "profile": _profile(each),
                "kind": kind,
                "name": name,
                "step": step,
                "visit": visit,
                "path": path,
                "at": BEFORE,
            }
            for each, kind, name, step, visit, path in (
                (ASLEEP, "exit", "Left", "", 0, "0"),
                (WAITING, "exit", "Left", "", 0, "0"),
                (WAITING, "wait", "Came", "came", 1, "yes"),
            )
        ],
    )
    yield (
        (
            "INSERT INTO match (enrolment_id, event_id, kind, step, visit, path, body, at) "
            "VALUES (:id, :event, 'wait', 'came', 1, 'yes', :body, :at)"
        ),
        [
            {"id": MET, "event": event, "body": orjson.dumps({"id": event, "event": "Came"}).decode(), "at": at}
            for event, at in (("first", BEFORE + timedelta(minutes=5)), ("second", BEFORE + timedelta(minutes=6)))
        ],
    )
    yield (
        "INSERT INTO outgoing (enrolment_id, kind, payload, request_id) VALUES (:id, 'start', :payload, :request)",
        [
            {
                "id": UNSTARTED,
                "payload": orjson.dumps({"journey": "old", "version": version, "look_back": False}).decode(),
                "request": str(UNSTARTED),
            }
        ],
    )


def _decisions() -> Iterator[dict[str, Any]]:
    for each in (ASLEEP, WAITING, ENDING, OVER, MET):
        yield _decision(each, "hello", "sent", None, 0)
        yield _decision(
            each, "rest", "sleep", BEFORE + timedelta(minutes=2) if each in (WAITING, MET) else NOW + timedelta(days=1), 1
        )
    for each in (WAITING, MET):
        yield _decision(each, "came", "waiting", NOW + timedelta(days=3), 3)


def _decision(enrolment: UUID, step: str, kind: str, deadline: Any, minutes: int) -> dict[str, Any]:
    outcome = {"sent": {"kind": "done", "detail": "sent"}}.get(kind, {"kind": kind})
    at = BEFORE + timedelta(minutes=minutes)
    return {
        "id": enrolment,
        "step": step,
        "kind": kind,
        "outcome": orjson.dumps(outcome).decode(),
        "deadline": deadline,
        "at": at,
    }


def _profile(enrolment: UUID) -> UUID:
    return UUID(int=enrolment.int ^ 1)


@pytest.fixture
def upgraded(service: Service) -> Service:
    service.neighbours.templates = [{"key": "t"}]
    for each in (ASLEEP, WAITING, UNSTARTED, ENDING, OVER, MET):
        service.neighbours.traits[_profile(each)] = {}
    return service


async def test_people_under_way_go_on_where_they_stood(upgraded: Service) -> None:
    upgraded.pass_time(timedelta(days=1))
    assert isinstance(await upgraded.perform(ASLEEP, "rest", confirm=True), Done)
    assert isinstance(await upgraded.perform(ASLEEP, "came"), Waiting)
    late = await upgraded.rows("SELECT late FROM decision WHERE enrolment_id = :id AND step = 'came'", id=ASLEEP)
    assert late[0].late == pytest.approx(0)
    (told,) = await upgraded.track(_profile(WAITING), "Came")
    assert (told.kind, told.journey, told.payload["step"]) == ("matched", "old", "came")
    assert isinstance(await upgraded.perform(WAITING, "bye"), Done)
    assert [each.step for each in upgraded.neighbours.sent] == ["bye"]
    (exit_,) = await upgraded.track(_profile(ASLEEP), "Left")
    assert exit_.kind == "interrupt"
    assert isinstance(await upgraded.perform(ASLEEP, "bye"), Ended)


async def test_a_wait_that_two_events_had_met_keeps_the_first(upgraded: Service) -> None:
    answer = await upgraded.perform(MET, "came", confirm=True)
    assert isinstance(answer, Waiting)
    assert answer.matched is not None
    assert answer.matched.event_id == told_as(MET, "first")


async def test_who_was_not_yet_started_is_started(upgraded: Service) -> None:
    async with upgraded.database.begin() as session:
        (row,) = await take_over(session, 10)
    assert (row.enrolment_id, row.journey, row.kind) == (UNSTARTED, "old", "start")
    assert isinstance(await upgraded.perform(UNSTARTED, "hello"), Done)


async def test_numbers_stories_and_the_reconciler_see_them(upgraded: Service) -> None:
    async with upgraded.database.read() as session:
        stats = await reporting.stats(session, "old", upgraded.clock)
        (story,) = await stories(session, "old", _profile(WAITING))
    assert (stats.state, stats.entered, stats.running, stats.ended, stats.held) == ("published", 6, 5, 1, 0)
    assert {each.step: each.waiting_now for each in stats.steps} == {"hello": 0, "rest": 2, "came": 2}
    assert (story.step, story.due) == ("came", NOW + timedelta(days=3))
    upgraded.pass_time(timedelta(days=2))
    async with upgraded.database.begin() as session:
        await session.execute(text("UPDATE place SET changed_at = now() - interval '1 hour'"))
        await session.execute(text("DELETE FROM outgoing"))
        grace, overdue = timedelta(minutes=3), upgraded.clock.now() - timedelta(minutes=3)
        await suspects.mark(session, grace=grace, overdue=overdue, most=100)
        doubted = [
            row[0] for row in (await session.execute(text("SELECT enrolment_id FROM place WHERE suspect_at IS NOT NULL"))).all()
        ]
        faults = {each.enrolment_id: each.fault for each in await suspects.look(session, doubted, grace=grace, overdue=overdue)}
    assert {ASLEEP: "wake", UNSTARTED: "start"}.items() <= faults.items()
    assert WAITING not in faults


async def test_the_journey_is_paused_resumed_and_its_people_moved_as_any(upgraded: Service) -> None:
    await upgraded.lifecycle.states.change("old", "pause", by="test")
    upgraded.pass_time(timedelta(hours=12))
    await upgraded.lifecycle.states.change("old", "resume", by="test")
    done = await upgraded.lifecycle.by_hand.move(ASLEEP, "bye", who="test", why="")
    assert done.state == "moving"
    version = (await upgraded.rows("SELECT version FROM enrolment WHERE id = :id", id=ASLEEP))[0].version
    await upgraded.perform(ASLEEP, "rest", confirm=True, journey=version)
    assert [each.kind for each in upgraded.told if each.enrolment_id == ASLEEP] == ["refresh", "move"]
    assert not isinstance(await upgraded.perform(ASLEEP, "bye", visit=2, journey=version), Moved)
    assert [each.key for each in upgraded.neighbours.sent] == [f"{ASLEEP}:bye:2"]
