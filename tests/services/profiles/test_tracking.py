"""The tracking API, with the real Segment client and with what the other clients are known to send."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI
from segment.analytics.client import Client

from infra.clock import Clock
from infra.db import Database
from infra.local.ports import any_free
from services.profiles.app import create_app
from tests.services.profiles.conftest import KEYRING
from tests.services.profiles.shop import READER, SERVICE, WRITE_KEY, Shop, identify, track

DEEP = orjson.loads('{"a":' * 100 + "1" + "}" * 100)


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The service behind a real socket."""
    port = any_free()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest.mark.parametrize("compress", [False, True])
async def test_the_unmodified_segment_client_for_python_is_understood(address: str, shop: Shop, *, compress: bool) -> None:
    failures: list[object] = []
    told = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)

    def use() -> None:
        client = Client("write-key", host=address, gzip=compress, on_error=lambda error, _: failures.append(error))
        client.track(anonymous_id="a", event="Product Viewed", properties={"price": 9.5}, timestamp=told)
        client.identify("u", {"name": "Ada"}, anonymous_id="a")
        client.page("u", category="Docs", name="Start", properties={"url": "/"})
        client.screen("u", name="Home")
        client.group("u", "g1", {"plan": "pro"})
        client.alias("old", "u")
        client.flush()
        client.join()

    await asyncio.to_thread(use)
    assert failures == []
    person = await shop.user("u")
    assert person.traits == {"name": "Ada"}
    assert person.identities["anonymous_id"] == ("a", "old")
    events = (await shop.client.get(f"/v1/profiles/{person.id}/events", headers=SERVICE)).json()["events"]
    by_name = {event["name"]: event for event in events}
    assert set(by_name) == {"Product Viewed", "Page Viewed", "Screen Viewed", "Group Joined"}
    assert datetime.fromisoformat(by_name["Product Viewed"]["timestamp"]) == told
    assert by_name["Page Viewed"]["properties"] == {"name": "Start", "category": "Docs", "url": "/"}
    assert by_name["Group Joined"]["properties"] == {"group_id": "g1", "traits": {"plan": "pro"}}


@pytest.mark.parametrize(
    ("path", "message", "event"),
    [
        ("track", {"event": "Bought"}, "Bought"),
        ("page", {}, "Page Viewed"),
        ("screen", {}, "Screen Viewed"),
        ("group", {"groupId": "g"}, "Group Joined"),
        ("identify", {"traits": None}, None),
        ("alias", {"previousId": "p"}, None),
    ],
)
async def test_single_calls_have_a_long_and_a_short_path(
    shop: Shop, path: str, message: dict[str, Any], event: str | None
) -> None:
    for short in (path, path[0]):
        response = await shop.client.post(f"/v1/{short}", json={"userId": short, **message}, auth=WRITE_KEY)
        assert (response.status_code, response.content) == (200, b'{"success": true}')
        assert await shop.events(await shop.user(short)) == ([event] if event else [])
    assert (await shop.client.post("/v1/b", json={"batch": []}, auth=WRITE_KEY)).status_code == 200


async def test_many_single_calls_at_once_are_each_taken_once(shop: Shop) -> None:
    calls = [
        shop.client.post("/v1/t", json={"userId": f"u{n % 7}", "event": "E", "messageId": f"m{n % 90}"}, auth=WRITE_KEY)
        for n in range(120)
    ]
    assert {response.status_code for response in await asyncio.gather(*calls)} == {200}
    assert await shop.counts() == (7, 90)


