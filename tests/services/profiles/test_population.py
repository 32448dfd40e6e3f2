"""Everybody with what they did, page by page."""

from __future__ import annotations

from contracts.profiles import PersonWithPast, PopulationPage
from tests.services.profiles.shop import READER, WRITE_KEY, Shop


async def _page(shop: Shop, **params: str) -> PopulationPage:
    response = await shop.client.get("/v1/population", params=params, headers=READER)
    assert response.status_code == 200, response.text
    return PopulationPage.model_validate_json(response.content)


def _order(user: str, at: str) -> dict[str, object]:
    return {"type": "track", "userId": user, "event": "Order", "properties": {"by": user}, "timestamp": at}


async def test_pages_hold_everybody_once_with_their_events_in_order_of_time(shop: Shop) -> None:
    users = [f"u{number}" for number in range(5)]
    await shop.batch(*({"type": "identify", "userId": user, "traits": {"name": user}} for user in users))
    await shop.batch(_order("u3", "2026-02-03T09:00:00Z"), _order("u3", "2026-02-01T09:00:00Z"))
    found: list[PersonWithPast] = []
    page = await _page(shop, limit="2")
    while True:
        found += page.people
        if page.next is None:
            break
        page = await _page(shop, limit="2", after=str(page.next))
    assert sorted(str(each.profile.traits["name"]) for each in found) == users
    (past,) = [each.events for each in found if each.profile.traits["name"] == "u3"]
    assert [event.timestamp.day for event in past] == [1, 3]
    assert past[0].properties == {"by": "u3"}


async def test_only_events_of_the_span_come_its_end_excluded(shop: Shop) -> None:
    await shop.batch(*(_order("u", f"2026-02-0{day}T00:00:00Z") for day in range(1, 6)))
    page = await _page(shop, since="2026-02-02T00:00:00Z", until="2026-02-04T00:00:00Z")
    (person,) = page.people
    assert [event.timestamp.day for event in person.events] == [2, 3]


async def test_a_write_key_may_not_read_everybody(shop: Shop) -> None:
    response = await shop.client.get("/v1/population", auth=WRITE_KEY)
    assert response.status_code in (401, 403)
