"""Members by the page and by time zone, for those who enter journeys together."""

from typing import Any

from pydantic import JsonValue

from tests.services.segments.shop import Segments
from tests.services.segments.test_questions import somebody

GOLD: JsonValue = {"trait": "plan", "eq": "gold"}


async def page(segments: Segments, **query: Any) -> dict[str, Any]:
    response = await segments.client.post("/v1/segments/gold/members", json=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_pages_hold_every_member_once_with_their_traits(segments: Segments) -> None:
    people = sorted(str(segments.feed.person(somebody(), plan="gold", number=each)) for each in range(5))
    segments.feed.person(somebody(), plan="none")
    await segments.evaluate((somebody(), GOLD))
    await segments.define("gold", GOLD)
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        answer = await page(segments, limit=2, after=after)
        found += answer["members"]
        if (after := answer["next"]) is None:
            break
    assert [each["profile_id"] for each in found] == people
    assert {each["traits"]["plan"] for each in found} == {"gold"}


async def test_members_are_told_apart_by_zone_and_those_without_belong_to_the_others(segments: Segments) -> None:
    berlin = segments.feed.person(somebody(), plan="gold", timezone="Europe/Berlin")
    nowhere = segments.feed.person(somebody(), plan="gold", timezone="Nowhere")
    without = segments.feed.person(somebody(), plan="gold")
    await segments.evaluate((somebody(), GOLD))
    await segments.define("gold", GOLD)
    zones = (await segments.client.get("/v1/segments/gold/zones")).json()
    assert zones == {"zones": {"Europe/Berlin": 1, "Nowhere": 1}, "without": 1}
    of_berlin = await page(segments, zones=["Europe/Berlin"])
    others = await page(segments, zones=["Europe/Berlin"], others=True)
    assert {each["profile_id"] for each in of_berlin["members"]} == {str(berlin)}
    assert {each["profile_id"] for each in others["members"]} == {str(nowhere), str(without)}


async def test_an_unknown_segment_has_neither_members_nor_zones(segments: Segments) -> None:
    assert (await segments.client.post("/v1/segments/none/members", json={})).status_code == 404
    assert (await segments.client.get("/v1/segments/none/zones")).status_code == 404
