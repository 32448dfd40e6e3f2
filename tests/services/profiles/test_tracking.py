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
from tests.services.profiles.shop import SERVICE, WRITE_KEY, Shop, identify, track


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
