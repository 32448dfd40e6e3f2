"""The sandbox's push service and browser, driven by pywebpush."""

import base64
import time
from typing import Any

import orjson
import pytest
import requests
from py_vapid import Vapid02
from pywebpush import WebPusher, webpush

from tests.sandbox.support import Receiver, Sandbox, in_thread


@pytest.fixture(scope="module")
def vapid() -> Vapid02:
    keys = Vapid02()
    keys.generate_keys()
    return keys


def public_key(vapid: Vapid02) -> str:
    numbers = vapid.public_key.public_numbers()
    raw = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def subscribe(sandbox: Sandbox, customer: str = "Ada", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await sandbox.post("/api/push-subscriptions", {"customer": customer, **more})
    return made


async def push(
    subscription: dict[str, Any], vapid: Vapid02 | None, data: str = '{"title": "Hi"}', **more: Any
) -> requests.Response:
    claims: dict[str, Any] = {"sub": "mailto:ops@example.com", **more.pop("claims", {})}
    if vapid is None:
        return await in_thread(lambda: WebPusher(subscription).send(data, ttl=60, timeout=10, **more))
    endpoint = subscription["endpoint"]
    claims.setdefault("aud", endpoint.split("/push/")[0])
    headers = {**vapid.sign(claims), **more.pop("headers", {})}
    options = {"ttl": 60, **more}
    return await in_thread(lambda: WebPusher(subscription).send(data, headers, timeout=10, **options))


async def test_what_pywebpush_encrypts_arrives_readable(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox)
    payload = {"title": "Bag empty?", "body": "Refill für Bello", "url": "https://shop.example/x", "attempt": "a-1"}
    answer = await in_thread(
        lambda: webpush(
            subscription,
            orjson.dumps(payload).decode(),
            vapid_private_key=vapid,
            vapid_claims={"sub": "mailto:ops@example.com"},
            ttl=60,
            timeout=10,
        )
    )
    assert not isinstance(answer, str)
    assert answer.status_code == 201
    [message] = await sandbox.messages(channel="web_push")
    assert answer.headers["Location"].endswith("/" + message["id"])
    assert (message["subject"], message["body"], message["attempt"]) == ("Bag empty?", "Refill für Bello", "a-1")
    assert (message["payload"], message["status"]) == (payload, "delivered")


async def test_a_subscription_belongs_to_the_named_customer(sandbox: Sandbox, vapid: Vapid02) -> None:
    ada = await sandbox.post("/api/customers", {"name": "Ada", "email": "ada@example.com"})
    subscription = await subscribe(sandbox, "ada@example.com")
    await push(subscription, vapid)
    [message] = await sandbox.messages(to="Ada")
    assert message["customer"] == ada["id"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://push.example"}, "aud"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"exp": int(time.time()) + 2 * 86400}, "24 hours"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused(sandbox: Sandbox, vapid: Vapid02, claims: dict[str, Any], why: str) -> None:
    answer = await push(await subscribe(sandbox), vapid, claims=claims)
    assert answer.status_code == 403
    assert why in answer.json()["error"]


async def test_a_token_signed_by_another_key_is_refused(sandbox: Sandbox, vapid: Vapid02) -> None:
    other = Vapid02()
    other.generate_keys()
    subscription = await subscribe(sandbox)
    token = other.sign({"aud": sandbox.url, "sub": "mailto:ops@example.com"})["Authorization"].split(",")[0]
    answer = await push(subscription, vapid, headers={"Authorization": f"{token},k={public_key(vapid)}"})
    assert answer.status_code == 403


async def test_a_subscription_made_for_one_sender_refuses_another(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox, application_server_key=public_key(vapid))
    assert (await push(subscription, vapid)).status_code == 201
    other = Vapid02()
    other.generate_keys()
    assert (await push(subscription, other)).status_code == 403


async def test_no_token_no_ttl_a_bad_topic_and_another_encoding_are_refused(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox)
    assert (await push(subscription, None)).status_code == 401
    headers = vapid.sign({"aud": sandbox.url, "sub": "mailto:ops@example.com"})
    assert (await sandbox.http.post(subscription["endpoint"], headers=headers)).status_code == 400
    assert (await push(subscription, vapid, headers={"Topic": "no spaces"})).status_code == 400
    assert (await push(subscription, vapid, content_encoding="aesgcm")).status_code == 400
    assert (await push(subscription, vapid, headers={"Topic": "offers"})).status_code == 201


async def test_a_message_may_have_4096_bytes_and_not_one_more(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox)
    overhead = 16 + 4 + 1 + 65 + 16 + 1  # header with the sender's key, tag and delimiter
    assert (await push(subscription, vapid, "x" * (4096 - overhead))).status_code == 201
    assert (await push(subscription, vapid, "x" * (4097 - overhead))).status_code == 413


async def test_a_message_for_somebody_elses_keys_is_accepted_and_lost_in_the_browser(sandbox: Sandbox, vapid: Vapid02) -> None:
    ada, bob = await subscribe(sandbox, "Ada"), await subscribe(sandbox, "Bob")
    assert (await push({**ada, "keys": bob["keys"]}, vapid)).status_code == 201
    [message] = await sandbox.messages()
    assert message["status"] == "undecryptable"


async def test_a_dropped_subscription_is_gone_and_an_unknown_one_not_found(sandbox: Sandbox, vapid: Vapid02) -> None:
    subscription = await subscribe(sandbox)
    identifier = subscription["endpoint"].rsplit("/", 1)[1]
    assert (await sandbox.http.delete(f"/api/push-subscriptions/{identifier}")).status_code == 204
    assert (await push(subscription, vapid)).status_code == 410
    unknown = {**subscription, "endpoint": f"{sandbox.url}/push/none"}
    assert (await push(unknown, vapid)).status_code == 404


async def test_a_click_on_a_notification_goes_where_its_payload_says(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str, vapid: Vapid02
) -> None:
    subscription = await subscribe(sandbox)
    await push(subscription, vapid, orjson.dumps({"title": "x", "data": {"url": f"{receiver_url}/c/1"}}).decode())
    [message] = await sandbox.messages()
    done = await sandbox.act(message["id"], "click")
    assert done["url"] == f"{receiver_url}/c/1"
    await receiver.until(lambda rs: [r for r in rs if r.path == "/c/1"])
