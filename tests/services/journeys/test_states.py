"""A journey's states: who enters, who waits, and what a resume brings."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.channels import SendResult
from contracts.journeys import EnrolRequest, FinishItem
from infra.errors import BadInput, Conflict
from journeys.outcome import Deferred, Done, Ended, Moved, Sleep
from services.journeys import reporting
from services.journeys.lifecycle.pacing import Pace
from services.journeys.lifecycle.resuming import Resumer
from services.journeys.lifecycle.starting import Starter
from services.journeys.outgoing import Outgoing
from tests.services.journeys.conftest import Service

LETTER = {"id": "letter", "type": "send", "template": "hello", "channels": ["email"]}
PAUSE = {"id": "pause", "type": "wait", "for": "P3D"}
LAST = {"id": "last", "type": "send", "template": "hello", "channels": ["email"]}


async def _publish(service: Service, *steps: dict[str, Any], **changes: object) -> str:
    service.neighbours.templates = [{"key": "hello", "variables": {}}]
    return await service.publish(steps=list(steps) or [PAUSE, LETTER], **changes)


async def _change(service: Service, *changes: str) -> None:
    for change in changes:
        await service.lifecycle.states.change("signup", change, by="ann")  # type: ignore[arg-type]


async def _signup(service: Service, key: str = "x") -> tuple[UUID, UUID | None]:
    """Somebody meets the trigger; answers profile and enrolment."""
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    await service.track(profile_id, "Signup", event_id=key)
    rows = await service.rows("SELECT id FROM enrolment WHERE profile_id = :id", id=profile_id)
    return profile_id, rows[0].id if rows else None


async def _started(service: Service) -> list[UUID]:
    """Who was started by the background job, in order."""
    service.told.clear()
    while await service.lifecycle.starter.step():
        pass
    return [each.enrolment_id for each in service.told if each.kind == "start"]


async def _woken(service: Service) -> list[UUID]:
    """Who was asked to go on by the background job, in order."""
    service.told.clear()
    while await service.lifecycle.resumer.step():
        pass
    return [each.enrolment_id for each in service.told if each.kind == "refresh"]


async def _state(service: Service) -> str:
    return (await service.lifecycle.states.view("signup")).state


async def test_a_draft_is_kept_with_everything_that_is_wrong_and_lets_nobody_in(service: Service) -> None:
    draft = await service.lifecycle.drafts.save("signup", {"key": "other", "steps": [{"id": "a"}]}, by="ann")
    assert not draft.valid
    assert len(draft.problems) > 1
    assert (await service.lifecycle.drafts.read("signup")).definition == draft.definition
    assert (await _signup(service))[1] is None
    assert await _state(service) == "draft"
    with pytest.raises(BadInput):
        await service.lifecycle.drafts.publish("signup", by="ann", canary=None)


async def test_publishing_a_draft_lets_people_in_and_leaves_no_draft(service: Service) -> None:
    version = await service.publish()
    definition = await service.versions.definition(version) | {"name": "Better"}
    await service.lifecycle.drafts.save("signup", definition, by="ann")
    assert (await service.rows("SELECT version FROM enrolment")) == []
    published = await service.lifecycle.drafts.publish("signup", by="ann", canary=None)
    _, enrolment = await _signup(service)
    assert (await service.rows("SELECT version FROM enrolment WHERE id = :id", id=enrolment))[0].version == published.hash
    with pytest.raises(Conflict, match="has no draft"):
        await service.lifecycle.drafts.publish("signup", by="ann", canary=None)


@pytest.mark.parametrize(
    ("before", "refused"),
    [((), "resume"), (("pause",), "pause"), (("drain",), "pause"), (("archive",), "resume"), (("archive",), "archive")],
)
async def test_a_change_that_the_state_does_not_allow_is_refused_and_names_those_it_does(
    service: Service, before: tuple[str, ...], refused: str
) -> None:
    await _publish(service)
    await _change(service, *before)
    with pytest.raises(Conflict, match=r"cannot \w+; it can publish"):
        await _change(service, refused)


async def test_while_paused_entries_are_kept_and_started_in_order_after_the_resume(service: Service) -> None:
    await _publish(service)
    await _change(service, "pause")
    entered = []
    for number in range(5):
        service.pass_time(timedelta(minutes=1))
        entered.append((await _signup(service, str(number)))[1])
    assert await service.rows("SELECT 1 FROM outgoing WHERE kind = 'start'") == []
    assert await _started(service) == []
    assert (await service.lifecycle.states.view("signup")).held == 5
    await _change(service, "resume")
    assert await _started(service) == entered
    assert await _started(service) == []
    assert (await service.lifecycle.states.view("signup")).held == 0


async def test_who_meets_an_exit_while_held_ends_without_ever_starting(service: Service) -> None:
    await _publish(service, exit_when=[{"event": "Cancelled"}])
    await _change(service, "pause")
    profile_id, _ = await _signup(service)
    assert await service.track(profile_id, "Cancelled") == []
    await _change(service, "resume")
    assert await _started(service) == []
    ((state, reason),) = await service.rows("SELECT state, reason FROM enrolment")
    assert (state, reason) == ("ended", "exit: event 'Cancelled'")


async def test_while_paused_steps_that_act_wait_and_waits_run_on(service: Service) -> None:
    await _publish(service)
    _, enrolment = await service.enter()
    await _change(service, "pause")
    assert isinstance(await service.perform(enrolment, "pause"), Sleep)
    service.pass_time(timedelta(days=3))
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    assert service.neighbours.sent == []
    assert (await service.lifecycle.states.view("signup")).parked == 1
    await _change(service, "resume")
    assert await _woken(service) == [enrolment]
    assert await _woken(service) == []
    assert isinstance(await service.perform(enrolment, "letter"), Done)
    assert len(service.neighbours.sent) == 1


async def test_a_wait_that_matches_while_paused_is_over(service: Service) -> None:
    await service.publish()
    profile_id, enrolment = await service.enter()
    await service.perform(enrolment, "attend")
    await _change(service, "pause")
    (signal,) = await service.track(profile_id, "Attended", event_id="x")
    assert signal.kind == "matched"


async def test_a_pause_during_a_resume_parks_the_rest_and_nobody_is_woken_twice(service: Service) -> None:
    await _publish(service, LETTER, PAUSE)
    people = [(await service.enter(event_id=str(number)))[1] for number in range(4)]
    await _change(service, "pause")
    for person in people:
        await service.perform(person, "letter")
        service.pass_time(timedelta(minutes=1))
    await _change(service, "resume")
    told: list[Outgoing] = []
    await Resumer(database=service.database, pace=_TwoAtATime("two", 1000), deliver=told.extend).step()
    assert [each.enrolment_id for each in told] == people[:2]
    await _change(service, "pause")
    assert await _woken(service) == []
    assert isinstance(await service.perform(people[0], "letter"), Deferred)
    await _change(service, "resume")
    assert sorted(await _woken(service)) == sorted([people[0], people[2], people[3]])
    for person in people:
        await service.perform(person, "letter")
    assert sorted(str(each.enrolment) for each in service.neighbours.sent) == sorted(map(str, people))


class _TwoAtATime(Pace):
    """A pace of two, as often as asked."""

    async def allowed(self, session: AsyncSession) -> int:
        return 2


async def test_a_process_that_dies_behind_its_commit_leaves_the_start_to_the_scan(service: Service) -> None:
    await _publish(service)
    await _change(service, "pause")
    _, enrolment = await _signup(service)
    await _change(service, "resume")

    def die(_: object) -> None:
        raise RuntimeError("killed")

    pace = Pace("start", 1000)
    with pytest.raises(RuntimeError, match="killed"):
        await Starter(database=service.database, clock=service.clock, pace=pace, deliver=die).step()
    assert await _started(service) == []
    rows = await service.rows("SELECT enrolment_id FROM outgoing WHERE kind = 'start'")
    assert [row.enrolment_id for row in rows] == [enrolment]


@pytest.mark.parametrize(
    ("policy", "expected"), [("continue", Done), ("exit", Ended), ({"goto": "last"}, Moved)], ids=["continue", "exit", "goto"]
)
async def test_after_the_pause_who_is_too_late_goes_as_the_wait_before_says(
    service: Service, policy: object, expected: type[object]
) -> None:
    await _publish(service, PAUSE | {"if_past": policy, "late_by": "PT2H"}, LETTER, LAST)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await _change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=3))
    await _change(service, "resume")
    outcome = await service.perform(enrolment, "letter")
    assert isinstance(outcome, expected)
    assert await service.perform(enrolment, "letter") == outcome
    assert len(service.neighbours.sent) == (1 if expected is Done else 0)


async def test_within_its_tolerance_nobody_is_too_late(service: Service) -> None:
    await _publish(service, PAUSE | {"if_past": "exit", "late_by": "PT2H"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await _change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=1))
    await _change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), Done)


@pytest.mark.parametrize(("zone", "expected"), [("Europe/Berlin", Ended), ("Asia/Tokyo", Done)])
async def test_tolerance_is_counted_in_days_of_the_person(service: Service, zone: str, expected: type[object]) -> None:
    await _publish(service, PAUSE | {"for": "PT624H", "if_past": "exit", "late_by": "P1D"}, LETTER)
    profile_id, enrolment = await service.enter()
    service.neighbours.traits[profile_id] = {"timezone": zone}
    await service.perform(enrolment, "pause")
    await _change(service, "pause")
    service.pass_time(timedelta(days=26))  # until the day before the clocks change in Berlin
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=23, minutes=30))
    await _change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), expected)


async def test_who_came_before_the_pause_and_waited_for_the_morning_is_not_made_late_by_it(service: Service) -> None:
    await _publish(service, PAUSE | {"if_past": "exit"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    service.pass_time(timedelta(days=3, seconds=1))
    accepted = service.neighbours.result
    morning = service.clock.now() + timedelta(hours=11)
    service.neighbours.result = SendResult(status="deferred", until=morning, reason="quiet_hours")
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=10))
    await _change(service, "pause")
    service.pass_time(timedelta(hours=1, minutes=1))
    service.neighbours.result = accepted
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    await _change(service, "resume")
    assert await _woken(service) == [enrolment]
    assert isinstance(await service.perform(enrolment, "letter"), Done)
    ((deferred,),) = await service.rows("SELECT seen->'deferred' FROM decision WHERE step = 'letter'")
    assert (deferred["count"], deferred["first"]["reason"], deferred["latest"]["reason"]) == (2, "quiet_hours", "paused")


async def test_a_wait_that_ended_in_the_first_of_two_pauses_is_late_after_the_second(service: Service) -> None:
    await _publish(service, PAUSE | {"if_past": "exit"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await _change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=1))
    await _change(service, "resume", "pause")
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    await _change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), Ended)


async def test_a_draining_journey_refuses_entries_lets_people_go_on_and_archives_itself(service: Service) -> None:
    await _publish(service)
    _, enrolment = await service.enter()
    await _change(service, "drain")
    assert (await _signup(service, "later"))[1] is None
    ((reason,),) = await service.rows("SELECT reason FROM refusal")
    assert "draining" in reason
    assert isinstance(await service.perform(enrolment, "pause"), Sleep)
    await service.lifecycle.closer.step()
    assert await _state(service) == "draining"
    await service.steps.finish([FinishItem(enrolment_id=enrolment, reason="completed")])
    await service.lifecycle.closer.step()
    assert await _state(service) == "archived"


async def test_the_api_and_other_journeys_are_refused_by_an_archived_journey(service: Service) -> None:
    await _publish(service)
    await _change(service, "archive")
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    answer = await service.enroller.enrol("signup", EnrolRequest(profile_id=profile_id, idempotency_key="1", entry_key="k"))
    assert answer.enrolment_id is None
    assert "archived" in (answer.refused or "")


async def test_an_archive_with_people_under_way_is_refused_or_ends_them(service: Service) -> None:
    await _publish(service)
    _, enrolment = await service.enter()
    with pytest.raises(Conflict, match="1 people are under way"):
        await _change(service, "archive")
    await service.lifecycle.states.change("signup", "archive", by="ann", end=True)
    await service.lifecycle.closer.step()
    assert [each.kind for each in service.told if each.enrolment_id == enrolment] == ["interrupt"]
    assert isinstance(await service.perform(enrolment, "letter"), Ended)
    await service.steps.finish([FinishItem(enrolment_id=enrolment, reason="ended")])
    assert (await service.rows("SELECT state, reason FROM enrolment"))[0] == ("ended", "archived")
    assert service.neighbours.cancelled == [enrolment]


async def test_an_archived_journey_is_published_again(service: Service) -> None:
    await _publish(service)
    await _change(service, "archive")
    await service.lifecycle.drafts.publish("signup", by="ann", canary=None)
    assert (await _signup(service))[1] is not None
    assert await _state(service) == "published"


async def test_publishing_a_paused_journey_leaves_it_paused(service: Service) -> None:
    await _publish(service)
    await _change(service, "pause")
    await _publish(service, LETTER)
    assert await _state(service) == "paused"


async def test_every_change_is_in_the_audit_log(service: Service) -> None:
    await _publish(service)
    await _change(service, "pause", "resume")
    rows = await service.rows("SELECT who, action FROM audit ORDER BY id")
    assert [tuple(row) for row in rows] == [("test", "publish"), ("ann", "pause"), ("ann", "resume")]


async def test_a_canary_goes_to_its_share_of_new_people_always_the_same(service: Service) -> None:
    current = await _publish(service)
    _, before = await service.enter()
    definition = await service.versions.definition(current) | {"name": "Canary"}
    world = service.neighbours.world()
    canary = await service.versions.publish(definition, by="ann", now=service.clock.now(), world=world, canary=50)
    people = [await _signup(service, str(number)) for number in range(40)]
    rows = {row.id: row.version for row in await service.rows("SELECT id, version FROM enrolment")}
    shares = [rows[enrolment] for _, enrolment in people if enrolment]
    assert 8 < shares.count(canary.hash) < 32
    assert rows[before] == current
    for profile_id, enrolment in people[:5]:
        await service.track(profile_id, "Signup", event_id="again")
        versions = await service.rows("SELECT version FROM enrolment WHERE profile_id = :id", id=profile_id)
        assert {row.version for row in versions} == {rows[enrolment]}
    await service.lifecycle.drafts.end_canary("signup", promote=True, by="ann")
    assert (await service.rows("SELECT current, canary FROM journey"))[0] == (canary.hash, None)


async def test_an_aborted_canary_gets_nobody_new(service: Service) -> None:
    current = await _publish(service)
    definition = await service.versions.definition(current) | {"name": "Canary"}
    await service.versions.publish(definition, by="a", now=service.clock.now(), world=service.neighbours.world(), canary=99)
    await service.lifecycle.drafts.end_canary("signup", promote=False, by="ann")
    for number in range(10):
        await _signup(service, str(number))
    assert {row.version for row in await service.rows("SELECT version FROM enrolment")} == {current}


async def test_a_canary_that_other_people_would_enter_is_refused(service: Service) -> None:
    current = await _publish(service)
    definition = await service.versions.definition(current) | {"entry": {"event": "Other"}}
    with pytest.raises(Conflict, match="entry"):
        await service.versions.publish(definition, by="a", now=service.clock.now(), world=service.neighbours.world(), canary=5)


async def test_the_numbers_of_a_journey_say_who_is_held_and_who_is_parked(service: Service) -> None:
    await _publish(service, LETTER, PAUSE)
    _, enrolment = await service.enter()
    await _change(service, "pause")
    await service.perform(enrolment, "letter")
    await _signup(service, "held")
    async with service.database.read() as session:
        found = await reporting.stats(session, "signup", service.clock)
    assert (found.state, found.running, found.held, found.parked) == ("paused", 2, 1, 1)
