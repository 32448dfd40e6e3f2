"""What others who follow people ask: what changed since when, under the ids that the feed gives; and what a value rests on."""

from datetime import timedelta
from uuid import UUID

from contracts.segments import COMPUTED_TRAIT_CHANGED, MembershipsFound, MembershipsOfPerson
from tests.services.segments.shop import NOW, Segments
from tests.services.segments.test_membership import somebody


async def search(segments: Segments, *asked: tuple[UUID, str, str]) -> list[MembershipsOfPerson]:
    filters = [{"profile_id": str(who), "segments": [segment], "since": since} for who, segment, since in asked]
    response = await segments.client.post("/v1/memberships/search", json={"filters": filters})
    assert response.status_code == 200, response.text
    return list(MembershipsFound.model_validate_json(response.content).memberships)


async def test_a_look_back_finds_the_changes_since_an_instant_as_the_feed_told_them(segments: Segments) -> None:
    await segments.define("free", {"trait": "plan", "eq": "free"})
    ada, bob = somebody(), somebody()
    segments.feed.person(ada, 1, plan="free")
    await segments.settled()
    segments.feed.person(ada, 2, plan="paid")
    segments.feed.person(bob, 1, plan="free")
    await segments.settled()
    heard = await segments.heard(lambda items: len(items) >= 3)
    entered, left = (item for item in heard if item.subject == str(ada))
    early = NOW.isoformat()
    of_ada, of_bob, since_left = await search(
        segments, (ada, "free", early), (bob, "free", early), (ada, "free", str(left.data["at"]))
    )
    assert [(change.id, change.member) for change in of_ada.changes] == [(entered.id, True), (left.id, False)]
    assert (of_ada.member_of, list(of_bob.member_of)) == ({}, ["free"])
    assert [change.id for change in since_left.changes] == [left.id]


async def test_a_look_back_by_the_id_of_a_merged_profile_finds_the_survivors(segments: Segments) -> None:
    await segments.define("buyers", {"event": "Order"})
    ghost, ada = somebody(), somebody()
    segments.feed.event(ghost, "Order")
    await segments.settled()
    segments.feed.merge(ada, ghost, 2)
    await segments.settled()
    (found,) = await search(segments, (ghost, "buyers", (NOW - timedelta(days=1)).isoformat()))
    assert [change.member for change in found.changes] == [True]
    assert list(found.member_of) == ["buyers"]


async def test_the_feed_tells_of_a_changed_computed_trait_and_values_say_what_they_rest_on(segments: Segments) -> None:
    for event in ("Order", "Order", "Visit"):
        definition = {"event": event, "take": "last"}
        assert (await segments.client.put("/v1/computed-traits/seen_at", json=definition)).status_code == 200
    assert (await segments.computed([somebody()])).events == {"seen_at": "Visit"}
    assert (await segments.client.delete("/v1/computed-traits/seen_at")).status_code == 204
    heard = await segments.heard(lambda items: len(items) >= 3)
    assert [(item.type, item.data["key"]) for item in heard] == [(COMPUTED_TRAIT_CHANGED, "seen_at")] * 3
