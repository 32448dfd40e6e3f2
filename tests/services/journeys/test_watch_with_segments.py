"""The watcher with the real profiles and segments services, over real feeds: what a shop sends ends waits and moves dates."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from journeys.outcome import Sleep, Waiting
from tests.services.journeys.town import Town
from tests.services.journeys.watched import wait_for


async def test_the_third_order_the_passing_of_time_and_a_membership_end_waits(town: Town) -> None:
    await town.define("/v1/segments/gold", {"name": "Gold", "condition": {"trait": "plan", "eq": "gold"}})
    paths: list[dict[str, Any]] = [
        {"id": "third", "if": {"event": "Order", "count": {"gte": 3}}, "steps": []},
        {"id": "aged", "if": {"trait": "renewed_at", "older_than": "PT2S"}, "steps": []},
        {"id": "gold", "segment_entered": "gold", "steps": []},
    ]
    happens: dict[str, list[dict[str, Any]]] = {
        "third": [{"type": "track", "event": "Order"}] * 3,
        "aged": [{"type": "identify", "traits": {"renewed_at": town.clock.now().isoformat()}}],
        "gold": [{"type": "identify", "traits": {"plan": "gold"}}],
    }
    for path in paths:
        key = str(path["id"])
        await town.publish(key=key, steps=wait_for(path), exit_when=[{"if": {"trait": "left", "eq": key}}])
    await town.send({"type": "track", "event": "Signup", "properties": {"key": "x"}})
    enrolments = {}
    for _ in paths:
        start = await town.heard("start")
        enrolments[start.journey] = start.enrolment_id
        assert isinstance(await town.perform(start.enrolment_id), Waiting)
    for key, batch in happens.items():
        await town.send(*batch)
        signal = await town.heard("matched")
        assert (signal.journey, signal.payload["path"], signal.enrolment_id) == (key, key, enrolments[key])
    await town.send({"type": "identify", "traits": {"left": "aged"}})
    ended = await town.heard("interrupt")
    assert (ended.journey, ended.payload["reason"]) == ("aged", "exit")


async def test_a_wait_until_the_dog_food_runs_out_follows_the_orders(town: Town) -> None:
    definition = {"event": "Order", "take": "last", "add": {"property": "lasts_days", "unit": "days"}}
    await town.define("/v1/computed-traits/runs_out_at", definition)
    await town.publish(steps=[{"id": "w", "type": "wait", "until": {"ref": "profile.computed.runs_out_at"}}])
    first, second = (town.clock.now() - timedelta(hours=hours) for hours in (2, 1))
    order = {"type": "track", "event": "Order", "properties": {"lasts_days": 30}}
    await town.send(order | {"timestamp": first.isoformat()})
    enrolment_id = await town.enter()
    outcome = await town.perform(enrolment_id)
    assert isinstance(outcome, Sleep)
    assert abs(outcome.wake_at - first - timedelta(days=30)) < timedelta(seconds=1)
    await town.send(order | {"timestamp": second.isoformat()})
    assert (await town.heard("refresh")).enrolment_id == enrolment_id
    outcome = await town.perform(enrolment_id)
    assert isinstance(outcome, Sleep)
    assert abs(outcome.wake_at - second - timedelta(days=30)) < timedelta(seconds=1)
    async with town.database.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM watch"))).scalar_one() == 1
