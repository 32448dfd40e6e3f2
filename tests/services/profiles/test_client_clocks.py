"""Clients whose clocks are wrong, on a service whose clock is right: `sentAt` tells the two apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.clock import Clock
from tests.services.profiles.shop import WRITE_KEY, Shop, track

SLOW = timedelta(minutes=-10)
FAST = timedelta(days=40)


@pytest.fixture
def clock() -> Clock:
    """Real: only then can a client's be compared with it."""
    return Clock()


def shown(off: timedelta, ago: timedelta = timedelta(0)) -> str:
    """What a clock that is off by so much showed so long ago."""
    return (datetime.now(UTC) + off - ago).isoformat()


async def times(shop: Shop) -> dict[str, datetime]:
    return {str(item.data["name"]): item.time for item in await shop.feed() if item.type == "event.tracked"}


async def send(shop: Shop, path: str, body: dict[str, Any]) -> None:
    response = await shop.client.post(path, json=body, auth=WRITE_KEY)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("off", [SLOW, FAST])
async def test_a_batch_of_a_client_whose_clock_is_wrong_is_put_right_as_a_whole(shop: Shop, off: timedelta) -> None:
    first, second = shown(off, timedelta(seconds=65)), shown(off, timedelta(seconds=5))
    before = datetime.now(UTC)
    batch = [track("First", userId="u", timestamp=first), track("Second", userId="u", timestamp=second, sentAt="2001-01-01")]
    await send(shop, "/v1/batch", {"batch": batch, "sentAt": shown(off)})
    after = datetime.now(UTC)
    found = await times(shop)
    assert before - timedelta(seconds=66) <= found["First"] <= after - timedelta(seconds=65) + timedelta(milliseconds=1)
    assert found["Second"] - found["First"] == datetime.fromisoformat(second) - datetime.fromisoformat(first)


@pytest.mark.parametrize("off", [SLOW, FAST])
async def test_browsers_say_with_each_message_when_they_sent_it(shop: Shop, off: timedelta) -> None:
    before = datetime.now(UTC)
    stamp = shown(off)
    for path, name in (("/v1/t", "Alone"), ("/v1/batch", "Together")):
        message = track(name, userId="u", timestamp=stamp, sentAt=stamp)
        await send(shop, path, {"batch": [message]} if name == "Together" else message)
    found = await times(shop)
    for name in ("Alone", "Together"):
        assert before <= found[name] <= datetime.now(UTC)


async def test_what_a_client_in_step_says_is_kept_to_the_microsecond_however_long_the_network_took(shop: Shop) -> None:
    told = {"Long Ago": "2024-05-01T10:00:00.123456+00:00", "Now": shown(timedelta(0))}
    batch = [track(name, userId="u", timestamp=at) for name, at in told.items()]
    await send(shop, "/v1/batch", {"batch": batch, "sentAt": shown(timedelta(0), timedelta(seconds=3))})
    assert await times(shop) == {name: datetime.fromisoformat(at) for name, at in told.items()}


async def test_a_client_that_does_not_say_when_it_sent_is_believed(shop: Shop) -> None:
    stamp = shown(SLOW)
    silences: tuple[dict[str, str | None], ...] = ({}, {"sentAt": None}, {"sentAt": ""})
    for number, nothing in enumerate(silences):
        await send(shop, "/v1/batch", {"batch": [track(f"E{number}", userId="u", timestamp=stamp, **nothing)], **nothing})
    assert set((await times(shop)).values()) == {datetime.fromisoformat(stamp)}


async def test_an_event_that_no_correction_fits_keeps_its_time(shop: Shop) -> None:
    message = track("Future", userId="u", timestamp="2099-12-31T00:00:00+00:00")
    await send(shop, "/v1/batch", {"batch": [message], "sentAt": "1970-01-02T00:00:00Z"})
    assert (await times(shop))["Future"] == datetime(2099, 12, 31, tzinfo=UTC)


async def test_a_moment_of_sending_that_is_none_is_refused_with_its_place(shop: Shop) -> None:
    body = {"batch": [track("E", userId="u")], "sentAt": "soon"}
    response = await shop.client.post("/v1/batch", json=body, auth=WRITE_KEY)
    assert response.status_code == 400
    assert [flaw["path"] for flaw in response.json()["errors"]] == ["$.sentAt"]
    assert [flaw["path"] for flaw in await shop.refused(track("E", userId="u", sentAt=7))] == ["$.batch[0].sentAt"]
