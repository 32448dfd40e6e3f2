"""One odd message, answer or outage does not cost the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from channels.message import Asked
from channels.twilio_messages import TwilioMessages
from contracts.channels import Channel
from infra.clock import Clock
from services.channels import settling
from services.channels.pace import Pace
from services.channels.people import People
from tests.sandbox.support import free_port
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import World, until

SMS = Channel.SMS


async def test_what_a_revoked_key_left_is_sent_once_it_is_mended(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.fault("error", status=401, times=1)
    stop = await world.dispatch()
    await world.send_one(ada)

    async def waits() -> bool:
        return bool(await world.sql("SELECT 1 FROM attempt WHERE state = 'queued' AND not_before > now() + interval '50 s'"))

    await until(waits)
    await stop()
    await world.sql("UPDATE attempt SET not_before = now()")
    await world.dispatch()
    await world.reached(ada, ("sms", "delivered"))


async def test_what_an_outage_of_any_length_held_up_leaves_when_it_ends(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.send_one(ada)
    await world.sql("UPDATE attempt SET calls = 5000")
    port = world.sandbox.settings.port
    await world.sandbox.stop()
    await world.dispatch()
    await until(lambda: world.sql("SELECT 1 FROM attempt WHERE state = 'queued' AND calls = 5001"))
    world.sandbox = await type(world.sandbox).started(world.sandbox.settings.data_dir, port)
    world.stack.push_async_callback(world.sandbox.stop)
    await world.sql("UPDATE attempt SET not_before = now() WHERE state = 'queued'")
    await world.reached(ada, ("sms", "delivered"))


async def test_a_long_outage_of_one_provider_brings_the_next_channel_and_takes_nothing_from_who_has_none(
    start_world: StartWorld,
) -> None:
    world = await start_world(twilio_api_url=f"http://127.0.0.1:{free_port()}")
    ada, bob = (world.people.add(name=n, phone=f"+1555000200{i}") for i, n in enumerate("AB"))
    world.people.change(ada, traits={**world.people.profiles[ada].traits, "email": "ada@example.com"})
    for person in (ada, bob):
        await world.send_one(person, SMS, Channel.EMAIL)
    await world.sql("UPDATE attempt SET not_taken_since = now() - interval '4 hours'")
    await world.dispatch()
    await world.reached(ada, ("sms", "cancelled"), ("email", "delivered"))
    first, second = (await world.story(ada))[0]["attempts"]
    assert first["reason"] == "fell_back"
    assert second["because"].startswith("sms: not taken within 3:30:00 (not_taken ")
    await until(lambda: world.sql("SELECT 1 FROM message WHERE fallback_note LIKE '%no further channel: unreachable%'"))
    assert [(a["state"], a["status"]) for a in (await world.story(bob))[0]["attempts"]] == [("queued", "queued")]


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_whom_a_provider_turns_away_for_hours_gets_the_next_channel_or_waits(world: World, status: int) -> None:
    ada, bob = (world.people.add(name=n, phone=f"+1555000200{i}", email=f"{n}@example.com") for i, n in enumerate("AB"))
    await world.fault("error", status=status, channel="sms")
    await world.send_one(ada, SMS, Channel.EMAIL)
    await world.send_one(bob, SMS)
    await world.sql("UPDATE attempt SET not_taken_since = now() - interval '4 hours'")
    await world.dispatch()
    await world.reached(ada, ("sms", "cancelled"), ("email", "delivered"))
    await until(lambda: world.sql("SELECT 1 FROM attempt WHERE state = 'queued' AND not_before > now()"))
    assert await world.attempts(bob) == [("sms", "queued")]
    assert {message["channel"] for message in await world.sandbox.messages()} == {"email"}


async def test_a_message_that_was_turned_away_once_waits_for_its_provider(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001", email="ada@example.com")
    await world.fault("error", status=401, channel="sms")
    await world.send_one(ada, SMS, Channel.EMAIL)
    await world.dispatch()
    await until(lambda: world.sql("SELECT 1 FROM attempt WHERE state = 'queued' AND not_taken_since <= now()"))
    assert await world.sql("SELECT fallback_due FROM message") == [(None,)]


async def test_a_push_endpoint_whose_host_never_answers_is_given_up_after_a_day_of_calls(world: World) -> None:
    subscription = await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"})
    gone = subscription | {"endpoint": f"http://127.0.0.1:{free_port()}/push/gone"}
    ada = world.people.add(name="Ada", push_subscription=gone)
    await world.send_one(ada, Channel.WEB_PUSH)
    await world.sql("UPDATE attempt SET calls = 299")
    await world.dispatch()
    await world.reached(ada, ("web_push", "rejected"))


async def test_a_row_that_cannot_be_read_is_refused_and_the_others_go(world: World) -> None:
    ada, bob = (world.people.add(name=n, phone=f"+1555000200{i}") for i, n in enumerate("AB"))
    for person in (ada, bob):
        await world.send_one(person)
    await world.sql("UPDATE attempt SET content = '{}' WHERE address = '+15550002000'")
    await world.dispatch()
    await world.reached(bob, ("sms", "delivered"))
    await world.reached(ada, ("sms", "rejected"))


async def test_a_failing_lane_leaves_the_calls_of_others_alone(start_world: StartWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await start_world(provider_timeout_seconds=20.0)  # only being cut off may leave a call of unknown fate
    ada, bob = (world.people.add(name=n, phone=f"+1555000200{i}") for i, n in enumerate("AB"))
    await world.fault("drop_callback")  # which would settle a call that was cut off
    await world.fault("delay", seconds=0.8)
    known, bad = People.known, {bob}

    async def failing(self: People, ids: Any) -> Any:
        wanted = frozenset(ids)
        if wanted & bad:
            bad.clear()
            raise RuntimeError("unexpected")
        return await known(self, wanted)

    async def recovered() -> bool:  # as when bob's lease ends
        return bool(await world.sql("UPDATE attempt SET lease_until = now() WHERE state = 'claimed' RETURNING 1")) and not bad

    await world.send_one(bob)
    await world.sql("UPDATE attempt SET not_before = now() + interval '1 hour'")
    await world.dispatch()
    await world.send_one(ada)
    await until(lambda: _calling(world))
    monkeypatch.setattr(People, "known", failing)
    await world.sql("UPDATE attempt SET not_before = now() WHERE state = 'queued'")
    await world.reached(ada, ("sms", "sent"))
    await until(recovered)
    await world.reached(bob, ("sms", "sent"))
    assert not [data for data in await world.published() if data["status"] == "unknown"]


async def _calling(world: World) -> bool:
    return bool(await world.sql("SELECT 1 FROM attempt WHERE state = 'calling'"))


async def test_an_outcome_is_written_again_when_the_database_stumbles(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.fault("drop_callback")
    arm, stumbles = settling.arm_fallbacks, [1, 2]

    async def stumbling(*given: Any) -> None:
        if stumbles:
            stumbles.pop()
            raise OperationalError("", {}, Exception("gone"))
        await arm(*given)

    monkeypatch.setattr(settling, "arm_fallbacks", stumbling)
    await world.dispatch()
    await world.send_one(ada)
    await world.reached(ada, ("sms", "sent"))
    assert [data["status"] for data in await world.published()] == ["sent"]


async def test_nobody_claims_while_calls_wait_for_the_rate() -> None:
    pace = Pace(2.0, lambda: 100.0)
    assert pace.allowance(50, 5.0) == 10
    assert await pace.take(4, 5.0)
    assert pace.allowance(50, 5.0) == 0
    assert not await pace.take(1, 1.0)
    pace.give_back(4)
    assert pace.allowance(50, 5.0) == 10


async def test_marketing_waits_at_dispatch_for_the_end_of_quiet_hours_or_expires(start_world: StartWorld) -> None:
    now = datetime.now(UTC)
    window = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    zone = "Pacific/Kiritimati"  # 14 hours ahead: awake when it is accepted
    world = await start_world(quiet_hours=window, timezone=zone)
    ada, bob, eve = (world.people.add("sms", name=n, phone=f"+1555000200{i}", timezone=zone) for i, n in enumerate("ABE"))
    await world.send_one(ada, SMS, purpose="marketing", zone="UTC")  # hers once she says none
    await world.send_one(bob, SMS, purpose="marketing", valid_until=now + timedelta(minutes=30))
    await world.send_one(eve, SMS)
    for person in (ada, bob, eve):
        traits = {**world.people.profiles[person].traits, "timezone": "UTC" if person != ada else None}
        world.people.change(person, traits=traits)
    await world.dispatch()
    await world.reached(eve, ("sms", "delivered"))
    await world.reached(bob, ("sms", "cancelled"))
    (row,) = await world.sql("SELECT state, extract(epoch FROM not_before - now()) FROM attempt WHERE address = '+15550002000'")
    assert row[0] == "queued"
    assert 3600 < row[1] <= 7200
    (held,) = (await world.story(ada))[0]["attempts"]
    until = datetime.fromisoformat(held["held_until"])
    assert (until.strftime("%H:%M"), until > now) == (window[-5:], True)
    assert len(await world.sandbox.messages()) == 1


async def test_what_waits_for_the_end_of_quiet_hours_leaves_then_also_when_the_clock_runs_at_another_pace(
    start_world: StartWorld,
) -> None:
    now = datetime.now(UTC)
    world = await start_world(quiet_hours=f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}", timezone="UTC")
    ada = world.people.add("sms", name="A", phone="+15550002000", timezone="Pacific/Kiritimati")
    await world.send_one(ada, SMS, purpose="marketing")
    world.people.change(ada, traits={**world.people.profiles[ada].traits, "timezone": "UTC"})
    stop = await world.dispatch()
    await until(lambda: world.sql("SELECT 1 FROM attempt WHERE held_until IS NOT NULL AND state = 'queued'"))
    await stop()
    world.clock = Clock(factor=3600.0, real_anchor=datetime.now(UTC), virtual_anchor=datetime.now(UTC))
    await world.dispatch()
    await world.reached(ada, ("sms", "delivered"))
    (sent,) = (await world.story(ada))[0]["attempts"]
    assert sent["held_until"] is None
    assert datetime.fromisoformat(sent["sent_at"]) >= (now + timedelta(hours=2)).replace(second=0, microsecond=0)


async def test_an_answer_that_cannot_be_read_does_not_keep_the_others_unsettled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fault("drop_callback")
    await world.fault("error", recorded=True, times=2)
    ada, bob = (world.people.add(name=n, phone=f"+1555000200{i}") for i, n in enumerate("AB"))
    look_up = TwilioMessages.look_up

    async def odd(self: TwilioMessages, asked: Asked) -> Any:
        if asked.message.address == "+15550002000":
            raise ValueError("no JSON")
        return await look_up(self, asked)

    monkeypatch.setattr(TwilioMessages, "look_up", odd)
    await world.send(world.request(ada), world.request(bob))
    await world.dispatch()
    await world.reached(bob, ("sms", "sent"))
    assert await world.attempts(ada) == [("sms", "unknown")]


async def test_pages_of_suppressions_lose_no_channel_of_an_address(world: World) -> None:
    for channel in ("sms", "whatsapp"):
        await world.api.post("/v1/suppressions", json={"channel": channel, "address": "+15550002001"})
    first = (await world.api.get("/v1/suppressions", params={"limit": 1})).json()
    second = (await world.api.get("/v1/suppressions", params={"limit": 1, "after": first["next"]})).json()
    assert [page["suppressions"][0]["channel"] for page in (first, second)] == ["sms", "whatsapp"]
