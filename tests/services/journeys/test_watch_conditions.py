"""Waits and exit rules that are conditions: asked on arrival, on every change, and when time alone changes the answer."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text

from contracts.journeys import FinishItem
from contracts.profiles import PROFILE_CHANGED, PROFILES_MERGED
from infra.clock import Clock
from journeys.outcome import Ended
from tests.services.journeys.conftest import NOW, Service
from tests.services.journeys.watched import CAME, Watched, wait_for

VIP = {"id": "vip", "if": {"trait": "plan", "eq": "vip"}, "steps": []}
THREE = {"id": "three", "if": {"event": "Order", "count": {"gte": 3}}, "steps": []}


@pytest.fixture
def watched(service: Service) -> Watched:
    return Watched(service)


async def test_a_condition_that_holds_on_arrival_is_met_at_once_and_tells_what_it_saw(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(CAME, VIP))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"plan": "vip"}
    met = (await watched.waiting(enrolment_id)).matched
    assert met is not None
    assert met.path == "vip"
    ((body,),) = await watched.service.rows("SELECT body FROM match")
    assert body["seen"] == {"traits.plan": "vip"}
    assert await watched.watches() == []
    assert (await watched.waiting(enrolment_id)).matched == met


async def test_a_condition_is_asked_again_when_what_it_mentions_changes_and_only_then(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(VIP))
    profile_id, enrolment_id = await watched.service.enter()
    assert (await watched.waiting(enrolment_id)).matched is None
    await watched.service.track(profile_id, "Order")
    await watched.service.track(uuid4(), "Order")
    asked = len(watched.service.neighbours.asked)
    assert await watched.look() == []
    assert len(watched.service.neighbours.asked) == asked
    await watched.identify(profile_id, plan="free")
    assert await watched.look() == []
    await watched.identify(profile_id, plan="vip")
    (signal,) = await watched.look()
    assert (signal.kind, signal.payload["path"], signal.payload["step"]) == ("matched", "vip", "w")
    await watched.identify(profile_id, plan="vip", name="Ada")
    assert await watched.look() == []


async def test_references_are_bound_when_the_wait_is_registered(watched: Watched) -> None:
    condition = {"event": "Order", "where": {"property": "topic", "eq": {"ref": "entry.properties.topic"}}}
    await watched.service.publish(steps=wait_for({"id": "same", "if": condition, "steps": []}))
    profile_id, enrolment_id = await watched.service.enter(topic="ferns")
    await watched.waiting(enrolment_id)
    await watched.service.track(profile_id, "Order", topic="moss")
    assert await watched.look() == []
    await watched.service.track(profile_id, "Order", topic="ferns")
    assert len(await watched.look()) == 1


async def test_a_condition_that_time_alone_makes_true_is_met_at_that_instant(watched: Watched) -> None:
    steps = wait_for({"id": "grown", "if": {"trait": "born", "older_than": "P12M"}, "steps": []})
    await watched.service.publish(steps=steps)
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"born": "2025-03-12"}
    await watched.waiting(enrolment_id)
    watched.service.pass_time(timedelta(days=9, hours=14, minutes=59))
    assert await watched.look() == []
    watched.service.pass_time(timedelta(hours=3))
    (signal,) = await watched.look()
    assert signal.payload["path"] == "grown"
    ((at,),) = await watched.service.rows("SELECT at FROM match")
    assert at.isoformat() == "2026-03-12T00:00:00+00:00"


async def test_on_a_fast_clock_the_watcher_wakes_when_that_clock_says_so(watched: Watched) -> None:
    """Ten days a second; it was asleep until then."""
    await watched.service.publish(steps=wait_for({"id": "aged", "if": {"trait": "born", "older_than": "P4D"}, "steps": []}))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"born": watched.service.clock.now().isoformat()}
    await watched.waiting(enrolment_id)
    clock = Clock(factor=864_000, real_anchor=datetime.now(UTC), virtual_anchor=watched.service.clock.now())
    watched.service.neighbours.clock = clock
    running = asyncio.create_task(watched.another(clock).run())
    try:
        while not watched.told:
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    ((at,),) = await watched.service.rows("SELECT at FROM match")
    assert at == watched.service.clock.now() + timedelta(days=4)


async def test_a_condition_that_holds_is_met_even_when_its_time_is_up(watched: Watched) -> None:
    """The change is still on its way through the feed when the timer fires."""
    await watched.service.publish(steps=wait_for(VIP, timeout={"after": "P1D"}))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    watched.service.neighbours.traits[profile_id] = {"plan": "vip"}
    watched.service.pass_time(timedelta(days=1))
    assert (await watched.waiting(enrolment_id, confirm=True)).matched is not None


async def test_one_event_that_meets_two_paths_takes_the_one_that_comes_first(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(THREE, {"id": "any", "event": "Order", "steps": []}))
    profile_id, enrolment_id = await watched.service.enter()
    yesterday = watched.service.clock.now() - timedelta(days=1)
    for _ in range(2):
        watched.service.neighbours.track(profile_id, watched.service.event("Order", at=yesterday))
    assert (await watched.waiting(enrolment_id)).matched is None
    assert await watched.service.track(profile_id, "Order") == []
    (signal,) = await watched.look()
    assert signal.payload["path"] == "three"


async def test_an_event_behind_a_condition_that_does_not_hold_takes_its_own_path_once(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(THREE, {"id": "any", "event": "Order", "steps": []}))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    assert await watched.service.track(profile_id, "Order") == []
    (signal,) = await watched.look()
    assert signal.payload["path"] == "any"
    assert await watched.look() == []
    assert await watched.watches() == []


async def test_an_event_before_a_condition_waits_for_nobody(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for({"id": "any", "event": "Order", "steps": []}, THREE))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    watched.service.neighbours.down.add("segments")
    (signal,) = await watched.service.track(profile_id, "Order")
    assert signal.payload["path"] == "any"


async def test_what_changes_while_the_condition_is_asked_is_looked_at_again(watched: Watched) -> None:
    """The answer that the watcher gets is from before the change; its page is applied while the answer is on its way."""
    await watched.service.publish(steps=wait_for(VIP))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    await watched.identify(profile_id, plan="free")
    watched.service.neighbours.meanwhile.append(lambda: watched.identify(profile_id, plan="vip"))
    (signal,) = await watched.look()
    assert signal.payload["event_id"].endswith(":2")


async def test_an_answer_that_cannot_be_written_holds_up_no_other_and_is_not_logged(
    watched: Watched, capfd: pytest.CaptureFixture[str]
) -> None:
    await watched.service.publish(steps=wait_for({"id": "is", "if": {"trait": "note", "exists": True}, "steps": []}))
    odd, plain = await watched.service.enter(), await watched.service.enter()
    for _, enrolment_id in (odd, plain):
        await watched.waiting(enrolment_id)
    for (profile_id, _), note in zip((odd, plain), ("secretly \0", "fine"), strict=True):
        watched.service.neighbours.traits[profile_id] = {"note": note}
        await watched.service.feed(
            watched.service.item(profile_id, PROFILE_CHANGED, {"traits": {}, "version": 2, "created_at": NOW.isoformat()})
        )
    assert [each.enrolment_id for each in await watched.look()] == [plain[1]]
    assert "secretly" not in "".join(capfd.readouterr())


async def test_nobody_is_forgotten_while_segments_is_down(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(VIP))
    profile_id, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    watched.service.neighbours.down.add("segments")
    await watched.identify(profile_id, plan="vip")
    assert await watched.look() == []
    watched.service.neighbours.down.clear()
    async with watched.service.database.begin() as session:
        await session.execute(text("UPDATE watch SET leased_until = now()"))
    assert len(await watched.look()) == 1


async def test_two_watchers_share_the_work_and_tell_once(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(VIP))
    people = [await watched.service.enter() for _ in range(10)]
    for _, enrolment_id in people:
        await watched.waiting(enrolment_id)
    for profile_id, _ in people:
        await watched.identify(profile_id, plan="vip")
    await asyncio.gather(watched.watcher.step(), watched.another().step())
    assert sorted(each.enrolment_id for each in watched.told) == sorted(enrolment_id for _, enrolment_id in people)


@pytest.mark.parametrize("ref", ["entry.properties.plan", "profile.traits.wanted"])
async def test_an_exit_rule_is_a_condition_that_interrupts(watched: Watched, ref: str) -> None:
    rule = {"if": {"any": [{"trait": "plan", "eq": {"ref": ref}}, {"event": "Cancelled"}]}}
    await watched.service.publish(exit_when=[rule], steps=[{"id": "s", "type": "wait", "for": "P9D"}])
    profile_id, enrolment_id = await watched.service.enter(plan="gone")
    watched.service.neighbours.traits[profile_id] = {"wanted": "gone"}
    assert await watched.look() == []
    await watched.identify(profile_id, plan="gone", wanted="else")
    (signal,) = await watched.look()
    assert (signal.kind, signal.payload["reason"]) == ("interrupt", "exit")
    assert await watched.service.perform(enrolment_id, "s") == Ended(reason="exit")
    assert await watched.watches() == []
    ((reason,),) = await watched.service.rows("SELECT reason FROM enrolment")
    assert reason == "exit: condition exit_when[0]"


async def test_an_exit_rule_that_holds_on_entry_ends_it_then(watched: Watched) -> None:
    rule = {"if": {"trait": "plan", "eq": "gone"}}
    await watched.service.publish(exit_when=[rule], steps=[{"id": "s", "type": "wait", "for": "P9D"}])
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"plan": "gone"}
    (signal,) = await watched.look()
    assert (signal.kind, signal.enrolment_id) == ("interrupt", enrolment_id)


async def test_an_exit_trait_relative_to_now_is_met_by_time_alone(watched: Watched) -> None:
    rule = {"trait": "renewed_at", "older_than": "P30D"}
    await watched.service.publish(exit_when=[rule], steps=[{"id": "s", "type": "wait", "for": "P90D"}])
    profile_id, _ = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"renewed_at": watched.service.clock.now().isoformat()}
    assert await watched.look() == []
    watched.service.pass_time(timedelta(days=20))
    await watched.identify(profile_id, renewed_at=watched.service.clock.now().isoformat())
    watched.service.pass_time(timedelta(days=29))
    assert await watched.look() == []
    watched.service.pass_time(timedelta(days=1))
    assert [signal.kind for signal in await watched.look()] == ["interrupt"]


async def test_watches_follow_a_merge_and_look_again_after_it(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(VIP))
    old, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    survivor = uuid4()
    watched.service.neighbours.traits[survivor] = {"plan": "vip"}
    merged = {"merged": str(old), "traits": {"plan": "vip"}, "version": 2}
    await watched.service.feed(watched.service.item(survivor, PROFILES_MERGED, merged))
    (signal,) = await watched.look()
    assert signal.enrolment_id == enrolment_id


async def test_whoever_moves_on_or_ends_is_watched_no_more(watched: Watched) -> None:
    steps = [*wait_for(VIP, timeout={"after": "P1D"}), {"id": "s", "type": "wait", "for": "PT1H"}]
    await watched.service.publish(steps=steps, exit_when=[{"if": {"event": "Cancelled"}}])
    _, enrolment_id = await watched.service.enter()
    await watched.waiting(enrolment_id)
    assert [row.kind for row in await watched.watches()] == ["exit", "wait"]
    await watched.service.perform(enrolment_id, "s")
    assert [row.kind for row in await watched.watches()] == ["exit"]
    await watched.service.steps.finish([FinishItem(enrolment_id=enrolment_id, reason="completed")])
    assert await watched.watches() == []


async def test_a_goal_is_listened_for_until_a_day_after_its_term(watched: Watched) -> None:
    await watched.service.publish(goal={"event": "Order", "within": "PT336H"}, steps=[{"id": "s", "type": "wait", "for": "P1D"}])
    _, enrolment_id = await watched.service.enter()
    await watched.service.steps.finish([FinishItem(enrolment_id=enrolment_id, reason="completed")])
    watched.service.pass_time(timedelta(days=14, hours=23))
    await watched.watcher.prune()
    assert len(await watched.service.rows("SELECT 1 FROM listener")) == 1
    watched.service.pass_time(timedelta(hours=2))
    await watched.watcher.prune()
    assert await watched.service.rows("SELECT 1 FROM listener") == []


async def test_people_without_watches_cost_a_page_of_the_feed_one_query(watched: Watched) -> None:
    await watched.service.publish()
    profile_id, enrolment_id = await watched.service.enter()
    await watched.service.perform(enrolment_id, "attend")
    said: list[str] = []

    def note(*arguments: object) -> None:
        said.append(str(arguments[2]))

    listening.listen(watched.service.database.engine.sync_engine, "before_cursor_execute", note)
    items = [
        watched.service.item(who, "event.tracked", watched.service.event("Visit").model_dump(mode="json"))
        for who in [profile_id, *(UUID(int=number) for number in range(1, 100))]
    ]
    await watched.service.feed(*items)
    assert len([statement for statement in said if "watch" in statement]) == 1
