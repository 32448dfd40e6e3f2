"""What every adapter promises, asked of each with its real protocol; and what only one of them has."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from channels.message import (
    Accepted,
    Adapter,
    Asked,
    Content,
    EmailContent,
    Lookup,
    OutgoingMessage,
    PushContent,
    Refused,
    TextContent,
    Unknown,
)
from channels.network import new_session
from channels.sendgrid_mail import SendGridMail
from channels.twilio_messages import TwilioMessages
from channels.web_push import WebPush
from contracts.channels import Channel
from tests.sandbox.support import Sandbox

CONTENT: dict[Channel, Content] = {
    Channel.EMAIL: EmailContent(
        subject="Grüße", html="<p>Hallo &amp; ciao</p>", text="Hallo & ciao", unsubscribe_url="https://x.example/u/1"
    ),
    Channel.SMS: TextContent(body="Hallo & ciao"),
    Channel.WHATSAPP: TextContent(body="Hallo & ciao"),
    Channel.WEB_PUSH: PushContent(title="Hallo", body="& ciao", url="https://x.example/"),
}


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    started = await Sandbox.started(tmp_path)
    yield started
    await started.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as made:
        yield made


def vapid_key() -> str:
    raw = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def adapter_for(channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession, **more: Any) -> Adapter:
    match channel:
        case Channel.EMAIL:
            key = sandbox.settings.sendgrid_api_key.get_secret_value()
            mail: dict[str, Any] = {
                "api_key": key,
                "sender": "Shop <shop@example.com>",
                "api_url": sandbox.url,
                "timeout": 2.0,
            } | more
            return SendGridMail(session, **mail)
        case Channel.SMS | Channel.WHATSAPP:
            given: dict[str, Any] = {
                "account_sid": sandbox.settings.twilio_account_sid,
                "auth_token": sandbox.settings.twilio_auth_token.get_secret_value(),
                "senders": {Channel.SMS: "+15550001000", Channel.WHATSAPP: "+15550002000"},
                "callback_url": "http://127.0.0.1:9/v1/callbacks/twilio",
                "api_url": sandbox.url,
                "timeout": 2.0,
            }
            return TwilioMessages(session, **(given | more))
        case Channel.WEB_PUSH:
            return WebPush(
                session,
                private_key=vapid_key(),
                subject="mailto:shop@example.com",
                timeout=more.get("timeout", 2.0),
                private_endpoints=True,
            )


async def message_for(channel: Channel, sandbox: Sandbox) -> OutgoingMessage:
    addresses = {Channel.EMAIL: "ada@example.com", Channel.SMS: "+15550002001", Channel.WHATSAPP: "+15550002001"}
    if channel is Channel.WEB_PUSH:
        address = orjson.dumps(await sandbox.post("/api/push-subscriptions", {"customer": "Ada"})).decode()
    else:
        address = addresses[channel]
    return OutgoingMessage(attempt=uuid4(), channel=channel, address=address, content=CONTENT[channel])


@pytest.mark.parametrize("channel", list(Channel))
class TestEveryAdapter:
    async def test_an_accepted_message_is_there_word_for_word_with_our_id(
        self, channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        message = await message_for(channel, sandbox)
        outcome = await adapter_for(channel, sandbox, session).send(message)
        assert isinstance(outcome, Accepted)
        (seen,) = await sandbox.messages()
        assert seen["attempt"] == str(message.attempt)
        assert seen["body"].endswith("& ciao")
        assert outcome.provider_id

    async def test_too_many_requests_are_a_refusal_that_says_when_to_come_back(
        self, channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        await sandbox.post("/api/faults", {"effect": "rate_limit", "retry_after": 7})
        outcome = await adapter_for(channel, sandbox, session).send(await message_for(channel, sandbox))
        assert isinstance(outcome, Refused)
        assert (outcome.permanent, outcome.retry_after) == (False, 7)

    @pytest.mark.parametrize("effect", ["error", "timeout"])
    async def test_a_failing_or_silent_provider_leaves_the_fate_unknown(
        self, channel: Channel, effect: str, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        await sandbox.post("/api/faults", {"effect": effect, "recorded": True})
        outcome = await adapter_for(channel, sandbox, session, timeout=0.3).send(await message_for(channel, sandbox))
        assert isinstance(outcome, Unknown)

    async def test_without_a_connection_the_message_provably_did_not_leave(
        self, channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        message = await message_for(channel, sandbox)
        adapter = adapter_for(channel, sandbox, session)
        await sandbox.stop()
        outcome = await adapter.send(message)
        assert isinstance(outcome, Refused)
        assert not outcome.permanent

    async def test_looking_up_finds_what_is_there_and_only_that_or_cannot_tell(
        self, channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        adapter = adapter_for(channel, sandbox, session)
        message = await message_for(channel, sandbox)
        asked = Asked(message=message, called_at=datetime.now(UTC))
        before = await adapter.look_up(asked)
        sent = await adapter.send(message)
        after = await adapter.look_up(asked)
        assert isinstance(sent, Accepted)
        if channel is Channel.WEB_PUSH:
            assert before is after is Lookup.CANNOT_TELL
            return
        assert before is Lookup.ABSENT
        assert isinstance(after, Accepted)
        if channel in (Channel.SMS, Channel.WHATSAPP):
            assert after == sent
            assert await adapter.look_up(asked.model_copy(update={"taken": frozenset({sent.provider_id})})) is Lookup.ABSENT

    async def test_a_provider_that_cannot_be_asked_proves_nothing(
        self, channel: Channel, sandbox: Sandbox, session: aiohttp.ClientSession
    ) -> None:
        adapter = adapter_for(channel, sandbox, session)
        message = await message_for(channel, sandbox)
        await sandbox.stop()
        assert await adapter.look_up(Asked(message=message, called_at=datetime.now(UTC))) is Lookup.CANNOT_TELL


async def test_an_impossible_number_is_a_dead_address(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    message = OutgoingMessage(attempt=uuid4(), channel=Channel.SMS, address="+0", content=TextContent(body="x"))
    outcome = await adapter_for(Channel.SMS, sandbox, session).send(message)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.permanent, outcome.address_dead) == ("21211", True, True)


async def test_an_approved_whatsapp_template_is_sent_by_its_id_with_variables(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    sid = "HX" + "a" * 32
    await sandbox.post("/api/contents", {"sid": sid, "body": "Dear {{1}}"})
    content = TextContent(body="Dear Ada", content_sid=sid, content_variables={"1": "Ada"})
    message = OutgoingMessage(attempt=uuid4(), channel=Channel.WHATSAPP, address="+15550002001", content=content)
    assert isinstance(await adapter_for(Channel.WHATSAPP, sandbox, session).send(message), Accepted)
    assert [m["body"] for m in await sandbox.messages()] == ["Dear Ada"]


async def test_a_template_is_found_by_its_text_and_somebody_elses_message_leaves_its_fate_open(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    sid = "HX" + "a" * 32
    await sandbox.post("/api/contents", {"sid": sid, "body": "Dear {{1}}"})
    adapter = adapter_for(Channel.WHATSAPP, sandbox, session)
    content = TextContent(body="Dear Ada", content_sid=sid, content_variables={"1": "Ada"})
    other = await message_for(Channel.WHATSAPP, sandbox)
    ours = other.model_copy(update={"attempt": uuid4(), "content": content})
    asked = Asked(message=ours, called_at=datetime.now(UTC))
    assert await adapter.look_up(asked) is Lookup.ABSENT
    theirs = await adapter.send(other)
    assert isinstance(theirs, Accepted)
    assert await adapter.look_up(asked) is Lookup.CANNOT_TELL
    taken = asked.model_copy(update={"taken": frozenset({theirs.provider_id})})
    assert await adapter.look_up(taken) is Lookup.ABSENT
    sent = await adapter.send(ours)
    assert isinstance(sent, Accepted)
    assert await adapter.look_up(asked) == sent
    paraphrased = ours.model_copy(update={"content": content.model_copy(update={"body": "Hello Ada"})})
    assert await adapter.look_up(taken.model_copy(update={"message": paraphrased})) is Lookup.CANNOT_TELL


async def test_a_message_behind_more_than_twilio_lists_at_once_is_not_held_for_absent(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    adapter = adapter_for(Channel.SMS, sandbox, session)
    message = await message_for(Channel.SMS, sandbox)
    asked = Asked(message=message, called_at=datetime.now(UTC))
    for number in range(50):
        content = TextContent(body=f"Number {number}")
        await adapter.send(message.model_copy(update={"attempt": uuid4(), "content": content}))
    assert await adapter.look_up(asked) is Lookup.CANNOT_TELL


@pytest.mark.parametrize("gone", [404, 410])
async def test_a_dropped_subscription_is_a_dead_address(gone: int, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    message = await message_for(Channel.WEB_PUSH, sandbox)
    subscription = orjson.loads(message.address)
    if gone == 410:
        await sandbox.http.delete(f"/api/push-subscriptions/{subscription['endpoint'].rsplit('/', 1)[1]}")
    else:
        subscription["endpoint"] += "x"
        message = message.model_copy(update={"address": orjson.dumps(subscription).decode()})
    outcome = await adapter_for(Channel.WEB_PUSH, sandbox, session).send(message)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.address_dead) == (str(gone), True)


async def test_the_largest_push_is_taken_and_a_larger_one_is_not_tried(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    adapter = adapter_for(Channel.WEB_PUSH, sandbox, session)
    message = await message_for(Channel.WEB_PUSH, sandbox)
    frame = len(orjson.dumps({"title": "", "body": "", "url": "", "attempt": str(message.attempt)}))
    for size, wanted in ((3993 - frame, Accepted), (3994 - frame, Refused)):
        outcome = await adapter.send(message.model_copy(update={"content": PushContent(title="", body="x" * size)}))
        assert isinstance(outcome, wanted)


@pytest.mark.parametrize(
    "endpoint", ["https://127.0.0.1/x", "https://169.254.169.254/latest", "http://8.8.8.8/x", "https://[::1]/x"]
)
async def test_a_push_endpoint_inside_our_network_is_never_called(
    endpoint: str, sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    message = await message_for(Channel.WEB_PUSH, sandbox)
    inside = orjson.dumps(orjson.loads(message.address) | {"endpoint": endpoint}).decode()
    adapter = WebPush(session, private_key=vapid_key(), subject="mailto:shop@example.com")
    outcome = await adapter.send(message.model_copy(update={"address": inside}))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.permanent) == ("bad_subscription", True)


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
@pytest.mark.parametrize("status", [401, 403])
async def test_an_account_that_is_turned_away_says_nothing_about_the_message(
    channel: Channel, status: int, sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    await sandbox.post("/api/faults", {"effect": "error", "status": status})
    outcome = await adapter_for(channel, sandbox, session).send(await message_for(channel, sandbox))
    assert isinstance(outcome, Refused)
    assert (outcome.permanent, outcome.retry_after) == (False, 60.0)
