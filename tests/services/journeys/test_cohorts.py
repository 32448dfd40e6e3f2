"""Cohorts: back-fills and broadcasts, in batches, each person once."""

import asyncio

import pytest

from contracts.journeys import BackfillRequest
from contracts.profiles import EVENT_TRACKED
from infra.errors import BadInput, Conflict, Unavailable
from services.journeys.cohorts.backfilling import Backfill
from services.journeys.cohorts.store import Cohort, running
from tests.services.journeys.conftest import Service
from tests.services.journeys.crowds import Crowd

SEND = {"id": "say", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"}
WAIT = {"id": "rest", "type": "wait", "for": "P1D"}
ENTRY = {"segment_entered": "crowd"}


async def broadcast(service: Service, *steps: object, entry: object = ENTRY, **changes: object) -> str:
    service.neighbours.templates = [{"key": "t", "channels": ["sms"], "variables": {}}]
    return await service.publish(entry=entry, steps=list(steps) or [SEND], **changes)


async def backfill(crowd: Crowd, **request: object) -> Cohort:
    made = await crowd.backfiller.backfill("signup", BackfillRequest.model_validate(request), "test")
    assert made.cohort is not None
    return made.cohort


async def test_everybody_gets_one_message_and_nobody_a_workflow(service: Service) -> None:
    crowd = Crowd(service)
    people = crowd.people(7)
    await broadcast(service)
    progress = await crowd.gather(await backfill(crowd))
    assert (progress.state, progress.taken) == ("done", 7)
    assert {each.profile_id for each in service.neighbours.sent} == set(people)
    assert len(service.neighbours.sent) == 7
    assert {(each.state, each.reason, each.carried) for each in await crowd.enrolled()} == {("ended", "completed", True)}
    assert service.told == []


async def test_who_reaches_a_wait_gets_a_workflow_that_begins_there(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(3)
    await broadcast(service, SEND, WAIT, SEND | {"id": "again"})
    await crowd.gather(await backfill(crowd))
    assert {each.kind for each in service.told} == {"start"}
    assert [each.payload["carried"] for each in service.told] == [{"cursor": {"step": "rest"}}] * 3
    assert {(each.state, each.carried) for each in await crowd.enrolled()} == {("running", False)}
    assert [each.step for each in service.neighbours.sent] == ["say"] * 3


async def test_branches_splits_and_updates_are_gone_through_in_the_cohort(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(2)
    service.neighbours.holds = True
    steps = [
        {"id": "b", "type": "branch", "paths": [{"id": "yes", "if": {"trait": "x", "exists": True}, "steps": [SEND]}]},
        {"id": "s", "type": "split", "paths": [{"id": "all", "weight": 100, "steps": [SEND | {"id": "too"}]}]},
        {"id": "u", "type": "update_profile", "set": {"told": True}},
    ]
    await broadcast(service, *steps)
    await crowd.gather(await backfill(crowd))
    assert sorted(each.step for each in service.neighbours.sent) == ["say"] * 2 + ["too"] * 2
    assert len(service.neighbours.updates) == 2
    assert {each.reason for each in await crowd.enrolled()} == {"completed"}


async def test_a_batch_that_died_after_entering_is_taken_up_and_nobody_enters_twice(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(4)
    await broadcast(service)
    cohort = await backfill(crowd)
    service.neighbours.down.add("channels")
    with pytest.raises(Unavailable):
        await crowd.gather(cohort)
    assert [each.state for each in await crowd.enrolled()] == ["running"] * 4
    service.neighbours.down.clear()
    progress = await crowd.gather(cohort)
    assert (progress.state, progress.taken) == ("done", 4)
    assert len(service.neighbours.sent) == 4
    assert [each.number for each in await crowd.enrolled()] == [1] * 4


async def test_an_exit_during_the_cohort_ends_the_person_before_the_message(service: Service) -> None:
    crowd = Crowd(service)
    leaver, _ = crowd.people(2)
    await broadcast(service, exit_when=[{"event": "Cancelled"}])
    cohort = await backfill(crowd)
    service.neighbours.down.add("channels")
    with pytest.raises(Unavailable):
        await crowd.gather(cohort)
    item = service.item(leaver, EVENT_TRACKED, service.event("Cancelled").model_dump(mode="json"))
    await service.feed(item)
    service.neighbours.down.clear()
    await crowd.gather(cohort)
    assert leaver not in {each.profile_id for each in service.neighbours.sent}
    reasons = {each.profile_id: each.reason for each in await crowd.enrolled()}
    assert reasons[leaver].startswith("exit")


async def test_a_cohort_keeps_its_pace(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(5)
    await broadcast(service)
    cohort = await backfill(crowd, per_hour=120)
    progress = await crowd.gather(cohort)
    assert (progress.taken, progress.state) == (2, "running")
    assert progress.wake_at is not None
    service.pass_time(progress.wake_at - service.clock.now())
    progress = await crowd.gather(cohort)
    assert progress.taken == 4
    (minute,) = {progress.wake_at - service.clock.now()} if progress.wake_at else {None}
    assert minute is not None
    assert minute.total_seconds() == 60


async def test_a_paused_cohort_takes_nobody_and_goes_on_where_it_was(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(3)
    await broadcast(service)
    cohort = await backfill(crowd, per_hour=60)
    await crowd.gather(cohort)
    await crowd.move(cohort, "paused")
    assert (await crowd.gather(cohort)).state == "paused"
    await crowd.move(cohort, "running")
    while (progress := await crowd.gather(cohort)).wake_at is not None:
        service.pass_time(progress.wake_at - service.clock.now())
    assert (progress.state, progress.taken) == ("done", 3)
    assert len(service.neighbours.sent) == 3


async def test_a_cancelled_cohort_lets_those_taken_go_on_and_the_rest_do_not_enter(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(3)
    await broadcast(service, WAIT)
    cohort = await backfill(crowd, per_hour=60)
    await crowd.gather(cohort)
    await crowd.move(cohort, "cancelled")
    assert (await crowd.gather(cohort)).state == "cancelled"
    assert [each.state for each in await crowd.enrolled()] == ["running"]
    with pytest.raises(Conflict, match="cancelled"):
        await crowd.move(cohort, "running")


async def test_the_same_key_is_the_same_backfill_and_a_dry_run_only_counts(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(2)
    await broadcast(service)
    request = BackfillRequest(dry_run=True)
    assert await crowd.backfiller.backfill("signup", request, "test") == Backfill(members=2)
    first, again = await backfill(crowd, idempotency_key="k"), await backfill(crowd, idempotency_key="k")
    assert first.id == again.id
    noted = await service.rows("SELECT who, detail FROM audit WHERE action = 'back-fill'")
    assert [(row.who, row.detail["cohort"]) for row in noted] == [("test", str(first.id))]
    assert len(await crowd.all()) == 1


async def test_a_backfill_of_no_segment_or_an_unknown_one_is_refused_with_the_remedy(service: Service) -> None:
    crowd = Crowd(service)
    await broadcast(service, entry={"api": True})
    with pytest.raises(BadInput) as none:
        await backfill(crowd)
    with pytest.raises(BadInput) as unknown:
        await backfill(crowd, segment="nowhere")
    assert [each.value.flaws[0].path for each in (none, unknown)] == ["$.segment"] * 2


async def test_who_was_in_the_journey_before_is_refused_by_its_rule(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(2)
    await broadcast(service, entry=ENTRY | {"reentry": "never"})
    await crowd.gather(await backfill(crowd))
    second = await backfill(crowd)
    await crowd.gather(second)
    (found,) = [each for each in await crowd.all() if each.id == second.id]
    assert (found.taken, found.entered, found.refused) == (2, 0, 2)
    assert len(service.neighbours.sent) == 2


async def test_members_who_fail_only_if_do_not_enter_and_the_values_seen_are_kept(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(2)
    await broadcast(service, entry=ENTRY | {"only_if": {"trait": "vip", "eq": True}})
    await crowd.gather(await backfill(crowd))
    assert await crowd.enrolled() == []
    seen = [row.seen for row in await service.rows("SELECT seen FROM refusal")]
    assert seen == [{"only_if": {"matches": False, "seen": {"asked": True}}}] * 2


async def test_two_who_advance_at_once_take_everybody_once(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(20)
    await broadcast(service)
    cohort = await backfill(crowd)
    await asyncio.gather(*(crowd.gather(cohort) for _ in range(3)))
    assert len({each.key for each in service.neighbours.sent}) == 20
    assert len(await crowd.enrolled()) == 20


async def _died_while_it_carried(service: Service, crowd: Crowd, people: int) -> Cohort:
    """A cohort whose members stand at a wait, and whose batch was never handed over to workflows."""
    crowd.people(people)
    await broadcast(service, WAIT)
    cohort = await backfill(crowd)
    await crowd.gather(cohort)
    await service.write("UPDATE enrolment SET carried = true")
    await service.write("UPDATE cohort SET state = 'running', ended_at = NULL")
    service.told.clear()
    return cohort


async def test_who_is_to_end_while_the_cohort_carries_them_to_a_wait_ends_and_the_cohort_is_done(service: Service) -> None:
    crowd = Crowd(service)
    cohort = await _died_while_it_carried(service, crowd, 2)
    left, _ = await crowd.enrolled()
    await service.lifecycle.by_hand.end(left.id, "a mistake", who="test")
    async with asyncio.timeout(20):
        progress = await crowd.gather(cohort)
    assert progress.state == "done"
    ended = {each.id: (each.state, each.reason) for each in await crowd.enrolled()}
    assert ended.pop(left.id) == ("ended", "ended: a mistake")
    assert set(ended.values()) == {("running", None)}


async def test_a_cancelled_cohort_carries_all_of_its_people_to_their_wait(service: Service) -> None:
    crowd = Crowd(service)
    cohort = await _died_while_it_carried(service, crowd, 501)
    await crowd.move(cohort, "cancelled")
    async with service.database.read() as session:
        assert await running(session, service.clock.now()) == [cohort.id]
    progress = await crowd.gather(cohort)
    assert progress.state == "cancelled"
    assert {each.carried for each in await crowd.enrolled()} == {False}
    async with service.database.read() as session:
        assert await running(session, service.clock.now()) == []
