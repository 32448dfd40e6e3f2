"""Exit rules that hold as somebody enters end them before their first step."""

import asyncio

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from contracts.journeys import BackfillRequest
from infra.errors import Unavailable
from journeys.outcome import Ended
from services.journeys.deliverer import workflow_id
from services.journeys.outgoing import take_over
from tests.services.journeys.conftest import Service
from tests.services.journeys.crowds import Crowd
from tests.services.journeys.delivery import delivering, nothing_left

SEND = {"id": "say", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"}
LEFT = {"if": {"event": "Left", "count": {"gte": 1}}}


async def ready(service: Service, **changes: object) -> None:
    service.neighbours.templates = [{"key": "t", "channels": ["sms"], "variables": {}}]
    await service.publish(exit_when=[LEFT], steps=[SEND], **changes)


@pytest.mark.parametrize(("holds", "ended"), [(True, ["interrupt"]), (False, [])])
async def test_a_condition_that_holds_on_entry_is_met_before_the_first_step(
    service: Service, ended: list[str], *, holds: bool
) -> None:
    await ready(service)
    service.neighbours.holds = holds
    _, enrolment_id = await service.enter()
    ((payload,),) = await service.rows("SELECT payload FROM outgoing WHERE kind = 'start'")
    told = await service.first_look(enrolment_id, payload["look_back"], exits=payload["exits"])
    assert [row.kind for row in told] == ended
    assert isinstance(await service.perform(enrolment_id, "say"), Ended) is holds
    assert len(service.neighbours.sent) == (0 if holds else 1)


async def test_looking_again_after_an_outage_and_beside_the_watcher_comes_to_one_end(service: Service) -> None:
    await ready(service)
    service.neighbours.holds = True
    _, enrolment_id = await service.enter()
    service.neighbours.down.add("segments")
    look = service.first_look
    with pytest.raises(Unavailable, match="exit condition"):
        await look(enrolment_id, None, exits=True)
    service.neighbours.down.clear()
    beside = asyncio.create_task(service.looker().exits([enrolment_id]))
    found = [*await asyncio.gather(*(look(enrolment_id, None, exits=True) for _ in range(3))), *await beside]
    assert await service.rows("SELECT reason FROM enrolment") == [("exit: condition exit_when[0]",)]
    assert len(await service.rows("SELECT 1 FROM match WHERE kind = 'exit'")) == 1
    assert [row.kind for told in found for row in told or ()] == ["interrupt"]


async def test_the_workflow_is_started_once_it_is_known_whether_somebody_is_to_leave(
    service: Service, temporal_client: Client
) -> None:
    await ready(service)
    _, enrolment_id = await service.enter()
    runs: list[bool] = []
    handle = temporal_client.get_workflow_handle(workflow_id("signup", enrolment_id))

    async def look() -> None:
        try:
            await handle.describe()
        except RPCError as error:
            assert error.status is RPCStatusCode.NOT_FOUND  # noqa: PT017
            runs.append(False)
        else:
            runs.append(True)

    service.neighbours.meanwhile.append(look)
    async with delivering(service, temporal_client, "nobody") as deliverer:
        await service.write("UPDATE outgoing SET leased_until = now()")
        async with service.database.begin() as session:
            deliverer.deliver(await take_over(session, 10))
        await nothing_left(service)
    await look()
    assert runs == [False, True]
    await handle.terminate()


async def test_a_cohorts_member_for_whom_an_exit_rule_holds_gets_nothing(service: Service) -> None:
    crowd = Crowd(service)
    gone, stays = crowd.people(2)
    await ready(service, entry={"segment_entered": "crowd"})
    service.neighbours.clock = service.clock
    service.neighbours.track(gone, service.event("Left"))
    made = await crowd.backfiller.backfill("signup", BackfillRequest.model_validate({}), "test")
    assert made.cohort is not None
    await crowd.gather(made.cohort)
    assert [each.profile_id for each in service.neighbours.sent] == [stays]
    ends = {each.profile_id: (each.state, each.reason) for each in await crowd.enrolled()}
    assert ends == {gone: ("ended", "exit: condition exit_when[0]"), stays: ("ended", "completed")}


async def test_a_cohorts_member_about_whom_nobody_answers_waits_for_the_answer(service: Service) -> None:
    crowd = Crowd(service)
    crowd.people(2)
    await ready(service, entry={"segment_entered": "crowd"}, goal={"event": "Bought"})
    made = await crowd.backfiller.backfill("signup", BackfillRequest.model_validate({}), "test")
    assert made.cohort is not None
    service.neighbours.down.add("profiles")  # who may have reached the goal just now
    with pytest.raises(Unavailable):
        await crowd.gather(made.cohort)
    assert service.neighbours.sent == []
    service.neighbours.down.clear()
    await crowd.gather(made.cohort)
    assert len(service.neighbours.sent) == 2