async def test_what_browsers_send_is_taken_whatever_its_content_type(shop: Shop) -> None:
    body = orjson.dumps({"userId": None, "anonymousId": "a", "event": "E", "writeKey": "write-key", "messageId": None, "x": 1})
    for headers in ({"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, {}):
        assert (await shop.client.post("/v1/t", content=body, headers=headers)).status_code == 200
    packed = await shop.client.post("/v1/t", content=gzip.compress(body), headers={"content-encoding": "gzip"})
    assert packed.status_code == 200
    assert await shop.counts() == (1, 4)


async def test_numbers_are_taken_as_ids(shop: Shop) -> None:
    await shop.batch(track("E", userId=42), track("E", userId=42.0), track("E", userId="42"))
    assert len(await shop.events(await shop.user("42"))) == 3


async def test_a_missing_timestamp_is_the_clocks_now_and_a_given_one_is_kept(shop: Shop, clock: Clock) -> None:
    before = clock.now()
    await shop.batch(
        track("Now", userId="u"),
        track("Zoned", userId="u", timestamp="2024-01-01T10:00:00+05:30"),
        track("Bare", userId="u", timestamp="2024-01-02T10:00:00"),
    )
    items = {item.data["name"]: item for item in await shop.feed() if "name" in item.data}
    assert before <= items["Now"].time <= clock.now()
    assert items["Zoned"].time == datetime(2024, 1, 1, 4, 30, tzinfo=UTC)
    assert items["Bare"].time == datetime(2024, 1, 2, 10, tzinfo=UTC)


async def test_a_message_id_counts_once_in_a_batch_across_batches_and_across_kinds(shop: Shop) -> None:
    message = track("E", userId="u", messageId="1")
    await shop.batch(message, message)
    await shop.batch(message, track("F", userId="u", messageId="2"), identify(userId="u", traits={"x": 1}, messageId="1"))
    person = await shop.user("u")
    assert await shop.events(person) == ["E", "F"]
    assert person.traits == {}
    assert [item.type for item in await shop.feed()] == ["profile.changed", "event.tracked", "event.tracked"]


async def test_an_old_identify_that_is_sent_again_does_not_undo_a_newer_one(shop: Shop) -> None:
    first = identify(userId="u", traits={"city": "Turin"}, messageId="1")
    await shop.batch(first)
    await shop.batch(identify(userId="u", traits={"city": "Rome"}, messageId="2"))
    await shop.batch(first)
    assert (await shop.user("u")).traits == {"city": "Rome"}


@pytest.mark.parametrize(
    ("message", "path", "says"),
    [
        ({"type": "track", "userId": "u"}, "$.batch[1].event", "is missing"),
        ({"type": "track", "userId": "u", "event": 7}, "$.batch[1].event", "is a number"),
        ({"type": "track", "userId": "u", "event": "x" * 600}, "$.batch[1].event", "has 600 characters"),
        ({"type": "track", "event": "E"}, "$.batch[1].userId", "and so is anonymousId"),
        ({"type": "track", "event": "E", "userId": "", "anonymousId": None}, "$.batch[1].userId", "and so is anonymousId"),
        ({"type": "track", "event": "E", "userId": ["u"]}, "$.batch[1].userId", "is a list"),
        ({"type": "track", "event": "E", "userId": True}, "$.batch[1].userId", "is true or false"),
        ({"type": "track", "event": "E", "userId": "u" * 513}, "$.batch[1].userId", "has 513 characters"),
        ({"type": "track", "event": "E", "userId": "u", "properties": [1]}, "$.batch[1].properties", "is a list"),
        ({"type": "track", "event": "E", "userId": "u", "timestamp": "yesterday"}, "$.batch[1].timestamp", "'yesterday'"),
        ({"type": "track", "event": "E", "userId": "u", "timestamp": 1700000000}, "$.batch[1].timestamp", "1700000000"),
        (
            {"type": "track", "event": "E", "userId": "u", "timestamp": "0001-01-01T00:00:00+14:00"},
            "$.batch[1].timestamp",
            "0001",
        ),
        ({"type": "track", "event": "E", "userId": "u", "timestamp": "9999-12-31T00:00:00Z"}, "$.batch[1].timestamp", "9999"),
        ({"type": "track", "event": "E", "userId": "u", "properties": DEEP}, "$.batch[1].properties", "64 levels"),
        ({"type": "identify", "userId": "u", "traits": "x"}, "$.batch[1].traits", "is text"),
        ({"type": "alias", "userId": "u"}, "$.batch[1].previousId", "is missing"),
        ({"type": "alias", "previousId": "u"}, "$.batch[1].userId", "is missing"),
        ({"type": "group", "userId": "u"}, "$.batch[1].groupId", "is missing"),
        ({"type": "dance", "userId": "u"}, "$.batch[1].type", "'dance'"),
        ({"userId": "u"}, "$.batch[1].type", "None"),
        ("track", "$.batch[1]", "is not an object"),
        ({"type": "track", "event": "E", "userId": "u", "properties": {"a": ["\0"]}}, "$.batch[1].properties.a[0]", "U+0000"),
        ({"type": "track", "event": "E", "profileId": "x"}, "$.batch[1].profileId", "may not be sent with this key"),
    ],
)
async def test_a_malformed_message_refuses_its_whole_batch_and_names_the_place(
    shop: Shop, message: object, path: str, says: str
) -> None:
    flaws = await shop.refused(identify(userId="good"), message, track("E", userId="good"))
    assert any(flaw["path"] == path and says in flaw["message"] for flaw in flaws), flaws
    assert await shop.counts() == (0, 0)
    assert await shop.feed() == []


async def test_every_flaw_of_a_batch_is_named_at_once(shop: Shop) -> None:
    flaws = await shop.refused(track("", userId=[]), {"type": "x", "userId": "u"}, track("E", userId="u", timestamp="?"))
    assert [flaw["path"] for flaw in flaws] == [
        "$.batch[0].userId",
        "$.batch[0].event",
        "$.batch[1].type",
        "$.batch[2].timestamp",
    ]


async def test_an_event_over_32_kb_and_a_batch_over_500_kb_are_refused_whole(shop: Shop) -> None:
    big = track("E", userId="u", properties={"text": "x" * 33_000})
    assert [flaw["path"] for flaw in await shop.refused(track("E", userId="u"), big, status=413)] == ["$.batch[1]"]
    many = [track("E", userId="u", properties={"text": "x" * 30_000})] * 18
    assert "500 KB" in (await shop.refused(*many, status=413))[0]["message"]
    bomb = gzip.compress(orjson.dumps({"batch": [], "padding": "x" * 5_000_000}))
    assert (await shop.client.post("/v1/batch", content=bomb, auth=WRITE_KEY)).status_code == 413
    await shop.batch(*many[:16])
    assert await shop.counts() == (1, 16)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"batch": {}}', id="no list"),
        pytest.param(b"\x1f\x8bnot gzip", id="no gzip"),
        pytest.param(gzip.compress(b'{"batch": []}')[:-4], id="gzip cut short"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_with_a_remedy(shop: Shop, content: bytes) -> None:
    response = await shop.client.post("/v1/batch", content=content, auth=WRITE_KEY)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["remedy"]


@pytest.mark.parametrize("place", ["properties", "context"])
@pytest.mark.parametrize(
    ("levels", "inner", "padding"),
    [
        pytest.param(300, b"1", 33_000, id="in a large message"),
        pytest.param(990, b'"\\u0000"', 0, id="around U+0000"),
        pytest.param(990, b'"\\u0000"', 33_000, id="around U+0000 in a large message"),
    ],
)
async def test_what_is_nested_too_deep_is_refused_and_never_an_error_of_ours(
    shop: Shop, place: str, levels: int, inner: bytes, padding: int
) -> None:
    deep = b'{"a":' * levels + inner + b"}" * levels
    message = orjson.dumps(track("E", userId="u", text="x" * padding, **{place: "DEEP"})).replace(b'"DEEP"', deep)
    for path, body in (("/v1/batch", b'{"batch":[' + message + b"]}"), ("/v1/t", message)):
        response = await shop.client.post(path, content=body, auth=WRITE_KEY)
        assert response.status_code == 400, response.text
        flaws = response.json()["errors"]
        assert any("levels deep" in flaw["message"] and flaw["remedy"] == "flatten it" for flaw in flaws), flaws


async def test_a_key_may_come_by_basic_auth_as_bearer_or_in_the_body(shop: Shop) -> None:
    async def status(body: dict[str, Any] | None = None, **rest: Any) -> int:
        return (await shop.client.post("/v1/batch", json={"batch": [], **(body or {})}, **rest)).status_code

    assert await status(auth=WRITE_KEY) == 200
    assert await status(headers={"authorization": "Bearer write-key"}) == 200
    assert await status({"writeKey": "write-key"}) == 200
    assert await status(auth=("other", "")) == 401
    assert await status(headers={"authorization": "Basic ???"}) == 401
    assert await status({"writeKey": "other"}) == 401
    assert await status({"writeKey": 7}) == 401
    assert await status() == 401
    assert await status(headers=READER) == 403


async def test_a_write_key_may_do_nothing_but_track(shop: Shop, app: FastAPI) -> None:
    key = {"authorization": "Bearer write-key"}
    one = "00000000-0000-0000-0000-000000000000"
    for path in (f"/v1/profiles/{one}", f"/v1/profiles/{one}/events", f"/v1/profiles/{one}/consents", "/v1/counts", "/v1/feed"):
        assert (await shop.client.get(path, headers=key)).status_code == 403
        assert (await shop.client.get(path)).status_code == 401
    bodies: dict[str, dict[str, list[str]]] = {
        "/v1/profiles/lookup": {"ids": []},
        "/v1/profiles/update": {"updates": []},
        "/v1/consents": {"entries": []},
        "/v1/events/search": {"filters": []},
    }
    for path, body in bodies.items():
        assert (await shop.client.post(path, json=body, headers=key)).status_code == 403
        assert (await shop.client.post(path, json=body)).status_code == 401


async def test_browsers_may_track_from_any_site_and_nothing_else(shop: Shop) -> None:
    asks = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    asks["access-control-request-headers"] = "authorization,content-type"
    preflight = await shop.client.options("/v1/t", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    refused = await shop.client.post("/v1/t", json={}, headers={"origin": "https://shop.example"}, auth=WRITE_KEY)
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await shop.client.options("/v1/profiles/lookup", headers=asks)).headers


async def test_settings_name_the_key_and_where_to_send(shop: Shop) -> None:
    answer = await shop.client.get("/v1/projects/write-key/settings")
    assert answer.json()["integrations"]["Segment.io"] == {"apiKey": "write-key", "apiHost": "profiles/v1"}
    assert (await shop.client.get("/v1/projects/unknown/settings")).status_code == 401


async def test_settings_let_clients_take_tls_except_on_this_machine(shop: Shop) -> None:
    for host, protocol in (("track.example.com", None), ("127.0.0.1:8001", "http"), ("localhost:8001", "http")):
        answer = await shop.client.get("/v1/projects/write-key/settings", headers={"host": host})
        segment = answer.json()["integrations"]["Segment.io"]
        assert (segment["apiHost"], segment.get("protocol")) == (f"{host}/v1", protocol)


async def test_our_own_services_may_track_by_profile_id(shop: Shop) -> None:
    await shop.batch(track("E", anonymousId="a"))
    person = await shop.visitor("a")
    message = {"type": "track", "event": "Voucher Issued", "profileId": str(person.id)}
    response = await shop.client.post("/v1/batch", json={"batch": [message]}, headers=SERVICE)
    assert response.status_code == 200
    assert await shop.events(person) == ["E", "Voucher Issued"]


async def test_the_feed_says_what_happened_in_the_order_it_was_sent(shop: Shop) -> None:
    await shop.batch(
        track("Viewed", anonymousId="a", messageId="1", properties={"n": 1}),
        identify(userId="u", anonymousId="a", traits={"name": "Ada"}),
        track("Bought", userId="u", messageId="2"),
    )
    items = await shop.feed()
    assert [(item.type, item.data.get("name"), item.data.get("version")) for item in items] == [
        ("profile.changed", None, 1),
        ("event.tracked", "Viewed", None),
        ("profile.changed", None, 2),
        ("profile.changed", None, 3),
        ("event.tracked", "Bought", None),
    ]
    assert {item.subject for item in items} == {str((await shop.user("u")).id)}
    assert (items[1].id, items[1].data["id"], items[1].data["properties"]) == ("1", "1", {"n": 1})
    assert items[3].data["traits"] == {"name": "Ada"}


Sending = Callable[[int], list[dict[str, Any]]]


def _same_newcomers(number: int) -> list[dict[str, Any]]:
    order = range(20) if number % 2 else reversed(range(20))
    return [identify(userId=f"u{n}", anonymousId=f"a{n}", traits={f"t{number}": number}) for n in order]


def _same_messages(_number: int) -> list[dict[str, Any]]:
    return [identify(userId=f"u{n}", anonymousId=f"a{n}", traits={"n": n}, messageId=f"m{n}") for n in range(20)]


def _joining(number: int) -> list[dict[str, Any]]:
    visits = [track("Seen", anonymousId=f"a{n}", messageId=f"{number}-{n}") for n in range(20)]
    return [*visits, *(identify(userId=f"u{n}", anonymousId=f"a{n}") for n in range(number % 5, 20, 5)), *_known(20)]


def _known(count: int) -> list[dict[str, Any]]:
    return [identify(userId=f"u{n}") for n in range(count)]


@pytest.mark.parametrize("sending", [_same_newcomers, _same_messages, _joining])
async def test_batches_that_arrive_at_once_end_with_one_profile_a_person_and_lose_nothing(shop: Shop, sending: Sending) -> None:
    await asyncio.gather(*(shop.batch(*sending(number)) for number in range(10)))
    await shop.batch(*(identify(userId=f"u{n}", anonymousId=f"a{n}") for n in range(20)))
    profiles, events = await shop.counts()
    assert profiles == 20
    assert events == (200 if sending is _joining else 0)
    items = await shop.feed()
    gone: set[str] = set()
    for item in items:
        assert item.subject not in gone, "an item about a profile that was merged away before"
        if item.type == "profiles.merged":
            gone.add(str(item.data["merged"]))
    assert sum(item.type == "event.tracked" for item in items) == events
    for n in range(20):
        person = await shop.user(f"u{n}")
        assert person == await shop.visitor(f"a{n}")
        if sending is _same_newcomers:
            assert person.traits == {f"t{number}": number for number in range(10)}
        if sending is _same_messages:
            assert person.version == 2


async def test_a_batch_while_the_database_is_gone_is_answered_with_503_so_that_clients_send_it_again(
    profiles_url: str, clock: Clock
) -> None:
    database = Database(profiles_url.replace("/test_", "/no_such_"))
    transport = httpx.ASGITransport(create_app(database=database, keyring=KEYRING, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://profiles", auth=WRITE_KEY) as client:
        response = await client.post("/v1/batch", json={"batch": [track("E", userId="u")]})
    await database.close()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
