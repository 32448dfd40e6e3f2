"""Deciding steps once."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.channels import SendResult, Status
from contracts.journeys import StepItem
from infra.errors import BadInput
from journeys.moving import MOST_ROUNDS, MOST_WRITTEN
from journeys.outcome import Chose, Deferred, Done, Ended, Later, PastDue, Sleep
from services.journeys import reporting
from services.journeys.reporting import Story
from tests.services.journeys.conftest import Service

SEND = {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]}


@pytest.fixture(autouse=True)
def _templates(service: Service) -> None:
    service.neighbours.templates = [{"key": "hello"}]


async def test_a_decision_is_made_once_whatever_changes_afterwards(service: Service) -> None:
    branch = {"id": "b", "type": "branch", "paths": [{"id": "yes", "if": {"event": "Order"}, "steps": []}]}
    await service.publish(steps=[branch])
    _, enrolment_id = await service.enter()
    assert await service.perform(enrolment_id, "b") == Chose(path="otherwise")
    service.neighbours.holds = True
    assert await service.perform(enrolment_id, "b") == Chose(path="otherwise")
    assert await service.perform(enrolment_id, "b", visit=2) == Chose(path="yes")


async def test_the_same_step_asked_many_times_at_once_has_one_answer(service: Service) -> None:
    await service.publish(steps=[{"id": "w", "type": "wait", "for": "PT1H"}])
    _, enrolment_id = await service.enter()

    async def ask(number: int) -> object:
        service.pass_time(timedelta(seconds=number))
        return await service.perform(enrolment_id, "w")

    answers = await asyncio.gather(*(ask(number) for number in range(8)))
    assert len({repr(answer) for answer in answers}) == 1


async def test_what_cannot_be_written_about_one_person_holds_up_nobody_else(service: Service) -> None:
    until = {"ref": "profile.traits.renews_at", "default": {"after": "P1D"}}
    await service.publish(steps=[{"id": "w", "type": "wait", "until": until}])
    (odd, odds), (_, plain) = await service.enter(), await service.enter()
    service.neighbours.traits[odd] = {"renews_at": "no database keeps \0"}
    answers = await service.steps.perform([StepItem(enrolment_id=each, step="w", visit=1) for each in (odds, plain)])
    assert [type(answer) for answer in answers] == [Later, Sleep]
    service.neighbours.traits[odd] = {}
    assert isinstance(await service.perform(odds, "w"), Sleep)


PAST = {"id": "w", "type": "wait", "until": "2026-01-01T00:00:00Z", "if_past": "continue"}
HOLDS = {"id": "w", "type": "wait_for", "paths": [{"id": "is", "if": {"trait": "vip", "eq": True}}], "timeout": {"after": "P1D"}}
RESTS = {"id": "w", "type": "wait", "for": "PT1S"}


@pytest.mark.parametrize(("wait", "pauses", "ends"), [(PAST, 0, True), (HOLDS, 0, True), (HOLDS, 60, False), (RESTS, 0, False)])
async def test_a_loop_in_which_nobody_ever_rests_is_ended(
    service: Service, wait: dict[str, object], pauses: int, *, ends: bool
) -> None:
    until = {"event": "Order"}
    await service.publish(steps=[{"id": "round", "type": "repeat", "until": until, "steps": [wait]}])
    service.neighbours.holds = True
    _, enrolment_id = await service.enter()
    outcomes = []
    for visit in range(1, MOST_ROUNDS + 2):
        service.pass_time(timedelta(seconds=pauses))
        outcomes.append(await service.perform(enrolment_id, "w", visit=visit))
    assert not any(isinstance(each, Ended) for each in outcomes[:-1])
    assert (outcomes[-1] == Ended(reason="endless")) is ends


OUTCOME = {"id": "w", "type": "wait_for", "paths": [{"id": "is", "message": "hello", "status": "delivered"}]}
ORDER = {"id": "w", "type": "wait_for", "paths": [{"id": "is", "event": "Order"}]}
NOT_YET = {**HOLDS, "timeout": {"after": "PT1S"}}


@pytest.mark.parametrize(
    ("wait", "holds", "pauses", "ends"),
    [
        (OUTCOME, False, 0, True),
        (OUTCOME, False, 60, True),  # a provider that takes a while
        (OUTCOME, False, 7 * 60, False),
        (HOLDS, True, 0, True),
        (PAST, False, 0, True),
        (RESTS, False, 0, False),
        (NOT_YET, False, 2, False),
        (ORDER, False, 0, False),
    ],
)
async def test_nobody_is_written_to_in_each_round_of_a_loop_that_goes_on_by_itself(
    service: Service, wait: dict[str, object], pauses: int, *, holds: bool, ends: bool
) -> None:
    await service.publish(steps=[{"id": "round", "type": "repeat", "until": {"event": "Paid"}, "steps": [SEND, wait]}])
    service.neighbours.holds = holds
    profile_id, enrolment_id = await service.enter()
    for visit in range(1, MOST_WRITTEN + 1):
        assert await service.perform(enrolment_id, "hello", visit=visit) == Done()
        service.pass_time(timedelta(seconds=pauses))
        delivered = service.receipt(enrolment_id, Status.DELIVERED, step="hello", visit=visit)
        service.neighbours.receipts[enrolment_id].append(delivered)
        if wait is ORDER:
            service.neighbours.track(profile_id, service.event("Order"))
        await service.perform(enrolment_id, "w", visit=visit)
    last = await service.perform(enrolment_id, "hello", visit=MOST_WRITTEN + 1)
    assert last == (Ended(reason="endless") if ends else Done())
    assert len(service.neighbours.sent) == MOST_WRITTEN + (not ends)


async def test_a_message_that_was_put_off_meanwhile_turns_in_no_circle(service: Service) -> None:
    await service.publish(steps=[{"id": "round", "type": "repeat", "until": {"event": "Paid"}, "steps": [SEND, PAST]}])
    _, enrolment_id = await service.enter()
    accepted = service.neighbours.result
    for visit in range(1, MOST_WRITTEN + 2):
        if visit == 3:
            until = service.clock.now() + timedelta(minutes=1)
            service.neighbours.result = SendResult(status="deferred", until=until, reason="quiet_hours")
            assert isinstance(await service.perform(enrolment_id, "hello", visit=visit), Deferred)
            service.neighbours.result = accepted
            service.pass_time(timedelta(minutes=1))
        assert await service.perform(enrolment_id, "hello", visit=visit) == Done()
        await service.perform(enrolment_id, "w", visit=visit)


async def test_the_same_step_twice_in_one_call_is_decided_once(service: Service) -> None:
    await service.publish(steps=[SEND])
    _, enrolment_id = await service.enter()
    item = StepItem(enrolment_id=enrolment_id, step="hello", visit=1)
    assert await service.steps.perform([item, item]) == [Done(), Done()]
    assert len(service.neighbours.sent) == 1


async def test_a_send_carries_its_key_context_and_purpose(service: Service) -> None:
    await service.publish(steps=[SEND | {"purpose": "transactional", "fallback": {"unless": "delivered", "within": "PT1H"}}])
    profile_id, enrolment_id = await service.enter(title="Ferns")
    assert await service.perform(enrolment_id, "hello") == Done()
    (request,) = service.neighbours.sent
    assert request.key == f"{enrolment_id}:hello:1"
    assert (request.profile_id, request.purpose, request.template) == (profile_id, "transactional", "hello")
    assert request.fallback is not None
    assert request.fallback.within == timedelta(hours=1)
    assert request.model_dump(mode="json")["context"]["entry"]["properties"]["title"] == "Ferns"


@pytest.mark.parametrize(
    ("zone", "within"), [("Europe/Berlin", timedelta(days=31, hours=-1)), ("Asia/Tokyo", timedelta(days=31))]
)
async def test_a_fallback_counts_months_on_the_persons_wall_clock(service: Service, zone: str, within: timedelta) -> None:
    await service.publish(zone="America/New_York", steps=[SEND | {"fallback": {"unless": "delivered", "within": "P1M"}}])
    profile_id, enrolment_id = await service.enter()
    service.neighbours.traits[profile_id] = {"timezone": zone}
    await service.perform(enrolment_id, "hello")
    (request,) = service.neighbours.sent
    assert request.fallback is not None
    assert request.fallback.within == within
    assert request.zone == "America/New_York"


async def test_a_skipped_send_goes_on_and_says_why(service: Service) -> None:
    await service.publish(steps=[SEND])
    _, enrolment_id = await service.enter()
    service.neighbours.result = SendResult(status="skipped", reason="no_consent")
    assert await service.perform(enrolment_id, "hello") == Done(detail="skipped")
    ((seen,),) = await service.rows("SELECT seen FROM decision")
    assert seen["reason"] == "no_consent"


async def test_a_deferred_send_is_asked_again(service: Service) -> None:
    await service.publish(steps=[SEND])
    _, enrolment_id = await service.enter()
    arrived = service.clock.now()
    until = arrived + timedelta(hours=8)
    service.neighbours.result = SendResult(status="deferred", until=until, reason="quiet_hours")
    assert await service.perform(enrolment_id, "hello") == Deferred(wake_at=until)
    assert await service.rows("SELECT kind, deadline FROM decision") == [("deferred", until)]
    service.pass_time(timedelta(hours=8))
    service.neighbours.result = SendResult(status="accepted", message_id=uuid4())
    assert await service.perform(enrolment_id, "hello") == Done()
    ((kind, deadline, seen),) = await service.rows("SELECT kind, deadline, seen FROM decision")
    assert (kind, deadline) == ("sent", None)
    put_off = {"at": arrived.isoformat(), "until": until.isoformat(), "reason": "quiet_hours"}
    assert seen["deferred"] == {"count": 1, "first": put_off, "latest": put_off}


async def test_of_many_deferrals_the_first_and_the_latest_are_kept_with_their_number(service: Service) -> None:
    await service.publish(steps=[SEND])
    _, enrolment_id = await service.enter()
    for number in range(4):
        until = service.clock.now() + timedelta(hours=8)
        result = SendResult(status="deferred", until=until, reason="frequency_cap", detail=f"{number} came before")
        service.neighbours.result = result
        await service.perform(enrolment_id, "hello")
        service.pass_time(timedelta(hours=8))
    service.neighbours.result = SendResult(status="skipped", reason="no_consent")
    await service.perform(enrolment_id, "hello")
    (line,) = [line for line in (await told(service, enrolment_id)).lines if line.what == "skipped"]
    deferred = line.seen["deferred"]
    assert (deferred["count"], line.seen["reason"]) == (4, "no_consent")
    assert [deferred[each]["detail"] for each in ("first", "latest")] == ["0 came before", "3 came before"]


async def told(service: Service, enrolment_id: UUID) -> Story:
    """As `GET /v1/enrolments/{id}/story` answers it."""
    async with service.database.read() as session:
        return await reporting.story(session, enrolment_id)


async def test_a_wait_until_a_date_follows_the_persons_zone(service: Service) -> None:
    wait = {"id": "w", "type": "wait", "until": {"ref": "entry.properties.starts_at"}, "offset": "-P1D", "at": "10:00"}
    await service.publish(steps=[wait])
    profile_id, enrolment_id = await service.enter(starts_at="2026-03-12T18:00:00Z")
    service.neighbours.traits[profile_id] = {"timezone": "America/New_York"}
    outcome = await service.perform(enrolment_id, "w")
    assert isinstance(outcome, Sleep)
    assert outcome.wake_at.isoformat() == "2026-03-11T14:00:00+00:00"
    ((seen,),) = await service.rows("SELECT seen FROM decision")
    assert seen == {"zone": "America/New_York", "entry.properties.starts_at": "2026-03-12T18:00:00Z"}


async def test_a_date_in_the_past_follows_its_policy(service: Service) -> None:
    wait = {"id": "w", "type": "wait", "until": {"ref": "entry.properties.starts_at"}, "if_past": {"goto": "hello"}}
    await service.publish(steps=[wait, SEND])
    _, enrolment_id = await service.enter(starts_at="2020-01-01")
    assert await service.perform(enrolment_id, "w") == PastDue(action="goto", target="hello")


async def test_a_computed_trait_is_a_date_to_wait_for(service: Service) -> None:
    wait = {"id": "w", "type": "wait", "until": {"ref": "profile.computed.runs_out_at"}, "offset": "-P5D"}
    await service.publish(steps=[wait])
    service.neighbours.computed = {"runs_out_at": "2026-04-10T12:00:00Z"}
    _, enrolment_id = await service.enter()
    outcome = await service.perform(enrolment_id, "w")
    assert isinstance(outcome, Sleep)
    assert outcome.wake_at.isoformat() == "2026-04-05T12:00:00+00:00"


async def test_a_neighbour_that_is_down_spoils_nobody_elses_decision(service: Service) -> None:
    await service.publish(steps=[SEND, {"id": "w", "type": "wait", "for": "PT1H"}])
    _, one = await service.enter()
    _, two = await service.enter()
    service.neighbours.down.add("channels")
    items = [StepItem(enrolment_id=one, step="hello", visit=1), StepItem(enrolment_id=two, step="w", visit=1)]
    sent, slept = await service.steps.perform(items)
    assert sent == Later(why="channels does not answer")
    assert isinstance(slept, Sleep)
    assert [row.step for row in await service.rows("SELECT step FROM decision")] == ["w"]
    service.neighbours.down.clear()
    sent, slept = await service.steps.perform(items)
    assert (type(sent), type(slept)) == (Done, Sleep)


async def test_starting_another_journey_enters_it_once(service: Service) -> None:
    await service.publish(
        key="adult", entry={"api": True, "reentry": "always"}, steps=[{"id": "w", "type": "wait", "for": "P1D"}]
    )
    await service.publish(steps=[{"id": "go", "type": "start_journey", "journey": "adult", "wait": False}])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "go")
    await service.perform(enrolment_id, "go")
    assert [(row.kind, row.journey) for row in service.told] == [("start", "adult")]


async def test_steps_of_an_enrolment_that_is_unknown_end_it(service: Service) -> None:
    assert await service.perform(UUID(int=7), "w") == Ended(reason="gone")


async def test_publishing_names_every_flaw_and_writes_nothing(service: Service) -> None:
    with pytest.raises(BadInput) as refused:
        await service.publish(steps=[SEND | {"template": "helo"}, {"id": "g", "type": "goto", "goto": "nowhere"}])
    assert {flaw.path for flaw in refused.value.flaws} == {"$.steps[0].template", "$.steps[1].goto"}
    assert all(flaw.remedy for flaw in refused.value.flaws)
    assert await service.rows("SELECT 1 FROM version") == []


async def test_publishing_the_same_definition_again_makes_no_new_version(service: Service) -> None:
    first = await service.publish()
    assert await service.publish() == first
    other = await service.publish(name="Another name")
    assert other != first
    assert [row.number for row in await service.rows("SELECT number FROM version ORDER BY number")] == [1, 2]
