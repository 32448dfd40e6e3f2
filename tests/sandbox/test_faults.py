"""Faults: every way in which a provider lets its clients down."""

import asyncio
import random

import httpx
import pytest
import requests
from py_vapid import Vapid02
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]

from tests.sandbox.support import Receiver, Sandbox, in_thread, until
from tests.sandbox.test_push import push, subscribe, vapid
from tests.sandbox.test_sendgrid import mail, post
from tests.sandbox.test_twilio import ADA, SHOP, refused, send

__all__ = ["vapid"]


async def test_a_rate_limit_names_the_time_to_wait_and_is_used_up(sandbox: Sandbox) -> None:
    await sandbox.post("/api/faults", {"effect": "rate_limit", "channel": "sms", "times": 2, "retry_after": 7})
    auth = (sandbox.settings.twilio_account_sid, sandbox.settings.twilio_auth_token.get_secret_value())
    url = f"/2010-04-01/Accounts/{auth[0]}/Messages.json"
    answer = await sandbox.http.post(url, data={"To": ADA, "From": SHOP, "Body": "x"}, auth=auth)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (429, "7", 20429)
    assert (await refused(sandbox)).status == 429
    await send(sandbox)
    assert len(await sandbox.messages()) == 1


async def test_an_error_may_come_before_or_after_the_message_was_accepted(sandbox: Sandbox) -> None:
    await sandbox.post("/api/faults", {"effect": "error", "times": 1})
    assert (await post(sandbox, mail())).status_code == 503
    assert await sandbox.messages() == []
    await sandbox.post("/api/faults", {"effect": "error", "status": 500, "recorded": True, "times": 1})
    assert (await post(sandbox, mail())).status_code == 500
    assert len(await sandbox.messages()) == 1


async def test_after_an_answer_that_never_came_the_callback_tells_the_outcome(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    await sandbox.post("/api/faults", {"effect": "timeout", "recorded": True, "to": ADA})
    client = sandbox.twilio()
    client.http_client = TwilioHttpClient(timeout=1)
    params = {"to": ADA, "from_": SHOP, "body": "x", "status_callback": f"{receiver_url}/status?attempt=a-1"}
    with pytest.raises(requests.exceptions.Timeout):
        await in_thread(lambda: client.messages.create(**params))
    [delivered] = await receiver.statuses("delivered")
    assert delivered.query == "attempt=a-1"
    assert len(await sandbox.messages(attempt="a-1")) == 1


async def test_a_timeout_before_recording_leaves_no_message(sandbox: Sandbox) -> None:
    await sandbox.post("/api/faults", {"effect": "timeout", "channel": "email"})
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=0.2) as impatient:
        headers = {"Authorization": f"Bearer {sandbox.settings.sendgrid_api_key.get_secret_value()}"}
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post("/v3/mail/send", json=mail(), headers=headers)
    assert await sandbox.messages() == []


async def test_an_undelivered_message_carries_its_error_code(sandbox: Sandbox, receiver: Receiver, receiver_url: str) -> None:
    await sandbox.post("/api/faults", {"effect": "undelivered", "error_code": 30005, "to": ADA})
    sent = await send(sandbox, status_callback=f"{receiver_url}/status")
    [undelivered] = await receiver.statuses("undelivered")
    assert undelivered.form["ErrorCode"] == "30005"
    now = await in_thread(lambda: sandbox.twilio().messages(sent.sid or "").fetch())
    assert (now.status, now.error_code) == ("undelivered", 30005)
    other = await send(sandbox, to="+4915100000000", status_callback=f"{receiver_url}/status")
    await receiver.until(
        lambda rs: [r for r in rs if r.form["MessageSid"] == other.sid and r.form["MessageStatus"] == "delivered"]
    )


async def test_a_dropped_callback_never_comes_and_a_late_one_comes_last(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    await sandbox.post("/api/faults", {"effect": "drop_callback", "times": 1})
    dropped = await send(sandbox, status_callback=f"{receiver_url}/status")
    await sandbox.post("/api/faults", {"effect": "delay_callback", "seconds": 1.5, "times": 1})
    late = await send(sandbox, status_callback=f"{receiver_url}/status")
    prompt = await send(sandbox, status_callback=f"{receiver_url}/status")
    await receiver.until(
        lambda rs: [r for r in rs if r.form["MessageSid"] == late.sid and r.form["MessageStatus"] == "delivered"]
    )
    order = [r.form["MessageSid"] for r in receiver.received]
    assert dropped.sid not in order
    assert order == [prompt.sid, prompt.sid, late.sid, late.sid]
    assert (await sandbox.get(f"/api/messages/{dropped.sid}"))["status"] == "delivered"


async def test_a_delayed_answer_is_overtaken(sandbox: Sandbox) -> None:
    await sandbox.post("/api/faults", {"effect": "delay", "seconds": 1.5, "to": "slow@example.com"})
    slow = asyncio.create_task(post(sandbox, mail("slow@example.com")))

    async def struck() -> bool:
        return bool((await sandbox.get("/api/faults"))[0]["hits"])

    await until(struck)
    assert (await post(sandbox, mail())).status_code == 202
    assert not slow.done()
    assert (await slow).status_code == 202
    assert [m["to"] for m in await sandbox.messages()] == ["ada@example.com", "slow@example.com"]


async def test_a_fault_by_chance_is_the_same_for_the_same_seed(sandbox: Sandbox) -> None:
    fault = await sandbox.post("/api/faults", {"effect": "error", "probability": 0.5, "seed": 7})
    hits = [(await post(sandbox, mail())).status_code == 503 for _ in range(12)]
    chance = random.Random(7)
    assert hits == [chance.random() < 0.5 for _ in range(12)]
    [in_force] = await sandbox.get("/api/faults")
    assert (in_force["id"], in_force["hits"]) == (fault["id"], sum(hits))
    assert (await sandbox.http.delete(f"/api/faults/{fault['id']}")).json() == {"removed": 1}


async def test_all_faults_are_cleared_at_once(sandbox: Sandbox) -> None:
    for channel in ("sms", "email"):
        await sandbox.post("/api/faults", {"effect": "error", "channel": channel})
    with pytest.raises(TwilioRestException):
        await send(sandbox)
    assert (await sandbox.http.delete("/api/faults")).json() == {"removed": 2}
    await send(sandbox)


async def test_a_subscription_can_be_made_to_vanish(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox)
    await sandbox.post("/api/faults", {"effect": "gone", "channel": "web_push", "times": 1})
    assert (await push(subscription, vapid)).status_code == 410
    assert (await push(subscription, vapid)).status_code == 410
