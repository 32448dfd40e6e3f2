"""The ranked channels, walked when a message fails or does not get far enough in time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from contracts.channels import Channel
from infra.clock import Clock
from services.channels import settling
from services.channels.settling import Settled
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import World, until

RANKED = (Channel.WHATSAPP, Channel.SMS, Channel.EMAIL)
TRAITS: dict[str, Any] = {"name": "Ada", "email": "ada@example.com", "phone": "+15550002001"}


def _unless(status: str, within: str) -> dict[str, Any]:
    return {"fallback": {"unless": status, "within": within}}


async def test_an_undelivered_message_goes_to_the_next_channel_at_once_and_says_why(world: World) -> None:
    ada = world.people.add(**TRAITS)
    await world.fault("undelivered", channel="whatsapp", error_code=63016)
    await world.fault("failed", channel="sms", error_code=30003)
    await world.dispatch()
    await world.send_one(ada, *RANKED, **_unless("delivered", "PT1H"))
    await world.reached(ada, ("whatsapp", "rejected"), ("sms", "rejected"), ("email", "delivered"))
    (story,) = await world.story(ada)
    assert [a["number"] for a in story["attempts"]] == [1, 2, 3]
    assert story["attempts"][1]["because"].startswith("whatsapp: rejected 63016")
    delivered = [data for data in await world.published() if data["status"] == "delivered"]
    assert [(data["channel"], data["attempt_number"]) for data in delivered] == [("email", 3)]


async def test_a_message_not_opened_in_time_goes_to_the_next_channel_and_an_opened_one_does_not(world: World) -> None:
    ada, bob = world.people.add(**TRAITS), world.people.add(**(TRAITS | {"name": "Bob", "email": "bob@example.com"}))
    await world.dispatch()
    for person in (ada, bob):
        await world.send_one(person, Channel.EMAIL, Channel.SMS, **_unless("opened", "PT2S"))
    await world.reached(bob, ("email", "delivered"))
    (mail,) = await world.sandbox.messages(to="bob@example.com", channel="email")
    await world.sandbox.act(mail["id"], "open")
    await world.reached(ada, ("email", "delivered"), ("sms", "delivered"))
    assert (await world.story(ada))[0]["attempts"][1]["because"] == "email: not opened within 0:00:02"

    async def over() -> bool:
        return not await world.sql("SELECT 1 FROM message WHERE fallback_due IS NOT NULL")

    await until(over)
    assert await world.attempts(bob) == [("email", "opened")]


async def test_a_fast_clock_leaves_providers_their_real_time(start_world: StartWorld) -> None:
    now = datetime.now(UTC)
    clock = Clock(factor=86_400, real_anchor=now, virtual_anchor=now)
    world = await start_world(clock=clock, provider_grace_seconds=3.0)
    ada = world.people.add(**TRAITS)
    await world.dispatch()
    await world.send_one(ada, Channel.WHATSAPP, Channel.SMS, **_unless("delivered", "PT1H"))
    await world.reached(ada, ("whatsapp", "delivered"))

    async def over() -> bool:
        return not await world.sql("SELECT 1 FROM message WHERE fallback_due IS NOT NULL")

    await until(over)
    assert await world.attempts(ada) == [("whatsapp", "delivered")]


async def test_consent_is_asked_again_before_each_further_channel(world: World) -> None:
    ada = world.people.add("whatsapp", "sms", "email", **TRAITS)
    await world.fault("undelivered", channel="whatsapp")
    await world.send_one(ada, *RANKED, purpose="marketing", **_unless("delivered", "PT1H"))
    world.people.withdraw(ada, "sms")
    await world.dispatch()
    await world.reached(ada, ("whatsapp", "rejected"), ("email", "delivered"))
    assert (await world.story(ada))[0]["attempts"][1]["because"].endswith("sms: no_consent")


async def test_what_the_provider_refuses_at_the_call_goes_to_the_next_channel_without_a_policy(world: World) -> None:
    subscription = await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"})
    ada = world.people.add(**TRAITS, push_subscription=subscription)
    await world.fault("gone", channel="web_push")
    await world.dispatch()
    await world.send_one(ada, Channel.WEB_PUSH, Channel.EMAIL)
    await world.reached(ada, ("web_push", "bounced"), ("email", "delivered"))


async def test_nothing_falls_back_after_the_validity_has_ended(world: World) -> None:
    ada = world.people.add(**TRAITS)
    await world.fault("drop_callback", channel="whatsapp")
    await world.dispatch()
    valid_until = datetime.now(UTC) + timedelta(seconds=3)
    await world.send_one(ada, *RANKED, valid_until=valid_until, **_unless("delivered", "PT4S"))

    async def ended() -> bool:
        return "expired" in (await world.story(ada))[0]["fallback_note"]

    await until(ended)
    assert await world.attempts(ada) == [("whatsapp", "sent")]


async def test_a_row_that_cannot_be_decided_does_not_hold_back_the_others(world: World) -> None:
    ada, bob = world.people.add(**TRAITS), world.people.add(**(TRAITS | {"email": "bob@example.com"}))
    await world.fault("undelivered", channel="whatsapp")
    for person in (ada, bob):
        await world.send_one(person, Channel.WHATSAPP, Channel.EMAIL, **_unless("delivered", "PT1H"))
    values = {"channels": '["whatsapp", "pigeon"]', "ada": ada}
    await world.sql("UPDATE message SET channels = CAST(:channels AS jsonb) WHERE profile_id = :ada", **values)
    await world.dispatch()
    await world.reached(bob, ("whatsapp", "rejected"), ("email", "delivered"))

    async def given_up() -> bool:
        (row,) = await world.sql("SELECT fallback_due, fallback_note FROM message WHERE profile_id = :ada", ada=ada)
        return (row[0], row[1]) == (None, "no further channel: ValueError")

    await until(given_up)


async def test_what_turns_out_never_to_have_left_is_not_sent_once_the_next_channel_has_taken_over(
    start_world: StartWorld,
) -> None:
    world = await start_world(unknown_grace_seconds=3.0)
    ada = world.people.add(**TRAITS)
    await world.fault("error", channel="whatsapp", recorded=False, times=1)
    await world.dispatch()
    await world.send_one(ada, Channel.WHATSAPP, Channel.SMS, **_unless("delivered", "PT1S"))
    await world.reached(ada, ("whatsapp", "unknown"), ("sms", "delivered"))
    await world.reached(ada, ("whatsapp", "cancelled"), ("sms", "delivered"))
    assert [message["channel"] for message in await world.sandbox.messages()] == ["sms"]
    first, second = (await world.story(ada))[0]["attempts"]
    assert (first["state"], first["reason"], first["calls"]) == ("cancelled", "fell_back", 1)
    assert second["because"] == "whatsapp: not delivered within 0:00:01"
    told = [(data["channel"], data["status"], data["reason"]) for data in await world.published()]
    assert ("whatsapp", "cancelled", "fell_back") in told


async def test_an_older_attempt_never_leaves_once_there_is_a_newer_one(world: World) -> None:
    ada = world.people.add(**TRAITS)
    await world.send_one(ada, *RANKED, **_unless("delivered", "PT1H"))
    await world.sql("UPDATE message SET number = 2, position = 1")
    await world.dispatch()
    await world.reached(ada, ("whatsapp", "cancelled"))
    assert await world.sandbox.messages() == []
    assert (await world.story(ada))[0]["attempts"][0]["reason"] == "fell_back"


async def test_who_queues_an_attempt_again_waits_for_whoever_is_moving_its_message_on(world: World) -> None:
    ada = world.people.add(**TRAITS)
    await world.send_one(ada, *RANKED, **_unless("delivered", "PT1H"))
    await world.sql("UPDATE attempt SET state = 'unknown', unknown_since = now()")
    (attempt,) = (await world.sql("SELECT id FROM attempt"))[0]

    async def again() -> dict[UUID, str]:
        async with world.database.begin() as session:
            return await settling.settle(session, [Settled(attempt, "queued")])

    async with world.database.begin() as mover:
        await settling.hold(mover, [attempt])
        await mover.execute(text("UPDATE message SET number = 2, position = 1"))
        queueing = asyncio.create_task(again())
        await until(lambda: world.sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
    assert await queueing == {attempt: "cancelled"}
