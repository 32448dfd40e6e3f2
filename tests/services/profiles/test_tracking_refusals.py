"""What the tracking API refuses: whole, with every place and a remedy."""

import gzip

import orjson
import pytest

from tests.services.profiles.shop import WRITE_KEY, Shop, identify, track

DEEP = orjson.loads('{"a":' * 100 + "1" + "}" * 100)


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
