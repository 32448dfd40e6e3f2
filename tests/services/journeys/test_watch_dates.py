"""Waits that follow a date: whatever changes it, the wait ends then, counted from when it began."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.segments import COMPUTED_TRAIT_CHANGED
from journeys.outcome import Done, PastDue, Sleep
from services.journeys.outgoing import Outgoing
from tests.services.journeys.conftest import Service
from tests.services.journeys.watched import CAME, Watched, wait_for

DUE = {"ref": "profile.traits.due"}


@pytest.fixture
def watched(service: Service) -> Watched:
    return Watched(service)


def until(until: object = DUE, **more: object) -> list[dict[str, object]]:
    return [{"id": "w", "type": "wait", "until": until, **more}, {"id": "late", "type": "wait", "for": "PT1H"}]


async def asleep(watched: Watched, enrolment_id: UUID) -> str:
    """When the service says that the wait ends."""
    outcome = await watched.service.perform(enrolment_id, "w")
    assert isinstance(outcome, Sleep)
    return outcome.wake_at.isoformat()


def refreshes(told: list[Outgoing]) -> list[dict[str, object]]:
    assert {each.kind for each in told} <= {"refresh"}
    return [each.payload for each in told]


async def test_a_wait_until_a_trait_follows_it(watched: Watched) -> None:
    await watched.service.publish(steps=until(offset="-P1D"))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    assert await asleep(watched, enrolment_id) == "2026-04-09T12:00:00+00:00"
    watched.service.pass_time(timedelta(days=2))
    assert await watched.look() == []
    await watched.identify(profile_id, due="2026-04-20T12:00:00Z")
    assert refreshes(await watched.look()) == [{"step": "w", "visit": 1}]
    assert await asleep(watched, enrolment_id) == "2026-04-19T12:00:00+00:00"
    ((seen, place),) = await watched.service.rows("SELECT seen, due FROM decision JOIN place USING (enrolment_id)")
    assert seen["profile.traits.due"] == "2026-04-20T12:00:00Z"
    assert [each["instead_of"] for each in seen["followed"]] == ["2026-04-09T12:00:00+00:00"]
    assert place.isoformat() == "2026-04-19T12:00:00+00:00"


async def test_a_change_that_moves_nothing_tells_nobody(watched: Watched) -> None:
    await watched.service.publish(steps=until())
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await asleep(watched, enrolment_id)
    await watched.identify(profile_id, name="Ada")
    assert await watched.look() == []
    ((seen,),) = await watched.service.rows("SELECT seen FROM decision")
    assert "followed" not in seen


async def test_a_change_before_the_watch_was_there_is_found_when_it_is_confirmed(watched: Watched) -> None:
    await watched.service.publish(steps=until())
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await asleep(watched, enrolment_id)
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-20T12:00:00Z"}
    watched.service.pass_time(timedelta(minutes=1))
    assert len(refreshes(await watched.look())) == 1


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, PastDue(action="continue")),
        ({"if_past": "exit"}, PastDue(action="exit")),
        ({"if_past": {"goto": "late"}}, PastDue(action="goto", target="late")),
        ({"if_past": "exit", "late_by": "P3D"}, Done()),
    ],
)
async def test_a_date_that_moves_into_the_past_is_due_now_under_the_steps_policy(
    watched: Watched, more: dict[str, object], outcome: object
) -> None:
    await watched.service.publish(steps=until(**more))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await asleep(watched, enrolment_id)
    watched.service.pass_time(timedelta(days=3))
    await watched.identify(profile_id, due="2026-03-04T12:00:00Z")
    assert len(refreshes(await watched.look())) == 1
    assert await watched.service.perform(enrolment_id, "w", confirm=True) == outcome
    assert await watched.look() == []


async def test_a_date_that_is_removed_gives_way_to_its_default_counted_from_when_the_wait_began(watched: Watched) -> None:
    await watched.service.publish(steps=until(DUE | {"default": {"after": "P30D"}}))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await asleep(watched, enrolment_id)
    watched.service.pass_time(timedelta(days=3))
    await watched.identify(profile_id, due=None)
    assert len(await watched.look()) == 1
    assert await asleep(watched, enrolment_id) == "2026-04-01T08:00:00+00:00"


async def test_a_date_that_is_removed_without_a_default_follows_the_policy(watched: Watched) -> None:
    await watched.service.publish(steps=until(if_past="exit"))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await asleep(watched, enrolment_id)
    await watched.identify(profile_id, due=None)
    assert len(await watched.look()) == 1
    assert await watched.service.perform(enrolment_id, "w", confirm=True) == PastDue(action="exit")


async def test_a_local_time_follows_a_move_to_another_zone(watched: Watched) -> None:
    await watched.service.publish(steps=[{"id": "w", "type": "wait", "for": "P2D", "at": "09:30"}])
    profile_id, enrolment_id = await watched.service.enter()
    assert await asleep(watched, enrolment_id) == "2026-03-04T08:30:00+00:00"
    await watched.identify(profile_id, timezone="America/New_York")
    assert len(refreshes(await watched.look())) == 1
    assert await asleep(watched, enrolment_id) == "2026-03-04T14:30:00+00:00"
    ((seen,),) = await watched.service.rows("SELECT seen FROM decision")
    assert seen["zone"] == "America/New_York"


@pytest.mark.parametrize(
    ("wait", "there", "elsewhere"),
    [
        ({"for": "P1M"}, "2026-04-02T09:00:00+00:00", "2026-04-02T08:00:00+00:00"),
        ({"between": ["P30D", "P30D"]}, "2026-04-01T09:00:00+00:00", "2026-04-01T08:00:00+00:00"),
        ({"until": "2026-03-28T12:00:00Z", "offset": "P1D"}, "2026-03-29T12:00:00+00:00", "2026-03-29T11:00:00+00:00"),
        (
            {"until": {"ref": "entry.properties.none", "default": {"after": "P30D"}}},
            "2026-04-01T09:00:00+00:00",
            "2026-04-01T08:00:00+00:00",
        ),
    ],
)
async def test_days_follow_somebody_from_where_no_clock_changes_to_where_one_does(
    watched: Watched, wait: dict[str, object], there: str, elsewhere: str
) -> None:
    await watched.service.publish(steps=[{"id": "w", "type": "wait", **wait}])
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"timezone": "Asia/Tokyo"}
    assert await asleep(watched, enrolment_id) == there
    await watched.identify(profile_id, timezone="Europe/Berlin")
    assert len(refreshes(await watched.look())) == 1
    assert await asleep(watched, enrolment_id) == elsewhere


async def test_days_of_a_timeout_follow_somebody_to_where_a_clock_changes(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(CAME, timeout={"after": "P30D"}))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"timezone": "Asia/Tokyo"}
    await watched.waiting(enrolment_id)
    await watched.identify(profile_id, timezone="Europe/Berlin")
    assert len(refreshes(await watched.look())) == 1
    wake_at = (await watched.waiting(enrolment_id)).wake_at
    assert wake_at is not None
    assert wake_at.isoformat() == "2026-04-01T08:00:00+00:00"


@pytest.mark.parametrize("wait", [{"for": "PT18H"}, {"for": "P2D"}, {"until": "2026-05-01T10:00:00Z"}, {"for": "PT1000H"}])
async def test_a_wait_that_no_change_can_move_is_not_watched(watched: Watched, wait: dict[str, object]) -> None:
    await watched.service.publish(steps=[{"id": "w", "type": "wait", **wait}])
    _, enrolment_id = await watched.service.enter()
    await asleep(watched, enrolment_id)
    assert await watched.watches() == []


async def test_a_timeout_follows_its_date_and_ends_the_wait_when_that_is_past(watched: Watched) -> None:
    await watched.service.publish(steps=wait_for(CAME, timeout={"until": DUE}))
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-04-10T12:00:00Z"}
    await watched.waiting(enrolment_id)
    await watched.identify(profile_id, due="2026-04-12T12:00:00Z")
    assert refreshes(await watched.look()) == [{"step": "w", "visit": 1}]
    wake_at = (await watched.waiting(enrolment_id)).wake_at
    assert wake_at is not None
    assert wake_at.isoformat() == "2026-04-12T12:00:00+00:00"
    await watched.identify(profile_id, due=None)
    assert len(await watched.look()) == 1
    assert (await watched.waiting(enrolment_id, confirm=True)).wake_at is None
    await watched.identify(profile_id, due="2026-03-01T12:00:00Z")
    assert len(await watched.look()) == 1
    assert await watched.service.perform(enrolment_id, "w", confirm=True) == Done()


async def test_a_wait_until_a_computed_trait_looks_again_at_the_events_it_rests_on(watched: Watched) -> None:
    await watched.service.publish(steps=until({"ref": "profile.computed.runs_out_at"}))
    neighbours = watched.service.neighbours
    neighbours.computed, neighbours.rests_on = {"runs_out_at": "2026-04-10T12:00:00Z"}, {"runs_out_at": "Order"}
    profile_id, enrolment_id = await watched.service.enter()
    await asleep(watched, enrolment_id)
    assert await watched.look() == []
    assert [row.mentions for row in await watched.watches()] == [["computed:runs_out_at", "trait", "event:Order"]]
    neighbours.computed = {"runs_out_at": "2026-05-10T12:00:00Z"}
    await watched.service.track(profile_id, "Visit")
    assert await watched.look() == []
    await watched.service.track(profile_id, "Order")
    assert len(await watched.look()) == 1
    assert await asleep(watched, enrolment_id) == "2026-05-10T12:00:00+00:00"
    neighbours.computed, neighbours.rests_on = {"runs_out_at": "2026-06-10T12:00:00Z"}, {"runs_out_at": "Visit"}
    changed = watched.service.item(UUID(int=0), COMPUTED_TRAIT_CHANGED, {"key": "runs_out_at"})
    await watched.service.feed(changed.model_copy(update={"subject": "runs_out_at"}), route="segments")
    assert len(await watched.look()) == 1
    assert await asleep(watched, enrolment_id) == "2026-06-10T12:00:00+00:00"
    assert [row.mentions for row in await watched.watches()] == [["computed:runs_out_at", "trait", "event:Visit"]]


async def test_a_wait_whose_time_is_up_is_not_moved_any_more(watched: Watched) -> None:
    await watched.service.publish(steps=until())
    profile_id, enrolment_id = await watched.service.enter()
    watched.service.neighbours.traits[profile_id] = {"due": "2026-03-03T12:00:00Z"}
    await asleep(watched, enrolment_id)
    watched.service.pass_time(timedelta(days=2))
    await watched.identify(profile_id, due="2026-04-20T12:00:00Z")
    assert await watched.look() == []
    assert await watched.service.perform(enrolment_id, "w", confirm=True) == Done()
