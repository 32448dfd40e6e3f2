"""Migrations: who goes to which step of another version, who stays or ends, and what is told of it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from contracts.journeys import FinishItem
from infra.errors import BadInput, Conflict
from journeys.outcome import Deferred, Done, Ended, Sleep
from services.journeys.moves.migration_plans import CohortRule, MigrationRequest
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LETTER, PAUSE, publish
from tests.services.journeys.migrating import FIRST, ORDER, enters, finished, migrate


async def test_a_step_that_is_no_more_must_be_mapped_and_people_go_where_the_mapping_says(service: Service) -> None:
    old = await publish(service, FIRST, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("first")
    await person.asks("pause")
    new = await publish(service, FIRST, LETTER)
    with pytest.raises(BadInput) as refused:
        await migrate(service)
    assert refused.value.flaws[0].path == "$.mapping.pause"
    with pytest.raises(BadInput, match="mapping"):
        await migrate(service, mapping={"pause": "nowhere"})
    view = await migrate(service, mapping={"pause": "letter"})
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    move = await person.moves()
    assert move is not None
    assert (move["journey"], move["step"], move["offset"]) == (new, "letter", 1)
    assert isinstance(await person.asks("letter", 2), Done)
    assert [each.step for each in service.neighbours.sent] == ["first", "letter"]
    assert (await finished(service, view)).moved == 1


async def test_a_step_of_the_same_name_and_another_type_must_be_mapped(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, ORDER | {"id": "pause"}, LETTER)
    with pytest.raises(BadInput, match="another type"):
        await migrate(service)


async def test_cohorts_stay_or_end(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER)
    early = await enters(service, old, event_id="early")
    await early.asks("pause")
    service.pass_time(timedelta(days=1))
    late = await enters(service, old, event_id="late")
    await late.asks("pause")
    day = service.clock.now() - timedelta(hours=1)
    cohorts = [{"entered_before": day.isoformat(), "action": "stay"}, {"steps": ["pause"], "action": "exit"}]
    await publish(service, PAUSE, FIRST)
    view = await migrate(service, cohorts=cohorts)
    assert (view.stayed, view.ended, view.moved) == (1, 1, 0)
    assert (await early.row()).state == "running"
    assert isinstance(await early.asks("pause"), Sleep)
    assert isinstance(await late.asks("pause"), Ended)
    await service.steps.finish([FinishItem(enrolment_id=late.id, reason="ended")])
    assert (await late.row()).reason == "migrated"


def test_a_cohort_that_names_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="names nobody"):
        CohortRule(action="stay")


async def test_who_is_held_is_migrated_on_the_spot_and_starts_in_the_new_version(service: Service) -> None:
    await publish(service, PAUSE)
    await service.lifecycle.states.change("signup", "pause", by="ann")
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    await service.track(profile_id, "Signup", event_id="x")
    new = await publish(service, LETTER)
    view = await migrate(service)
    assert view.moved == 1
    await service.lifecycle.states.change("signup", "resume", by="ann")
    await service.lifecycle.starter.step()
    assert [each.payload["version"] for each in service.told if each.kind == "start"] == [new]


async def test_the_preview_tells_who_stands_where_and_what_becomes_of_their_waits(service: Service) -> None:
    old = await publish(service, PAUSE, ORDER, LETTER)
    for number in range(3):
        await (await enters(service, old, event_id=str(number))).asks("pause")
    other = await enters(service, old, event_id="o")
    await other.asks("pause")
    service.pass_time(timedelta(days=3))
    await other.asks("order")
    await publish(service, PAUSE | {"for": "P4D"}, LETTER)
    preview = await service.lifecycle.desk.preview("signup", MigrationRequest())
    assert {(each.step, each.count, each.becomes) for each in preview.positions} == {("pause", 3, "pause"), ("order", 1, None)}
    assert (preview.retiming.waiting, preview.retiming.longer, preview.retiming.due_now) == (3, 3, 0)
    assert [each.path for each in preview.problems] == ["$.mapping.order"]
    assert await service.rows("SELECT 1 FROM enrolment WHERE moving IS NOT NULL") == []


async def test_a_cancelled_migration_leaves_those_who_have_not_moved_where_they_are(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER)
    gone, left = await enters(service, old, event_id="a"), await enters(service, old, event_id="b")
    for person in (gone, left):
        await person.asks("pause")
    new = await publish(service, PAUSE, FIRST)
    view = await migrate(service)
    await gone.asks("pause", confirm=True)
    view = await service.lifecycle.desk.cancel("signup", view.id, by="ann")
    assert (view.state, view.moved, view.on_their_way) == ("cancelled", 1, 0)
    assert isinstance(await left.asks("pause", confirm=True), Sleep)
    assert ((await gone.row()).version, (await left.row()).version) == (new, old)


async def test_two_migrations_of_one_journey_do_not_run_at_once(service: Service) -> None:
    old = await publish(service, PAUSE)
    person = await enters(service, old)
    await person.asks("pause")
    await publish(service, PAUSE, LETTER)
    await migrate(service)
    with pytest.raises(Conflict, match="under way"):
        await migrate(service)


async def test_whom_a_migration_ends_is_in_the_audit_log(service: Service) -> None:
    old = await publish(service, PAUSE)
    by_rule, by_map = await enters(service, old, event_id="a"), await enters(service, old, event_id="b")
    await by_map.asks("pause")
    new = await publish(service, PAUSE, LETTER)
    rule = {"share": 100, "steps": ["pause"], "action": "map"}
    await migrate(service, mapping={"pause": "exit"}, cohorts=[rule, {"share": 100, "action": "exit"}])
    assert isinstance(await by_map.asks("pause", confirm=True), Ended)
    noted = await service.rows("SELECT enrolment_id, who, detail FROM audit WHERE action = 'migrate'")
    assert {(each.enrolment_id, each.who) for each in noted} == {(by_rule.id, "ann"), (by_map.id, "ann")}
    assert {(each.detail["to_version"], each.detail["to_step"]) for each in noted} == {(new, "exit")}


async def test_who_is_on_the_way_elsewhere_is_migrated_when_they_have_arrived(service: Service) -> None:
    old = await publish(service, PAUSE, LETTER, FIRST)
    person, other = await enters(service, old, event_id="a"), await enters(service, old, event_id="b")
    await person.asks("pause")
    await other.asks("pause")
    await service.lifecycle.by_hand.move(person.id, "first", who="ann", why="")
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    await person.moves()
    new = await publish(service, PAUSE | {"for": "P4D"}, LETTER, FIRST)
    view = await service.lifecycle.desk.start("signup", MigrationRequest(), by="ann")
    for _ in range(4):
        await service.lifecycle.migrator.step()
    assert isinstance(await other.asks("pause", confirm=True), Deferred)
    view = await service.lifecycle.desk.progress("signup", view.id)
    assert (view.state, view.moved, view.on_their_way) == ("finishing", 1, 1)
    assert isinstance(await person.asks("first", 2), Done)
    for _ in range(3):
        await service.lifecycle.migrator.step()
    assert isinstance(await person.asks("first", 2, confirm=True), Done)
    assert isinstance(await person.asks("letter", 3), Deferred)
    await person.moves()
    assert person.version == new
    view = await finished(service, view)
    assert (view.state, view.moved, view.on_their_way) == ("done", 2, 0)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"mapping": {"puase": "letter"}}, "$.mapping.puase"),
        (
            {"cohorts": [{"action": "stay", "share": 50}, {"action": "stay", "steps": ["pause", "lettre"]}]},
            "$.cohorts[1].steps[1]",
        ),
    ],
)
async def test_a_step_that_nobody_can_stand_at_is_a_slip_of_the_pen(
    service: Service, request_: dict[str, object], path: str
) -> None:
    await publish(service, PAUSE, LETTER)
    await publish(service, PAUSE, LETTER, FIRST)
    with pytest.raises(BadInput) as refused:
        await service.lifecycle.desk.preview("signup", MigrationRequest.model_validate(request_))
    (flaw,) = refused.value.flaws
    assert flaw.path == path
    assert "pause, letter" in flaw.remedy


@pytest.mark.parametrize(("action", "state"), [("stay", "running"), ("exit", "ending")])
async def test_a_rule_for_a_step_counts_for_who_has_come_there_meanwhile(service: Service, action: str, state: str) -> None:
    old = await publish(service, FIRST, PAUSE, LETTER)
    person = await enters(service, old)
    await person.asks("first")
    await publish(service, FIRST, PAUSE | {"for": "P1D"}, LETTER)
    view = await migrate(service, cohorts=[{"steps": ["pause"], "action": action}])
    assert isinstance(await person.asks("pause"), Sleep if action == "stay" else Ended)
    row = await person.row()
    assert (row.version, row.state, row.moving) == (old, state, None)
    view = await finished(service, view)
    assert (view.state, view.moved, view.stayed, view.ended) == ("done", 0, int(action == "stay"), int(action == "exit"))
