"""Waits that begin again and again while their events are there already: each is read a few times, none is lost."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from journeys.outcome import Chose, Match, Waiting
from services.journeys.event_ids import told_as
from tests.services.journeys.town import Town

ROUND = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Step"}]}
ROUNDS = {"id": "rounds", "type": "repeat", "max": 1000, "steps": [ROUND]}


def step(number: int, at: datetime) -> dict[str, Any]:
    return {"type": "track", "event": "Step", "messageId": f"step-{number}", "timestamp": at.isoformat()}


async def round_of(town: Town, enrolment: UUID, visit: int) -> Match | None:
    outcome = await town.perform(enrolment, visit=visit)
    assert isinstance(outcome, Waiting)
    return outcome.matched


async def rounds(town: Town, enrolment: UUID, numbers: list[int], *, first: int = 1) -> None:
    """One round after the other is ended by the events with these numbers."""
    for visit, number in enumerate(numbers, first):
        met = await round_of(town, enrolment, visit)
        assert met is not None
        told = {told_as(enrolment, f"step-{each}"): each for each in range(1000)}
        assert (visit, told.get(met.event_id)) == (visit, number)


@pytest.mark.parametrize("apart", [timedelta(milliseconds=1), timedelta(0)], ids=["one after the other", "all at once"])
async def test_of_a_burst_each_event_is_read_a_few_times_however_many_there_are(town: Town, apart: timedelta) -> None:
    await town.publish(steps=[ROUNDS])
    enrolment, now, many = await town.enter(), town.clock.now(), 60
    await town.send(*(step(number, now + number * apart) for number in range(many)))
    await rounds(town, enrolment, list(range(many)))
    assert await round_of(town, enrolment, many + 1) is None
    assert town.profiles.found <= 25 * many


async def test_events_whose_own_clock_is_behind_end_the_rounds_after_the_one_they_came_behind(town: Town) -> None:
    await town.publish(steps=[ROUNDS])
    now = town.clock.now()
    enrolment = await town.enter(timestamp=(now - timedelta(hours=1)).isoformat())
    await town.send(step(0, now))
    await rounds(town, enrolment, [0])
    await town.send(step(1, now - timedelta(minutes=2)))
    await town.send(step(2, now - timedelta(minutes=3)))
    await town.send(step(3, now - timedelta(minutes=20)))  # long before the round
    await rounds(town, enrolment, [2, 1], first=2)
    assert await round_of(town, enrolment, 4) is None


async def test_a_condition_behind_a_wait_knows_the_event_that_was_found_looking_back(town: Town) -> None:
    """Segments hear of it later than the look back: the branch waits for them."""
    thrice = {"id": "thrice", "if": {"event": "Step", "count": {"gte": 3}}, "steps": []}
    await town.publish(steps=[ROUNDS | {"steps": [ROUND, {"id": "b", "type": "branch", "paths": [thrice]}]}])
    enrolment = await town.enter()
    for visit in range(1, 4):
        await town.send(step(visit, town.clock.now()))
        met = await round_of(town, enrolment, visit)
        assert met is not None
        chosen = await town.perform(enrolment, "b", visit, met.event_id)
        assert chosen == Chose(path="thrice" if visit == 3 else "otherwise")
