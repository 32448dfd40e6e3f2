"""What is malformed or not allowed is refused with the place and the remedy, and leaves nothing behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import orjson
import psycopg
import pytest
from psycopg import sql
from segment.analytics import Client as SegmentClient

from infra.db import service_url
from sandbox.signing import EventWebhookKey, twilio_signature
from tests.e2e.shop import Shop, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SERVICES = ("profiles", "segments", "channels", "journeys")
Places = dict[str, str]


def counts(shop: Shop) -> dict[str, int]:
    """Rows of every table of every service; who has read which feed how far is no part of what a request writes."""
    assert shop.system.runtime.database_url
    found: dict[str, int] = {}
    for service in SERVICES:
        url = service_url(shop.system.runtime.database_url, service).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
                assert row
                found[f"{service}.{table}"] = row[0]
    del found["profiles.feed_reader"], found["segments.feed_reader"], found["channels.feed_reader"]
    return found


@asynccontextmanager
async def unchanged(shop: Shop) -> AsyncIterator[None]:
    """Nothing half-written remains. What earlier tests left under way settles first."""
    before: dict[str, int] = {}

    async def settled() -> bool:
        nonlocal before
        last, before = before, counts(shop)
        return last == before

    await until(settled, what="the databases are at rest")
    yield
    assert counts(shop) == before


async def refused(
    shop: Shop, service: str, method: str, path: str, *, status: int, key: str | None = "", **request: Any
) -> tuple[str, Places]:
    """Sends a request, with the admin's key unless told; the problem's sentence, and remedy by place."""
    headers = dict(request.pop("headers", {}))
    if key is not None:
        headers["authorization"] = f"Bearer {key or shop.system.keys.admin_key}"
    async with httpx.AsyncClient(base_url=shop.system.url(service), timeout=30, trust_env=False) as client:
        answer = await client.request(method, path, headers=headers, **request)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    for error in problem["errors"]:
        assert error["path"], problem
        assert error["message"], problem
        assert error["remedy"], problem
    return problem["detail"], {error["path"]: f"{error['message']} → {error['remedy']}" for error in problem["errors"]}


async def test_a_malformed_journey_is_refused_with_every_error_at_once(shop: Shop) -> None:
    journey = {
        "key": "half-baked",
        "name": "Half-baked",
        "purpose": "marketing",
        "entry": {"event": "Baked"},
        "steps": [
            {"id": "one", "type": "send", "template": "no-such-template", "channels": ["email"]},
            {"id": "one", "type": "wait", "for": "P1D"},
            {"id": "three", "type": "branch", "paths": [{"id": "x", "if": {"segment": "no-such-segment"}, "steps": []}]},
        ],
    }
    async with unchanged(shop):
        _, places = await refused(shop, "journeys", "PUT", "/v1/journeys/half-baked", status=422, json=journey)
    assert "no-such-template" in places["$.steps[0].template"]
    assert any(place.startswith("$.steps[1]") for place in places)
    assert any(place.startswith("$.steps[2].paths[0].if") and "no-such-segment" in said for place, said in places.items())


async def test_a_journey_with_wrong_forms_is_refused_with_every_error_at_once(shop: Shop) -> None:
    journey = {
        "key": "half-baked",
        "name": "Half-baked",
        "purpose": "marketing",
        "entry": {"event": "Baked"},
        "steps": [
            {"id": "a", "type": "wait", "for": "a fortnight"},
            {"id": "b", "type": "sned", "template": "x", "channels": ["email"]},
            {"id": "c", "type": "send", "template": "x", "channels": ["pigeon"], "colour": "red"},
        ],
    }
    async with unchanged(shop):
        _, places = await refused(shop, "journeys", "PUT", "/v1/journeys/half-baked", status=422, json=journey)
    for start in ("$.steps[0].for", "$.steps[1]", "$.steps[2].channels", "$.steps[2].colour"):
        assert any(place.startswith(start) for place in places), (start, places)


async def test_one_malformed_event_refuses_its_whole_batch(shop: Shop) -> None:
    good = {"type": "track", "userId": "refused-1", "event": "Fine", "messageId": str(uuid4())}
    batch = {
        "batch": [good, {"type": "track", "userId": "refused-1"}, {**good, "timestamp": "yesterday"}, {**good, "userId": None}]
    }
    async with unchanged(shop):
        _, places = await refused(shop, "profiles", "POST", "/v1/batch", status=400, key=shop.system.keys.write_key, json=batch)
    assert set(places) == {"$.batch[1].event", "$.batch[2].timestamp", "$.batch[3].userId"}
    assert "ISO 8601" in places["$.batch[2].timestamp"]


async def test_the_segment_client_is_told_what_was_wrong(shop: Shop) -> None:
    told: list[Exception] = []
    async with unchanged(shop):

        def send() -> None:
            client = SegmentClient(
                shop.system.keys.write_key, host=shop.system.url("profiles"), on_error=lambda error, _: told.append(error)
            )
            client.track("refused-2", "x" * 513)
            client.flush()
            client.join()

        await asyncio.to_thread(send)
    assert len(told) == 1
    assert "400" in str(told[0])


async def test_a_malformed_template_is_refused_with_line_and_remedy(shop: Shop) -> None:
    template = {
        "email": {"subject": "Hi {{ profile.traits.name | shout }}", "html": "<p>\n{{ customer.name }}</p>"},
        "sms": {"body": "{% if profile.traits.vip %}Hello"},
        "whatsapp": {"body": "Hi", "content_sid": "wrong"},
    }
    async with unchanged(shop):
        _, places = await refused(shop, "channels", "PUT", "/v1/templates/odd", status=422, json=template)
        assert set(places) == {"$.whatsapp.content_sid"}
        del template["whatsapp"]
        _, places = await refused(shop, "channels", "PUT", "/v1/templates/odd", status=422, json=template)
    assert set(places) == {"$.email.subject", "$.email.html", "$.sms.body"}
    assert "no filter 'shout'" in places["$.email.subject"]
    assert "line 2: " in places["$.email.html"]
    assert "start with one of profile" in places["$.email.html"]


async def test_a_malformed_segment_and_computed_trait_are_refused(shop: Shop) -> None:
    segment = {"name": "Odd", "condition": {"all": [{"trait": "age", "gt": "many", "lt": 3}, {"event": "X", "within": "soon"}]}}
    trait = {"event": "X", "take": "sum"}
    async with unchanged(shop):
        _, places = await refused(shop, "segments", "PUT", "/v1/segments/odd", status=422, json=segment)
        _, of_trait = await refused(shop, "segments", "PUT", "/v1/computed-traits/odd", status=422, json=trait)
    assert any(place.startswith("$.condition.all[0]") for place in places)
    assert any(place.startswith("$.condition.all[1].within") for place in places)
    assert of_trait


def signed_by_twilio(shop: Shop, path: str, form: dict[str, str]) -> dict[str, Any]:
    url = shop.system.url("channels") + path
    signature = twilio_signature(shop.system.keys.twilio_auth_token, url, form)
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return {"content": urlencode(form), "headers": headers}


def signed_by_sendgrid(shop: Shop, body: bytes) -> dict[str, Any]:
    moment = str(int(time.time()))
    key = EventWebhookKey.from_pem(shop.system.keys.sendgrid_webhook_private_key)
    signature = {
        "x-twilio-email-event-webhook-signature": key.sign(moment, body),
        "x-twilio-email-event-webhook-timestamp": moment,
    }
    return {"content": body, "headers": signature}


TWILIO = "/v1/callbacks/twilio"
SENDGRID = "/v1/callbacks/sendgrid"
BOUNCE = orjson.dumps([{"event": "bounce", "email": "a@example.com", "sg_event_id": "refused", "timestamp": 1_700_000_000}])


async def test_malformed_callbacks_are_refused_though_they_are_signed(shop: Shop) -> None:
    async with unchanged(shop):
        wrong = signed_by_twilio(shop, f"{TWILIO}/inbound", {"Body": "from nobody"})
        _, places = await refused(shop, "channels", "POST", f"{TWILIO}/inbound", status=422, key=None, **wrong)
        assert "From or MessageSid is missing" in places["$"]
        for body in (b"no JSON", b'{"event": "open"}'):
            wrong = signed_by_sendgrid(shop, body)
            _, places = await refused(shop, "channels", "POST", SENDGRID, status=422, key=None, **wrong)
            assert "a callback of sendgrid cannot be read" in places["$"]


FORGED: Mapping[str, Callable[[Shop], dict[str, Any]]] = {
    "no signature": lambda shop: {"content": urlencode({"MessageSid": "SM1", "MessageStatus": "delivered"})},
    "another body": lambda shop: (
        signed_by_twilio(shop, TWILIO, {"MessageSid": "SM1", "MessageStatus": "sent"})
        | {"content": urlencode({"MessageSid": "SM1", "MessageStatus": "delivered"})}
    ),
    "another url": lambda shop: signed_by_twilio(shop, TWILIO + "?attempt=1", {"MessageSid": "SM1", "MessageStatus": "sent"}),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_callback_that_twilio_did_not_sign_is_refused(shop: Shop, how: str) -> None:
    async with unchanged(shop):
        detail, _ = await refused(shop, "channels", "POST", TWILIO, status=403, key=None, **FORGED[how](shop))
    assert "not signed by Twilio" in detail
    assert "TWILIO_AUTH_TOKEN" in detail
    assert "REIS_PUBLIC_URL" in detail


async def test_a_callback_that_sendgrid_did_not_sign_is_refused(shop: Shop) -> None:
    genuine = signed_by_sendgrid(shop, BOUNCE)
    forged = [
        {"content": BOUNCE},
        {**genuine, "content": BOUNCE.replace(b"a@", b"b@")},
        {**genuine, "headers": {**genuine["headers"], "x-twilio-email-event-webhook-timestamp": "1"}},
        {**genuine, "headers": {**genuine["headers"], "x-twilio-email-event-webhook-signature": "AAAA"}},
    ]
    async with unchanged(shop):
        for request in forged:
            detail, _ = await refused(shop, "channels", "POST", SENDGRID, status=403, key=None, **request)
            assert "not signed by SendGrid" in detail
            assert "SENDGRID_WEBHOOK_PUBLIC_KEY" in detail


CALLS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("profiles", "POST", "/v1/profiles/lookup", {"ids": []}),
    ("profiles", "POST", "/v1/consents", {"entries": []}),
    ("profiles", "GET", "/v1/feed", {}),
    ("segments", "PUT", "/v1/segments/x", {"name": "X", "condition": {"all": []}}),
    ("segments", "POST", "/v1/query", {"condition": {"all": []}}),
    ("channels", "POST", "/v1/messages", {"messages": []}),
    ("channels", "PUT", "/v1/templates/x", {"sms": {"body": "x"}}),
    ("journeys", "PUT", "/v1/journeys/x", {"key": "x"}),
    ("journeys", "POST", "/v1/steps", {"items": []}),
    ("journeys", "GET", "/v1/enrolments", {}),
)


async def test_calls_without_a_key_or_with_a_wrong_one_are_refused_everywhere(shop: Shop) -> None:
    async with unchanged(shop):
        for service, method, path, body in CALLS:
            for key in (None, "wrong"):
                detail, _ = await refused(shop, service, method, path, status=401, key=key, json=body)
                assert "Authorization: Bearer <key>" in detail
        for key in (None, "wrong"):
            await refused(shop, "profiles", "POST", "/v1/batch", status=401, key=key, json={"batch": []})


async def test_a_write_key_opens_nothing_but_tracking(shop: Shop) -> None:
    async with unchanged(shop):
        for service, method, path, body in CALLS:
            detail, _ = await refused(shop, service, method, path, status=403, key=shop.system.keys.write_key, json=body)
            assert "lacks the scope" in detail
            assert "use a key that has it" in detail


async def test_a_stale_or_foreign_feed_cursor_is_refused_and_says_what_to_do(shop: Shop) -> None:
    for service in ("profiles", "segments", "channels"):
        params = {"after": "0123456789ab.17.4"}
        detail, _ = await refused(shop, service, "GET", "/v1/feed", status=409, params=params)
        assert "belongs to epoch 0123456789ab" in detail
        assert "start without a cursor" in detail
        _, places = await refused(shop, service, "GET", "/v1/feed", status=422, params={"after": "yesterday"})
        assert "leave it out" in places["after"]
