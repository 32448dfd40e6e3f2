"""Schedules: everybody at nine o'clock where they live, each occurrence once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.services.journeys.conftest import Service, SetClock
from tests.services.journeys.crowds import Crowd

SEND = {"id": "say", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"}
DAILY = {"rrule": "FREQ=DAILY", "starts": "2026-01-01", "at": "09:00"}


def at(clock: str, day: int = 10) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02d}T{clock}:00+00:00").astimezone(UTC)


@pytest.fixture
async def crowd(service: Service) -> Crowd:
    """A daily journey, published just before midnight of the 10th (UTC), nine o'clock in Tokyo."""
    SetClock.instant = at("23:59", 9)
    crowd = Crowd(service)
    crowd.people(2, timezone="Europe/Berlin")
    crowd.people(1, timezone="Asia/Tokyo")
    crowd.people(1, timezone="Nowhere/Land")
    crowd.people(1)
    service.neighbours.templates = [{"key": "t", "channels": ["sms"], "variables": {}}]
    await publish(service)
    SetClock.instant = at("00:00")
    return crowd


async def publish(service: Service, *, name: str = "Daily", **schedule: str) -> None:
    await service.publish(name=name, entry={"schedule": DAILY | schedule, "segment": "crowd"}, steps=[SEND])


async def occasions(crowd: Crowd) -> dict[str, str]:
    return {each.occasion: each.state for each in await crowd.all()}


async def gather_all(crowd: Crowd) -> None:
    for each in await crowd.all():
        await crowd.gather(each)


async def test_each_zone_with_members_gets_its_cohort_at_its_own_time(crowd: Crowd) -> None:
    made = []
    for clock in ("00:00", "00:01", "07:59", "08:00", "08:01", "23:59"):
        SetClock.instant = at(clock)
        made.append(await crowd.scheduler.step())
    assert made == [1, 0, 0, 1, 0, 0]
    assert set(await occasions(crowd)) == {"2026-03-10T09:00 Asia/Tokyo", "2026-03-10T09:00 Europe/Berlin"}


async def test_who_lives_nowhere_lives_at_home(crowd: Crowd) -> None:
    await crowd.scheduler.step()
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    await gather_all(crowd)
    (berlin,) = [each for each in await crowd.all() if each.zone == "Europe/Berlin"]
    assert (berlin.entered, berlin.state) == (4, "done")
    assert len(crowd.service.neighbours.sent) == 5


async def test_an_occurrence_is_made_once_however_many_look_at_once(crowd: Crowd) -> None:
    SetClock.instant = at("08:00")
    made = await asyncio.gather(*(crowd.scheduler.step() for _ in range(4)))
    assert sum(made) == len(await crowd.all()) == 2


async def test_after_downtime_what_is_recent_still_runs_and_the_rest_is_noted_as_missed(crowd: Crowd) -> None:
    await crowd.scheduler.step()
    SetClock.instant = at("09:00", 11)
    await crowd.scheduler.step()
    assert await occasions(crowd) == {
        "2026-03-10T09:00 Asia/Tokyo": "running",
        "2026-03-10T09:00 Europe/Berlin": "missed",
        "2026-03-11T09:00 Asia/Tokyo": "missed",
        "2026-03-11T09:00 Europe/Berlin": "running",
    }
    noted = await crowd.service.rows("SELECT action, detail FROM audit WHERE who = 'scheduler' ORDER BY id")
    assert {(row.action, row.detail["occasion"]) for row in noted} == {
        ("occurrence missed", "2026-03-10T09:00 Europe/Berlin"),
        ("occurrence missed", "2026-03-11T09:00 Asia/Tokyo"),
    }


async def test_while_segments_is_down_no_occurrence_is_passed_over(crowd: Crowd) -> None:
    crowd.service.neighbours.down.add("segments")
    SetClock.instant = at("08:00")
    assert await crowd.scheduler.step() == 0
    crowd.service.neighbours.down.clear()
    SetClock.instant = at("08:30")
    assert await crowd.scheduler.step() == 2


async def test_a_paused_journey_waits_and_catches_up_and_a_draining_one_enters_nobody(crowd: Crowd) -> None:
    await state(crowd, "paused")
    SetClock.instant = at("08:00")
    assert await crowd.scheduler.step() == 0
    await state(crowd, "published")
    SetClock.instant = at("10:00")
    assert await crowd.scheduler.step() == 2
    await state(crowd, "draining")
    await gather_all(crowd)
    assert set((await occasions(crowd)).values()) == {"missed", "cancelled"}
    assert await crowd.enrolled() == []


