"""Frequency caps: over all journeys and channels, with an answer to what took the place, whoever asks at the same time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.channels import Channel
from infra.errors import BadInput
from services.channels.rules import read_caps
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import World

SMS, EMAIL, WHATSAPP = Channel.SMS, Channel.EMAIL, Channel.WHATSAPP
TRAITS: dict[str, Any] = {"name": "Ada", "email": "ada@example.com", "phone": "+15550002001"}
DAILY = {"at_most": 1, "per": "P1D"}
FALLBACK = {"unless": "delivered", "within": "PT1H"}


def caps(*each: dict[str, Any]) -> str:
    return json.dumps(each)


async def lie_back(world: World, **span: float) -> None:
    """All that was sent so far was sent so much earlier."""
    await world.sql("UPDATE attempt SET created_at = created_at - CAST(:span AS interval)", span=timedelta(**span))


async def test_over_the_cap_marketing_waits_for_its_turn_and_says_what_took_it(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY))
    ada, bob = world.people.add("sms", "email", **TRAITS), world.people.add("sms", name="Bob", phone="+15550002002")
    first = await world.send_one(ada, EMAIL, purpose="marketing", journey="welcome", step="hello")
    assert first.status == "accepted"
    over = world.request(ada, SMS, purpose="marketing")
    (result,) = await world.send(over)
    assert (result.status, result.reason) == ("deferred", "frequency_cap")
    assert result.until is not None
    assert timedelta(hours=23) < result.until - datetime.now(UTC) <= timedelta(days=1)
    assert result.detail.startswith("at most 1 message in 1 day, and there was welcome/hello (email, ")
    assert len(await world.story(ada)) == 1
    assert (await world.send_one(ada, SMS)).status == "accepted"
    assert (await world.send_one(bob, SMS, purpose="marketing")).status == "accepted"
    await lie_back(world, hours=25)
    assert (await world.send(over))[0].status == "accepted"


async def test_a_message_that_is_not_to_wait_or_would_come_too_late_is_skipped_with_the_reason(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY | {"channel": "sms", "otherwise": "skip"}, DAILY | {"channel": "email"}))
    ada = world.people.add("sms", "email", **TRAITS)
    for channel in (SMS, EMAIL):
        assert (await world.send_one(ada, channel, purpose="marketing")).status == "accepted"
    skipped = await world.send_one(ada, SMS, purpose="marketing")
    assert (skipped.status, skipped.reason) == ("skipped", "frequency_cap")
    assert "by sms in 1 day, and there was hello (sms, " in skipped.detail
    soon = datetime.now(UTC) + timedelta(hours=1)
    expired = await world.send_one(ada, EMAIL, purpose="marketing", valid_until=soon)
    assert (expired.status, expired.reason) == ("skipped", "expired")
    assert {story["reason"] for story in await world.story(ada)} == {"", "frequency_cap", "expired"}


async def test_two_who_ask_at_once_do_not_both_get_the_last_place(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY | {"at_most": 2}))
    people = [world.people.add("sms", name=str(n), phone=f"+1555000{n:04}") for n in range(5)]

    async def ask() -> list[str]:
        return [each.status for each in await world.send(*(world.request(id_, SMS, purpose="marketing") for id_ in people))]

    answers = await asyncio.gather(*(ask() for _ in range(12)))
    assert [sum(statuses[n] == "accepted" for statuses in answers) for n in range(5)] == [2] * 5
    same_batch = world.people.add("sms", name="Eve", phone="+15550003000")
    wishes = [world.request(same_batch, SMS, purpose="marketing") for _ in range(4)]
    assert [each.status for each in await world.send(*wishes)] == ["accepted"] * 2 + ["deferred"] * 2


async def test_what_each_of_two_profiles_got_counts_after_they_were_merged(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY | {"at_most": 2}))
    older, visitor, newest = (world.people.add("sms", **TRAITS) for _ in range(3))
    for person in (older, visitor):
        assert (await world.send_one(person, SMS, purpose="marketing")).status == "accepted"
    world.people.change(older, merged=(visitor, newest))
    for asked in (older, visitor, newest):
        world.people.profiles[asked] = world.people.profiles[older]
        assert (await world.send_one(asked, SMS, purpose="marketing")).reason == "frequency_cap"


async def test_a_message_that_falls_back_counts_once_and_one_that_failed_gives_its_place_back(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY))
    ada = world.people.add("whatsapp", "sms", **TRAITS)
    await world.fault("undelivered", channel="whatsapp", error_code=63016)
    await world.dispatch()
    await world.send_one(ada, WHATSAPP, SMS, purpose="marketing", fallback=FALLBACK)
    await world.reached(ada, ("whatsapp", "rejected"), ("sms", "delivered"))
    assert (await world.send_one(ada, SMS, purpose="marketing")).status == "deferred"
    bob = world.people.add("whatsapp", "sms", name="Bob", phone="+15550002002")
    await world.send_one(bob, WHATSAPP, purpose="marketing")
    await world.reached(bob, ("whatsapp", "rejected"))
    assert (await world.send_one(bob, SMS, purpose="marketing")).status == "accepted"


async def test_a_fallback_waits_where_another_message_took_the_place_meanwhile(start_world: StartWorld) -> None:
    world = await start_world(frequency_caps=caps(DAILY | {"channel": "sms"}))
    ada = world.people.add("whatsapp", "sms", **TRAITS)
    await world.fault("undelivered", channel="whatsapp", error_code=63016)
    assert (await world.send_one(ada, SMS, purpose="marketing")).status == "accepted"
    await world.dispatch()
    await world.send_one(ada, WHATSAPP, SMS, purpose="marketing", fallback=FALLBACK)

    async def note() -> str:
        return str((await world.story(ada))[0]["fallback_note"])

    await world.reached(ada, ("sms", "delivered"), ("whatsapp", "rejected"))
    async with asyncio.timeout(30):
        while "frequency_cap" not in await note():
            await asyncio.sleep(0.02)
    assert await world.attempts(ada) == [("sms", "delivered"), ("whatsapp", "rejected")]
    await world.sql("UPDATE attempt SET sent_at = sent_at - interval '25 hours'")
    await world.sql("UPDATE message SET fallback_due = now() WHERE fallback_due IS NOT NULL")
    await world.reached(ada, ("sms", "delivered"), ("whatsapp", "rejected"), ("sms", "delivered"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "REIS_FREQUENCY_CAPS"),
        ('[{"at_most": 0, "per": "P1D"}]', "REIS_FREQUENCY_CAPS[0].at_most"),
        ('[{"at_most": 1}]', "per"),
    ],
)
def test_caps_that_cannot_be_read_are_refused_with_place_and_remedy(text: str, place: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_caps(text)
    assert place in caught.value.flaws[0].path
    assert "at_most" in caught.value.flaws[0].remedy
    assert read_caps("") == ()
