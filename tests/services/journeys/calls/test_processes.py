"""Processes that make calls: each call is made by one, as long as somebody waits for it."""

import asyncio
from collections.abc import Callable

from journeys.outcome import Done
from services.journeys.steps.calls import LEASE
from tests.services.journeys.calls.calling import Process, call, result
from tests.services.journeys.calls.partner import Calling, Partner, partner
from tests.services.journeys.conftest import Service


async def test_a_process_that_dies_in_the_middle_leaves_the_call_to_another(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    """Kill -9: nothing of the first process runs any more, neither its answer nor its release of the claim."""
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    first, second = process(), process()
    await first.caller.step()
    await site.arrived.wait()
    for task in first.caller._running:  # the kill
        task.cancel()
    await first.caller.idle()
    site.open.set()
    assert await second.work() == []
    service.pass_time(LEASE)
    assert [each.payload["path"] for each in await second.work()] == ["ok"]
    assert [asked.headers["idempotency-key"] for asked in site.asked] == [f"{enrolment_id}:score:1"] * 2
    assert (await result(service))["tries"] == 2


async def test_a_process_that_comes_too_late_with_its_answer_changes_nothing(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    slow, quick = process(), process()
    await slow.caller.step()
    await site.arrived.wait()
    service.pass_time(LEASE)
    await quick.caller.step()
    site.open.set()
    await asyncio.gather(slow.caller.idle(), quick.caller.idle())
    assert [each.payload["path"] for each in [*slow.told, *quick.told]] == ["ok"]
    assert quick.told


async def test_processes_share_the_calls_and_make_each_once(
    service: Service, site: Partner, process: Callable[..., Calling]
) -> None:
    await service.publish(steps=[call(site)])
    for _ in range(20):
        _, enrolment_id = await service.enter()
        await service.perform(enrolment_id, "score")
    several = [process(at_once=7) for _ in range(3)]
    told = [each for works in await asyncio.gather(*(one.work() for one in several)) for each in works]
    told += [each for one in several for each in await one.work()]
    assert len({each.enrolment_id for each in told}) == len(told) == len(site.asked) == 20


async def test_a_slow_host_does_not_hold_up_the_others(service: Service, site: Partner, process: Process) -> None:
    site.open.clear()
    async with partner() as other:
        other_url = f"http://other.test:{other.port}/"
        await service.publish(steps=[call(site), call(site, id="other", url=other_url)])
        for _ in range(5):
            _, enrolment_id = await service.enter()
            await service.perform(enrolment_id, "score")
        _, enrolment_id = await service.enter()
        await service.perform(enrolment_id, "other")
        calling = process(per_host=2)
        assert await calling.caller.step() == 3
        assert await calling.caller.step() == 0
        await other.arrived.wait()
        site.open.set()
        await calling.caller.idle()
        assert await calling.caller.step() == 2
        await calling.caller.idle()


async def test_the_end_of_the_enrolment_takes_its_call_back(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site)], exit_when=[{"event": "Left"}])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await service.track(profile_id, "Left")
    assert await calling.work() == []
    await service.finish(enrolment_id, "exit")
    assert await service.rows("SELECT 1 FROM call") == []
    assert site.asked == []


async def test_an_answer_for_somebody_who_left_meanwhile_is_dropped(service: Service, site: Partner, calling: Calling) -> None:
    site.open.clear()
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await calling.caller.step()
    await site.arrived.wait()
    await service.finish(enrolment_id, "exit")
    site.open.set()
    await calling.caller.idle()
    assert calling.told == []
    assert await service.rows("SELECT 1 FROM result") == []


async def test_a_paused_journey_calls_nobody(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site)])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    await service.write("UPDATE journey SET state = 'paused'")
    assert await calling.work() == []
    await service.write("UPDATE journey SET state = 'published'")
    assert len(await calling.work()) == 1


async def test_somebody_who_goes_on_elsewhere_calls_no_more(service: Service, site: Partner, calling: Calling) -> None:
    await service.publish(steps=[call(site), {"id": "x", "type": "update_profile", "set": {"a": 1}}])
    _, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "score")
    assert await service.perform(enrolment_id, "x") == Done()
    assert await calling.work() == []