async def test_a_new_version_takes_over_with_its_own_schedule(crowd: Crowd) -> None:
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    SetClock.instant += timedelta(hours=1)
    await publish(crowd.service, at="12:00")
    SetClock.instant = at("12:00", 11)
    await crowd.scheduler.step()
    assert "2026-03-11T09:00 Europe/Berlin" not in await occasions(crowd)
    assert (await occasions(crowd))["2026-03-11T12:00 Europe/Berlin"] == "running"


async def test_a_schedule_in_a_zone_of_its_own_enters_everybody_at_once(crowd: Crowd) -> None:
    await publish(crowd.service, zone="America/New_York")
    SetClock.instant = at("13:00")
    assert await crowd.scheduler.step() == 1
    await gather_all(crowd)
    assert len(await crowd.enrolled()) == 5


async def test_who_moves_to_another_zone_meanwhile_enters_once(crowd: Crowd) -> None:
    await crowd.scheduler.step()
    await gather_all(crowd)
    (mover,) = [each for each, traits in crowd.service.neighbours.traits.items() if traits.get("timezone") == "Asia/Tokyo"]
    crowd.service.neighbours.traits[mover]["timezone"] = "Europe/Berlin"
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    await gather_all(crowd)
    assert [each.profile_id for each in crowd.service.neighbours.sent].count(mover) == 1


async def state(crowd: Crowd, to: str) -> None:
    async with crowd.service.database.begin() as session:
        await session.execute(text("UPDATE journey SET state = :to"), {"to": to})


async def test_a_version_published_again_makes_up_for_nothing_that_came_while_another_counted(crowd: Crowd) -> None:
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    SetClock.instant += timedelta(hours=1)
    await publish(crowd.service, at="23:00")
    SetClock.instant = at("09:00", 11)
    await publish(crowd.service)
    await crowd.scheduler.step()
    assert "2026-03-11T09:00 Europe/Berlin" not in await occasions(crowd)
    SetClock.instant = at("08:00", 12)
    await crowd.scheduler.step()
    assert (await occasions(crowd))["2026-03-12T09:00 Europe/Berlin"] == "running"


async def test_a_journey_that_is_opened_again_makes_up_for_nothing_that_came_while_it_was_archived(crowd: Crowd) -> None:
    SetClock.instant = at("07:00")
    await crowd.scheduler.step()
    await crowd.service.lifecycle.states.change("signup", "archive", by="test", end=True)
    SetClock.instant = at("09:00")
    await publish(crowd.service)
    await crowd.scheduler.step()
    assert "2026-03-10T09:00 Europe/Berlin" not in await occasions(crowd)


async def test_a_version_with_the_same_schedule_that_is_published_during_a_pause_loses_no_occurrence(crowd: Crowd) -> None:
    await crowd.scheduler.step()
    await state(crowd, "paused")
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    SetClock.instant = at("08:30")
    await publish(crowd.service, name="A word that was misspelt")
    await state(crowd, "published")
    SetClock.instant = at("09:00")
    assert await crowd.scheduler.step() == 1
    assert (await occasions(crowd))["2026-03-10T09:00 Europe/Berlin"] == "running"


async def test_what_waited_for_the_end_of_a_pause_when_another_schedule_took_over_is_noted_as_missed(crowd: Crowd) -> None:
    await crowd.scheduler.step()
    await state(crowd, "paused")
    SetClock.instant = at("08:30")
    await publish(crowd.service, at="12:00")
    await crowd.scheduler.step()
    assert await occasions(crowd) == {
        "2026-03-10T09:00 Asia/Tokyo": "running",
        "2026-03-10T09:00 Europe/Berlin": "missed",
    }
    noted = await crowd.service.rows("SELECT detail->>'occasion' AS occasion FROM audit WHERE action = 'occurrence missed'")
    assert [row.occasion for row in noted] == ["2026-03-10T09:00 Europe/Berlin"]
    await crowd.scheduler.step()
    assert len(await occasions(crowd)) == 2


async def test_what_a_schedule_brought_before_another_took_over_is_noted_once_segments_answers(crowd: Crowd) -> None:
    crowd.service.neighbours.down.add("segments")
    SetClock.instant = at("08:00")
    await crowd.scheduler.step()
    crowd.service.neighbours.down.clear()
    await publish(crowd.service, at="12:00")
    crowd.service.neighbours.down.add("segments")
    await crowd.scheduler.step()
    assert await occasions(crowd) == {}
    crowd.service.neighbours.down.clear()
    await crowd.scheduler.step()
    assert set((await occasions(crowd)).values()) == {"missed"}


async def test_a_schedule_that_is_followed_no_more_wakes_nobody(crowd: Crowd) -> None:
    scheduler = crowd.scheduler
    await scheduler.step()
    await crowd.service.lifecycle.states.change("signup", "archive", by="test", end=True)
    SetClock.instant = at("12:00", 12)
    await scheduler.step()
    assert scheduler._seconds() > 1
