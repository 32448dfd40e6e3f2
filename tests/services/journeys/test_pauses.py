"""While a journey is paused, and what a resume brings."""

from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.channels import SendResult
from journeys.outcome import Deferred, Done, Ended, Moved, Sleep
from services.journeys.lifecycle.pacing import Pace
from services.journeys.lifecycle.resuming import Resumer
from services.journeys.lifecycle.starting import Starter
from services.journeys.outgoing import Outgoing
from tests.services.journeys.changing import change, signup, started, woken
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LAST, LETTER, PAUSE, publish


async def test_while_paused_entries_are_kept_and_started_in_order_after_the_resume(service: Service) -> None:
    await publish(service)
    await change(service, "pause")
    entered = []
    for number in range(5):
        service.pass_time(timedelta(minutes=1))
        entered.append((await signup(service, str(number)))[1])
    assert await service.rows("SELECT 1 FROM outgoing WHERE kind = 'start'") == []
    assert await started(service) == []
    assert (await service.lifecycle.states.view("signup")).held == 5
    await change(service, "resume")
    assert await started(service) == entered
    assert await started(service) == []
    assert (await service.lifecycle.states.view("signup")).held == 0


async def test_who_meets_an_exit_while_held_ends_without_ever_starting(service: Service) -> None:
    await publish(service, exit_when=[{"event": "Cancelled"}])
    await change(service, "pause")
    profile_id, _ = await signup(service)
    assert await service.track(profile_id, "Cancelled") == []
    await change(service, "resume")
    assert await started(service) == []
    ((state, reason),) = await service.rows("SELECT state, reason FROM enrolment")
    assert (state, reason) == ("ended", "exit: event 'Cancelled'")


async def test_while_paused_steps_that_act_wait_and_waits_run_on(service: Service) -> None:
    await publish(service)
    _, enrolment = await service.enter()
    await change(service, "pause")
    assert isinstance(await service.perform(enrolment, "pause"), Sleep)
    service.pass_time(timedelta(days=3))
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    assert service.neighbours.sent == []
    assert (await service.lifecycle.states.view("signup")).parked == 1
    await change(service, "resume")
    assert await woken(service) == [enrolment]
    assert await woken(service) == []
    assert isinstance(await service.perform(enrolment, "letter"), Done)
    assert len(service.neighbours.sent) == 1


async def test_a_wait_that_matches_while_paused_is_over(service: Service) -> None:
    await service.publish()
    profile_id, enrolment = await service.enter()
    await service.perform(enrolment, "attend")
    await change(service, "pause")
    (signal,) = await service.track(profile_id, "Attended", event_id="x")
    assert signal.kind == "matched"


async def test_a_pause_during_a_resume_parks_the_rest_and_nobody_is_woken_twice(service: Service) -> None:
    await publish(service, LETTER, PAUSE)
    people = [(await service.enter(event_id=str(number)))[1] for number in range(4)]
    await change(service, "pause")
    for person in people:
        await service.perform(person, "letter")
        service.pass_time(timedelta(minutes=1))
    await change(service, "resume")
    told: list[Outgoing] = []
    await Resumer(database=service.database, pace=_TwoAtATime("two", 1000), deliver=told.extend).step()
    assert [each.enrolment_id for each in told] == people[:2]
    await change(service, "pause")
    assert await woken(service) == []
    assert isinstance(await service.perform(people[0], "letter"), Deferred)
    await change(service, "resume")
    assert sorted(await woken(service)) == sorted([people[0], people[2], people[3]])
    for person in people:
        await service.perform(person, "letter")
    assert sorted(str(each.enrolment) for each in service.neighbours.sent) == sorted(map(str, people))


class _TwoAtATime(Pace):
    """A pace of two, as often as asked."""

    async def allowed(self, session: AsyncSession) -> int:
        return 2


async def test_a_process_that_dies_behind_its_commit_leaves_the_start_to_the_scan(service: Service) -> None:
    await publish(service)
    await change(service, "pause")
    _, enrolment = await signup(service)
    await change(service, "resume")

    def die(_: object) -> None:
        raise RuntimeError("killed")

    pace = Pace("start", 1000)
    with pytest.raises(RuntimeError, match="killed"):
        await Starter(database=service.database, clock=service.clock, pace=pace, deliver=die).step()
    assert await started(service) == []
    rows = await service.rows("SELECT enrolment_id FROM outgoing WHERE kind = 'start'")
    assert [row.enrolment_id for row in rows] == [enrolment]


@pytest.mark.parametrize(
    ("policy", "expected"), [("continue", Done), ("exit", Ended), ({"goto": "last"}, Moved)], ids=["continue", "exit", "goto"]
)
async def test_after_the_pause_who_is_too_late_goes_as_the_wait_before_says(
    service: Service, policy: object, expected: type[object]
) -> None:
    await publish(service, PAUSE | {"if_past": policy, "late_by": "PT2H"}, LETTER, LAST)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=3))
    await change(service, "resume")
    outcome = await service.perform(enrolment, "letter")
    assert isinstance(outcome, expected)
    assert await service.perform(enrolment, "letter") == outcome
    assert len(service.neighbours.sent) == (1 if expected is Done else 0)


async def test_within_its_tolerance_nobody_is_too_late(service: Service) -> None:
    await publish(service, PAUSE | {"if_past": "exit", "late_by": "PT2H"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=1))
    await change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), Done)


@pytest.mark.parametrize(("zone", "expected"), [("Europe/Berlin", Ended), ("Asia/Tokyo", Done)])
async def test_tolerance_is_counted_in_days_of_the_person(service: Service, zone: str, expected: type[object]) -> None:
    await publish(service, PAUSE | {"for": "PT624H", "if_past": "exit", "late_by": "P1D"}, LETTER)
    profile_id, enrolment = await service.enter()
    service.neighbours.traits[profile_id] = {"timezone": zone}
    await service.perform(enrolment, "pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=26))  # until the day before the clocks change in Berlin
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=23, minutes=30))
    await change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), expected)


async def test_who_came_before_the_pause_and_waited_for_the_morning_is_not_made_late_by_it(service: Service) -> None:
    await publish(service, PAUSE | {"if_past": "exit"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    service.pass_time(timedelta(days=3, seconds=1))
    accepted = service.neighbours.result
    morning = service.clock.now() + timedelta(hours=11)
    service.neighbours.result = SendResult(status="deferred", until=morning, reason="quiet_hours")
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=10))
    await change(service, "pause")
    service.pass_time(timedelta(hours=1, minutes=1))
    service.neighbours.result = accepted
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    await change(service, "resume")
    assert await woken(service) == [enrolment]
    assert isinstance(await service.perform(enrolment, "letter"), Done)
    ((deferred,),) = await service.rows("SELECT seen->'deferred' FROM decision WHERE step = 'letter'")
    assert (deferred["count"], deferred["first"]["reason"], deferred["latest"]["reason"]) == (2, "quiet_hours", "paused")


async def test_a_wait_that_ended_in_the_first_of_two_pauses_is_late_after_the_second(service: Service) -> None:
    await publish(service, PAUSE | {"if_past": "exit"}, LETTER)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=3))
    await service.perform(enrolment, "letter")
    service.pass_time(timedelta(hours=1))
    await change(service, "resume", "pause")
    assert isinstance(await service.perform(enrolment, "letter"), Deferred)
    await change(service, "resume")
    assert isinstance(await service.perform(enrolment, "letter"), Ended)
