"""No message is lost or sent twice, whatever dies or stays silent."""

import asyncio
import signal
import sys
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from contracts.channels import Channel
from infra.settings import Settings
from tests.sandbox.support import Server, free_port
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import World, until


async def _spawn(world: World, profiles_url: str) -> asyncio.subprocess.Process:
    names = {name: field.alias for name, field in Settings.model_fields.items()}
    values = {str(names[name]): _plain(value) for name, value in world.settings if value is not None}
    values |= {"REIS_PROFILES_URL": profiles_url, "REIS_PORT": str(free_port()), "PATH": ""}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.services.channels.dispatcher_process", env=values)


def _plain(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


async def _all_out(world: World, ids: list[UUID]) -> bool:
    rows = await world.sql("SELECT count(*) FROM attempt WHERE state = 'sent'")
    return bool(rows[0][0] == len(ids))


@pytest.mark.parametrize(("channel", "callbacks"), [(Channel.SMS, True), (Channel.WHATSAPP, False), (Channel.EMAIL, True)])
async def test_a_dispatcher_killed_mid_way_loses_nothing_and_sends_nothing_twice(
    start_world: StartWorld, channel: Channel, *, callbacks: bool
) -> None:
    world = await start_world(provider_callbacks=callbacks)
    server = Server(world.people.app, 0)
    await server.start()
    world.stack.push_async_callback(server.stop)
    people = [world.people.add(name=f"P{n}", phone=f"+1555100{n:04}", email=f"p{n}@example.com") for n in range(200)]
    await world.send(*(world.request(person, channel) for person in people))
    await world.fault("delay", seconds=0.3)
    first = await _spawn(world, f"http://127.0.0.1:{server.port}")

    async def under_way() -> bool:
        calling = await world.sql("SELECT count(*) FROM attempt WHERE state = 'calling'")
        return bool(calling[0][0] and (await world.sandbox.get("/api/messages/count"))["total"] >= 40)

    await until(under_way, seconds=90)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    taken = (await world.sandbox.get("/api/messages/count"))["total"]
    left = (await world.sql("SELECT count(*) FROM attempt WHERE state IN ('claimed', 'calling')"))[0][0]
    assert taken < 200
    assert left > 0
    second = await _spawn(world, f"http://127.0.0.1:{server.port}")
    try:
        await until(lambda: _all_out(world, people), seconds=90)
    finally:
        second.terminate()
        await second.wait()
    messages = await world.sandbox.messages(limit=10_000)
    assert Counter(m["to"] for m in messages) == Counter(
        f"p{n}@example.com" if channel is Channel.EMAIL else f"+1555100{n:04}" for n in range(200)
    )


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
@pytest.mark.parametrize("effect", ["timeout", "error"])
@pytest.mark.parametrize("recorded", [True, False])
async def test_a_call_without_an_answer_ends_with_the_message_there_once(
    start_world: StartWorld, channel: Channel, effect: str, *, recorded: bool
) -> None:
    world = await start_world()
    await world.fault("drop_callback")
    await world.fault(effect, recorded=recorded, times=1)
    ada = world.people.add(name="Ada", phone="+15550002001", email="ada@example.com")
    await world.dispatch()
    await world.send_one(ada, channel)
    await world.reached(ada, (channel.value, "sent"))
    (message,) = await world.sandbox.messages(channel=channel.value)
    (story,) = await world.story(ada)
    assert story["attempts"][0]["calls"] == (1 if recorded else 2)
    assert message["attempt"] == story["attempts"][0]["id"]
    assert "unknown" in {receipt["status"] for receipt in story["receipts"]}


async def test_a_report_settles_an_unanswered_call_without_asking(start_world: StartWorld) -> None:
    world = await start_world(unknown_grace_seconds=60)
    await world.fault("error", recorded=True, times=1)
    ada = world.people.add(name="Ada", email="ada@example.com")
    await world.dispatch()
    await world.send_one(ada, Channel.EMAIL)
    await world.reached(ada, ("email", "delivered"))


async def test_a_push_of_unknown_fate_is_never_sent_again(world: World) -> None:
    await world.fault("error", recorded=True, times=1)
    ada = world.people.add(name="Ada", push_subscription=await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"}))
    await world.dispatch()
    await world.send_one(ada, Channel.WEB_PUSH)

    async def asked_often() -> bool:
        rows = await world.sql(
            "SELECT 1 FROM attempt WHERE state = 'unknown' AND check_at - unknown_since > interval '3 seconds'"
        )
        return bool(rows)

    await until(asked_often)
    assert len(await world.sandbox.messages()) == 1


async def test_two_alike_texts_to_one_number_both_arrive_though_neither_call_was_answered(world: World) -> None:
    await world.fault("drop_callback")
    await world.fault("error", recorded=True, times=1)
    await world.fault("error", recorded=False, times=1)
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.send(world.request(ada), world.request(ada))
    await world.dispatch()
    await world.reached(ada, ("sms", "sent"), ("sms", "sent"))
    assert len(await world.sandbox.messages()) == 2


async def test_a_refused_connection_is_tried_again_at_once_and_needs_no_look_up(start_world: StartWorld) -> None:
    world = await start_world(unknown_grace_seconds=600)
    port = world.sandbox.settings.port
    await world.sandbox.stop()
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.dispatch()
    await world.send_one(ada)

    async def tried() -> bool:
        return bool(await world.sql("SELECT 1 FROM attempt WHERE state = 'queued' AND reason LIKE 'not_taken%'"))

    await until(tried)
    world.sandbox = await type(world.sandbox).started(world.sandbox.settings.data_dir, port)
    world.stack.push_async_callback(world.sandbox.stop)
    await world.reached(ada, ("sms", "delivered"))
    assert len(await world.sandbox.messages()) == 1


async def test_a_provider_that_wants_fewer_calls_gets_each_message_once(world: World) -> None:
    await world.fault("rate_limit", retry_after=1, times=3)
    people = [world.people.add(name="P", phone=f"+1555100{n:04}") for n in range(10)]
    await world.dispatch()
    await world.send(*(world.request(person) for person in people))
    await until(lambda: _all_out(world, people))
    assert len(await world.sandbox.messages()) == 10
