"""Searching again for what came since an event was found: all that did, and nothing that was there to be seen."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from infra.db import Database
from tests.services.profiles.shop import Shop, identify, track

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def happened(shop: Shop, user: str, **ids: int) -> None:
    """Events with these ids, so many minutes after noon each, to somebody whose feed is read."""
    await shop.head()
    for name, minutes in ids.items():
        await shop.batch(track("X", userId=user, messageId=name, timestamp=(NOON + timedelta(minutes=minutes)).isoformat()))


async def found(shop: Shop, person: UUID, last: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"profile_id": str(person), "names": ["X"], "since": NOON.isoformat()}
    if last is not None:
        asked |= {"after": last["id"], "seen": last["seen"]}
    events: list[dict[str, Any]] = (await shop.post("/v1/events/search", {"filters": [asked]}))["events"][0]
    return events


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


async def test_a_search_behind_an_event_finds_what_happened_later_and_what_came_later(shop: Shop) -> None:
    await happened(shop, "u", early=1, middle=5, same=5, late=9)
    person = (await shop.user("u")).id
    _, middle, *_ = events = await found(shop, person)
    assert ids(events) == ["early", "middle", "same", "late"]
    await happened(shop, "u", behind=2, ahead=20)
    assert ids(await found(shop, person, middle)) == ["behind", "same", "late", "ahead"]


async def test_an_event_whose_transaction_was_open_when_others_were_found_is_found_behind_them(
    shop: Shop, database: Database
) -> None:
    """It has the lower number, and is written later. What came beside it is read once more: too much, never too little."""
    await happened(shop, "u", first=1)
    person = (await shop.user("u")).id
    async with database.begin() as session:
        at = NOON + timedelta(minutes=2)
        await session.execute(
            text(
                "INSERT INTO event (id, profile_id, type, name, properties, timestamp, received_at) "
                "VALUES ('slow', :person, 'track', 'X', '{}', :at, :at)"
            ),
            {"person": person, "at": at},
        )
        await happened(shop, "u", quick=3)
        quick = (await found(shop, person))[-1]
        assert quick["id"] == "quick"
    assert ids(await found(shop, person, quick)) == ["slow", "quick"]


async def test_the_events_of_somebody_who_was_merged_come_when_they_are_merged(shop: Shop) -> None:
    visitor = {"anonymousId": "v", "messageId": "theirs", "timestamp": (NOON + timedelta(minutes=1)).isoformat()}
    await happened(shop, "u", ours=5)
    await shop.batch(track("X", **visitor))
    person = (await shop.user("u")).id
    (ours,) = await found(shop, person)
    await shop.batch(identify(userId="u", anonymousId="v"))
    person = (await shop.user("u")).id
    assert ids(await found(shop, person, ours)) == ["theirs"]


async def test_what_was_seen_of_a_feed_that_was_restored_since_says_nothing(shop: Shop, database: Database) -> None:
    await happened(shop, "u", first=1, second=2)
    person = (await shop.user("u")).id
    *_, second = await found(shop, person)
    assert await found(shop, person, second) == []
    async with database.begin() as session:
        await session.execute(text("UPDATE feed_epoch SET epoch = 'restored'"))
    assert ids(await found(shop, person, second)) == ["first", "second"]
    assert ids(await found(shop, person, second | {"id": "erased"})) == ["first", "second"]


async def test_a_cursor_that_is_none_is_refused(shop: Shop) -> None:
    asked = {"profile_id": str(UUID(int=1)), "names": ["X"], "since": NOON.isoformat(), "after": "e", "seen": "yesterday"}
    answer = await shop.client.post(
        "/v1/events/search", json={"filters": [asked]}, headers={"authorization": "Bearer service-key"}
    )
    assert answer.status_code == 422
