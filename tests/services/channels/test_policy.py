"""Who gets what, on which channel, and when: consent, suppression, reach, validity, quiet hours, idempotency."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from contracts.channels import Channel
from policy.quiet_hours import QuietHours
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import World

EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP


def _everywhere(**more: str) -> dict[str, str]:
    return {"name": "Ada", "email": "ada@example.com", "phone": "+15550002001", **more}


async def test_the_same_key_is_the_same_message_whatever_is_asked_again(world: World) -> None:
    ada = world.people.add(**_everywhere())
    request = world.request(ada, SMS)
    (first,) = await world.send(request)
    (second,) = await world.send(request.model_copy(update={"channels": (EMAIL,)}))
    assert second == first
    (story,) = await world.story(ada)
    assert len(story["attempts"]) == 1


async def test_a_key_asked_for_many_times_at_once_makes_one_message(world: World) -> None:
    ada = world.people.add(**_everywhere())
    request = world.request(ada, SMS)
    answers = await asyncio.gather(*(world.send(request) for _ in range(12)))
    assert len({answer[0].message_id for answer in answers}) == 1
    assert (await world.sql("SELECT count(*) FROM attempt"))[0][0] == 1


async def test_a_batch_is_decided_one_by_one_and_answered_in_order(world: World) -> None:
    ada, nobody = world.people.add(**_everywhere()), uuid4()
    mute = world.people.add(name="Mute")
    asked = [world.request(ada, SMS), world.request(nobody, SMS), world.request(mute, SMS), world.request(ada, EMAIL)]
    results = await world.send(*asked)
    assert [(r.status, r.reason) for r in results] == [
        ("accepted", ""),
        ("skipped", "unknown_profile"),
        ("skipped", "unreachable"),
        ("accepted", ""),
    ]
    assert world.people.lookups == 1


async def test_marketing_needs_a_grant_for_its_channel_and_transactional_only_no_withdrawal(world: World) -> None:
    ada = world.people.add("email", **_everywhere())
    assert (await world.send_one(ada, EMAIL, purpose="marketing")).status == "accepted"
    assert (await world.send_one(ada, SMS, purpose="marketing")).reason == "no_consent"
    assert (await world.send_one(ada, SMS)).status == "accepted"
    world.people.withdraw(ada, "sms", "transactional")
    assert (await world.send_one(ada, SMS)).reason == "no_consent"
    world.people.withdraw(ada, "email")
    assert (await world.send_one(ada, EMAIL, purpose="marketing")).reason == "no_consent"


async def test_the_first_ranked_channel_that_may_be_used_is_chosen_and_the_others_are_explained(world: World) -> None:
    ada = world.people.add("email", **_everywhere())
    result = await world.send_one(ada, WHATSAPP, Channel.WEB_PUSH, EMAIL, purpose="marketing")
    assert result.channel is EMAIL
    assert result.detail == "whatsapp: no_consent; web_push: unreachable"


async def test_when_no_channel_may_be_used_the_first_ones_reason_is_the_answer_and_is_kept(world: World) -> None:
    ada = world.people.add(**_everywhere())
    result = await world.send_one(ada, WHATSAPP, Channel.WEB_PUSH, purpose="marketing")
    assert (result.status, result.reason) == ("skipped", "no_consent")
    (story,) = await world.story(ada)
    assert story["detail"] == "whatsapp: no_consent; web_push: unreachable"


async def test_a_suppressed_address_gets_nothing_until_it_is_let_go(world: World) -> None:
    ada = world.people.add(**_everywhere(email="Ada@Example.com"))
    body = {"channel": "email", "address": "ada@example.COM"}
    assert (await world.api.post("/v1/suppressions", json=body)).status_code == 201
    listed = (await world.api.get("/v1/suppressions", params=body)).json()["suppressions"]
    assert [(entry["channel"], entry["reason"]) for entry in listed] == [("email", "manual")]
    assert (await world.send_one(ada, EMAIL)).reason == "suppressed"
    assert (await world.send_one(ada, SMS)).status == "accepted"
    assert (await world.api.post("/v1/suppressions/remove", json=body)).status_code == 204
    assert (await world.send_one(ada, EMAIL)).status == "accepted"


async def test_what_is_no_longer_valid_is_skipped(world: World) -> None:
    ada = world.people.add(**_everywhere())
    result = await world.send_one(ada, SMS, valid_until=datetime.now(UTC) - timedelta(seconds=1))
    assert (result.status, result.reason) == ("skipped", "expired")


async def test_marketing_in_quiet_hours_is_deferred_to_their_end_and_nothing_is_stored(start_world: StartWorld) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    local = datetime.now(tokyo)
    window = f"{local - timedelta(hours=1):%H:%M}-{local + timedelta(hours=2):%H:%M}"
    world = await start_world(quiet_hours=window)
    ada = world.people.add("sms", **_everywhere(timezone="Asia/Tokyo"))
    result = await world.send_one(ada, SMS, purpose="marketing")
    assert result.status == "deferred"
    assert result.until is not None
    assert result.until.astimezone(tokyo).strftime("%H:%M") == window[6:]
    assert await world.story(ada) == []
    assert (await world.send_one(ada, SMS)).status == "accepted"
    too_late = await world.send_one(ada, SMS, purpose="marketing", valid_until=datetime.now(UTC) + timedelta(hours=1))
    assert (too_late.status, too_late.reason) == ("skipped", "expired")


async def test_quiet_hours_are_those_of_the_requests_zone_for_who_has_none(start_world: StartWorld) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    local = datetime.now(tokyo)
    world = await start_world(quiet_hours=f"{local - timedelta(hours=1):%H:%M}-{local + timedelta(hours=2):%H:%M}")
    nowhere, honolulu = (world.people.add("sms", **_everywhere(**zone)) for zone in ({}, {"timezone": "Pacific/Honolulu"}))
    assert (await world.send_one(nowhere, SMS, purpose="marketing", zone="Asia/Tokyo")).status == "deferred"
    assert (await world.send_one(honolulu, SMS, purpose="marketing", zone="Asia/Tokyo")).status == "accepted"
    assert (await world.send_one(nowhere, SMS, purpose="marketing")).status == "accepted"


async def test_consent_taken_back_after_acceptance_stops_the_message_at_dispatch(world: World) -> None:
    ada, bob, eve = (world.people.add("sms", name=n, phone=f"+1555000200{i}") for i, n in enumerate("ABE"))
    for person in (ada, bob, eve):
        await world.send_one(person, SMS, purpose="marketing")
    world.people.withdraw(ada, "sms")
    await world.api.post("/v1/suppressions", json={"channel": "sms", "address": "+15550002001"})
    await world.dispatch()
    await world.reached(eve, ("sms", "delivered"))
    await world.reached(ada, ("sms", "cancelled"))
    await world.reached(bob, ("sms", "cancelled"))
    assert len(await world.sandbox.messages()) == 1
    reasons = {data["reason"] for data in await world.published() if data["status"] == "cancelled"}
    assert reasons == {"no_consent", "suppressed"}


async def test_cancelled_enrolments_get_nothing_more(world: World) -> None:
    ada, enrolment = world.people.add(**_everywhere()), uuid4()
    await world.send_one(ada, SMS, enrolment=enrolment, fallback={"unless": "delivered", "within": "PT1H"})
    answer = await world.api.post("/v1/messages/cancel", json={"enrolments": [str(enrolment)]})
    assert answer.json() == {"cancelled": 1}
    await world.dispatch()
    await world.reached(ada, ("sms", "cancelled"))
    assert await world.sandbox.messages() == []
    assert (await world.api.post("/v1/messages/cancel", json={"enrolments": [str(enrolment)]})).json() == {"cancelled": 0}


async def test_every_subscription_of_a_person_gets_the_push_and_a_dead_one_is_not_tried_again(world: World) -> None:
    first, second = [await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"}) for _ in range(2)]
    await world.sandbox.http.delete(f"/api/push-subscriptions/{first['endpoint'].rsplit('/', 1)[1]}")
    ada = world.people.add(name="Ada", push_subscriptions=[first, second])
    await world.dispatch()
    await world.send_one(ada, Channel.WEB_PUSH)

    async def statuses() -> list[str]:
        return sorted(status for _, status in await world.attempts(ada))

    while await statuses() != ["bounced", "sent"]:
        await asyncio.sleep(0.02)
    await world.send_one(ada, Channel.WEB_PUSH)
    while await statuses() != ["bounced", "sent", "sent"]:
        await asyncio.sleep(0.02)


@given(
    now=st.integers(0, 3 * 366 * 24 * 60).map(lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Nowhere/None", None]),
    window=st.sampled_from(["21:00-08:00", "22:30-02:30", "01:00-05:00", "00:00-06:00"]),
)
def test_quiet_hours_end_later_within_a_day_and_outside_themselves(now: datetime, zone: str | None, window: str) -> None:
    hours = QuietHours.parse(window, "UTC")
    assert hours is not None
    until = hours.until(now, zone)
    if until is not None:
        assert now < until <= now + timedelta(hours=13)
        assert hours.until(until + timedelta(hours=1), zone) is None
