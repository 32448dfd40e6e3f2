"""Who may enter: conditions, windows on the calendar, caps; also when several are at it at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.journeys import EnrolRequest, FinishItem
from contracts.profiles import EVENT_TRACKED
from infra.errors import Unavailable
from services.journeys import reporting
from services.journeys.routing import ProfileRoute
from tests.services.journeys.conftest import NOW, Service, SetClock
from tests.services.journeys.crowds import Crowd

ENTRY = {"event": "Signup"}
ONLY_IF = ENTRY | {"only_if": {"trait": "vip", "eq": True}}
WAIT = [{"id": "w", "type": "wait", "for": "P1D"}]


async def someone(service: Service, **traits: object) -> UUID:
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = traits
    return profile_id


async def admit(service: Service) -> None:
    while await Crowd(service).admitter.step():
        pass


async def ends(service: Service) -> None:
    rows = await service.rows("SELECT id FROM enrolment WHERE state = 'running'")
    await service.steps.finish([FinishItem(enrolment_id=row.id, reason="completed") for row in rows])


async def test_only_if_is_asked_as_of_the_event_and_the_answer_is_kept(service: Service) -> None:
    await service.publish(entry=ONLY_IF, steps=WAIT)
    service.neighbours.holds = True
    profile_id = await someone(service)
    assert await service.track(profile_id, "Signup") == []
    await admit(service)
    (asked,) = service.neighbours.asked
    ((position, kept),) = await service.rows("SELECT position, asked FROM enrolment")
    assert asked.position == position is not None
    assert kept == {"only_if": {"matches": True, "seen": {"asked": True}}}
    assert [row.kind for row in service.told] == ["start"]
    assert await service.rows("SELECT * FROM candidate") == []


async def test_who_does_not_meet_only_if_is_refused_with_the_values_seen(service: Service) -> None:
    await service.publish(entry=ONLY_IF, steps=WAIT)
    await service.track(await someone(service), "Signup")
    await admit(service)
    ((reason, seen),) = await service.rows("SELECT reason, seen FROM refusal")
    assert reason == "only_if does not hold"
    assert seen == {"only_if": {"matches": False, "seen": {"asked": True}}}


OF_THE_DOG = {"property": "dog", "eq": {"ref": "profile.traits.dog"}}
BY_DOG = ENTRY | {"key": "profile.traits.dog"}


async def test_an_entry_key_of_the_profile_is_that_of_whoever_the_event_is_about(service: Service) -> None:
    await service.publish(entry=BY_DOG, steps=WAIT)
    await service.track(await someone(service, dog="rex"), "Signup")
    await service.track(await someone(service), "Signup")
    await admit(service)
    assert [row.entry_key for row in await service.rows("SELECT entry_key FROM enrolment")] == ["rex"]
    assert [row.reason for row in await service.rows("SELECT reason FROM refusal")] == [
        "there is no profile.traits.dog, the entry key"
    ]


@pytest.mark.parametrize("kind", ["exit", "goal"])
async def test_a_criterion_that_names_the_profile_is_met_by_what_belongs_to_it(service: Service, kind: str) -> None:
    criterion = {"event": "Fed", "where": OF_THE_DOG}
    changes: dict[str, Any] = {"exit_when": [criterion]} if kind == "exit" else {"goal": criterion | {"on_reached": "exit"}}
    await service.publish(entry=ENTRY, steps=WAIT, **changes)
    profile_id = await someone(service, dog="rex")
    await service.track(profile_id, "Signup")
    await admit(service)
    assert await service.track(profile_id, "Fed", dog="bello") == []
    (signal,) = await service.track(profile_id, "Fed", dog="rex")
    assert (signal.kind, signal.payload["reason"]) == ("interrupt", kind)


async def test_a_criterion_that_names_a_computed_trait_has_its_value_as_of_the_entry(service: Service) -> None:
    where = {"property": "sku", "eq": {"ref": "profile.computed.last_sku"}}
    await service.publish(entry=ENTRY, steps=WAIT, exit_when=[{"event": "Order", "where": where}])
    service.neighbours.computed = {"last_sku": "k-1"}
    profile_id = await someone(service)
    await service.track(profile_id, "Signup")
    await admit(service)
    (signal,) = await service.track(profile_id, "Order", sku="k-1")
    assert signal.kind == "interrupt"


async def test_what_meets_a_criterion_while_its_profile_is_asked_for_ends_the_enrolment(service: Service) -> None:
    await service.publish(entry=ENTRY, steps=WAIT, exit_when=[{"event": "Fed", "where": OF_THE_DOG}])
    profile_id = await someone(service, dog="rex")
    await service.track(profile_id, "Signup")
    await service.track(profile_id, "Fed", dog="rex")
    await admit(service)
    (start,) = [row for row in service.told if row.kind == "start"]
    assert start.payload["look_back"] is True


async def test_refusals_are_found_by_journey_and_by_person_newest_first(service: Service) -> None:
    await service.publish(entry=ONLY_IF, steps=WAIT)
    await service.publish(key="other", entry=ONLY_IF, steps=WAIT)
    people = [await someone(service) for _ in range(2)]
    for profile_id in people:
        await service.track(profile_id, "Signup")
        service.pass_time(timedelta(minutes=1))
    await admit(service)
    async with service.database.read() as session:
        of_journey = await reporting.refusals(session, profile_id=None, journey="other", limit=10)
        of_both = await reporting.refusals(session, profile_id=people[0], journey="other", limit=10)
        all_of_them = await reporting.refusals(session, profile_id=None, journey=None, limit=10)
    assert [each.profile_id for each in of_journey] == people[::-1]
    assert [(each.journey, each.seen["only_if"]["matches"]) for each in of_both] == [("other", False)]
    assert len(all_of_them) == 4


async def test_the_loop_that_admits_is_woken_by_the_feed(service: Service) -> None:
    await service.publish(entry=ONLY_IF, steps=WAIT)
    woken: list[bool] = []
    route = ProfileRoute(service.versions, service.told.extend, service.clock, lambda: woken.append(True))
    item = service.item(await someone(service), EVENT_TRACKED, service.event("Signup").model_dump(mode="json"))
    write = await route.prepare([item])
    async with service.database.begin() as session:
        await write(session)
    route.committed()
    assert woken == [True]


async def test_while_segments_is_down_others_enter_and_nobody_is_lost(service: Service) -> None:
    await service.publish(entry=ONLY_IF, steps=WAIT)
    await service.publish(key="plain", entry=ENTRY, steps=WAIT)
    service.neighbours.holds = True
    service.neighbours.down.add("segments")
    assert len(await service.track(await someone(service), "Signup")) == 1
    await Crowd(service).admitter.step()
    service.neighbours.down.clear()
    async with service.database.begin() as session:
        await session.execute(text("UPDATE candidate SET next_at = now()"))
    await admit(service)
    assert sorted(row.journey for row in await Crowd(service).enrolled()) == ["plain", "signup"]


async def test_candidates_of_one_person_are_decided_in_their_order(service: Service) -> None:
    await service.publish(entry=ONLY_IF | {"reentry": "always"}, steps=WAIT)
    service.neighbours.holds = True
    profile_id = await someone(service)
    items = [service.item(profile_id, EVENT_TRACKED, service.event("Signup").model_dump(mode="json")) for _ in range(3)]
    await service.feed(*items)
    assert await Crowd(service).admitter.step() == 1
    await admit(service)
    numbers = {row.entry["id"]: row.number for row in await Crowd(service).enrolled()}
    assert [numbers[item.data["id"]] for item in items] == [1, 2, 3]


async def test_a_page_that_comes_again_after_its_candidates_were_decided_changes_nothing(service: Service) -> None:
    await service.publish(entry=ONLY_IF | {"reentry": "always"}, steps=WAIT)
    service.neighbours.holds = True
    item = service.item(await someone(service), EVENT_TRACKED, service.event("Signup").model_dump(mode="json"))
    for _ in range(2):
        await service.feed(item)
        await admit(service)
    assert len(await Crowd(service).enrolled()) == 1


@pytest.mark.parametrize(
    ("zone", "within", "ends_after"),
    [
        ("America/New_York", "P30D", timedelta(days=30, hours=-1)),
        ("Asia/Tokyo", "P30D", timedelta(days=30)),
        (None, "P30D", timedelta(days=30, hours=-1)),  # the workspace's
        ("America/New_York", "PT720H", timedelta(days=30)),
    ],
)
async def test_the_term_of_a_goal_is_counted_in_days_of_the_person(
    service: Service, zone: str | None, within: str, ends_after: timedelta
) -> None:
    await service.publish(entry=ENTRY, goal={"event": "Order", "within": within}, steps=WAIT)
    profile_id = await someone(service, **({"timezone": zone} if zone else {}))
    await service.track(profile_id, "Signup")
    await admit(service)
    ((until, entered_at),) = await service.rows(
        "SELECT l.until, e.entered_at FROM listener l JOIN enrolment e ON e.id = l.enrolment_id WHERE l.kind = 'goal'"
    )
    assert until - entered_at == ends_after


async def test_nobody_is_asked_where_the_goals_days_are_the_same_everywhere(service: Service) -> None:
    await service.publish(entry=ENTRY, goal={"event": "Order", "within": "P2D"}, steps=WAIT)
    assert len(await service.track(await someone(service), "Signup")) == 1


async def test_the_filter_of_an_exit_rule_sees_the_profile_as_it_is_on_entry(service: Service) -> None:
    where = {"property": "plan", "eq": {"ref": "profile.traits.plan"}}
    goal = {"event": "Order", "where": {"property": "colour", "eq": {"ref": "profile.computed.colour"}}}
    await service.publish(entry=ENTRY, exit_when=[{"event": "Left", "where": where}], goal=goal, steps=WAIT)
    service.neighbours.computed = {"colour": "red"}
    await service.track(await someone(service, plan="gold"), "Signup")
    await admit(service)
    rows = await service.rows("SELECT kind, condition FROM listener ORDER BY kind")
    assert [(row.kind, row.condition["eq"]) for row in rows] == [("exit", "gold"), ("goal", "red")]


async def test_the_api_asks_before_it_answers(service: Service) -> None:
    await service.publish(entry={"api": True, "only_if": {"trait": "vip", "eq": True}}, steps=WAIT)
    request = EnrolRequest(profile_id=await someone(service), idempotency_key="1")
    assert (await service.enroller.enrol("signup", request)).refused == "only_if does not hold"
    service.neighbours.down.add("segments")
    with pytest.raises(Unavailable):
        await service.enroller.enrol("signup", request.model_copy(update={"idempotency_key": "2"}))


@pytest.mark.parametrize(
    ("after", "hours", "enters"),
    [("P1D", 2, False), ("P1D", 9, True), ("PT24H", 9, False), ("PT24H", 24, True), ("P2D", 9, False)],
)
async def test_a_window_of_days_ends_with_the_local_day_and_one_of_hours_to_the_minute(
    service: Service, after: str, hours: int, *, enters: bool
) -> None:
    await service.publish(entry=ENTRY | {"reentry": {"after": after}}, steps=WAIT)
    profile_id = await someone(service, timezone="Asia/Tokyo")
    SetClock.instant = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)  # 16:00: eight hours to midnight
    await service.track(profile_id, "Signup")
    await admit(service)
    await ends(service)
    service.pass_time(timedelta(hours=hours))
    await service.track(profile_id, "Signup")
    await admit(service)
    assert len(await Crowd(service).enrolled()) == 1 + enters
    if not enters:
        ((seen,),) = await service.rows("SELECT seen FROM refusal")
        assert {"last_entry", "again_from", "zone"} == set(seen)


async def test_a_window_counted_from_the_end_counts_from_the_end(service: Service) -> None:
    await service.publish(entry=ENTRY | {"reentry": {"after": "PT10H", "since": "end"}}, steps=WAIT)
    profile_id = await someone(service)
    await service.track(profile_id, "Signup")
    service.pass_time(timedelta(hours=9))
    await ends(service)
    for hours, entered in ((9, 1), (1, 2)):
        service.pass_time(timedelta(hours=hours))
        await service.track(profile_id, "Signup")
        assert len(await Crowd(service).enrolled()) == entered


async def test_within_a_window_somebody_under_way_does_not_enter(service: Service) -> None:
    await service.publish(entry=ENTRY | {"reentry": {"after": "PT1H"}}, steps=WAIT)
    profile_id = await someone(service)
    await service.track(profile_id, "Signup")
    service.pass_time(timedelta(hours=2))
    await service.track(profile_id, "Signup")
    ((reason,),) = await service.rows("SELECT reason FROM refusal")
    assert "still under way" in reason


async def test_the_cap_in_all_is_exact_however_many_enter_at_once(service: Service) -> None:
    await service.publish(entry={"api": True, "caps": {"in_all": 5}}, steps=WAIT)
    people = [await someone(service) for _ in range(12)]
    requests = [EnrolRequest(profile_id=each, idempotency_key="1") for each in people]
    answers = await asyncio.gather(*(service.enroller.enrol("signup", each) for each in requests))
    assert sum(answer.enrolment_id is not None for answer in answers) == 5
    assert {answer.refused for answer in answers if answer.enrolment_id is None} == {
        "the journey is full: 5 have entered, its cap in all"
    }


async def test_who_comes_above_the_cap_per_hour_is_held_in_order_and_nobody_is_lost(service: Service) -> None:
    await service.publish(entry=ENTRY | {"caps": {"per_hour": 2}}, steps=WAIT)
    people = [await someone(service) for _ in range(5)]
    items = [service.item(each, EVENT_TRACKED, service.event("Signup").model_dump(mode="json")) for each in people]
    assert len(await service.feed(*items)) == 2
    starts = {row.profile_id: row.start_at for row in await Crowd(service).enrolled()}
    hours = [None, None, timedelta(hours=1), timedelta(hours=1), timedelta(hours=2)]
    assert [starts[each] for each in people] == [hour and NOW + hour for hour in hours]


async def test_the_cap_per_hour_holds_when_several_enter_at_once(service: Service) -> None:
    await service.publish(entry={"api": True, "caps": {"per_hour": 3}}, steps=WAIT)
    people = [await someone(service) for _ in range(9)]
    requests = [EnrolRequest(profile_id=each, idempotency_key="1") for each in people]
    await asyncio.gather(*(service.enroller.enrol("signup", each) for each in requests))
    begins = sorted(row.begins_at for row in await Crowd(service).enrolled())
    assert begins == [NOW] * 3 + [NOW + timedelta(hours=1)] * 3 + [NOW + timedelta(hours=2)] * 3


@pytest.mark.parametrize(("reentry", "enrolments"), [("never", 1), ("when-finished", 1), ("always", 8)])
async def test_rules_of_reentry_hold_when_one_person_enters_at_once(service: Service, reentry: str, enrolments: int) -> None:
    await service.publish(entry={"api": True, "reentry": reentry}, steps=WAIT)
    profile_id = await someone(service)
    requests = [EnrolRequest(profile_id=profile_id, idempotency_key=str(each)) for each in range(8)]
    await asyncio.gather(*(service.enroller.enrol("signup", each) for each in requests))
    rows = await Crowd(service).enrolled()
    assert sorted(row.number for row in rows) == list(range(1, enrolments + 1))
    assert len(await service.rows("SELECT * FROM refusal")) == 8 - enrolments
