"""Who is who: identify, alias, merges, and the order inside a batch."""

from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.profiles.shop import Shop, alias, identify, track


async def test_identify_with_both_ids_makes_the_visitor_known_and_keeps_what_they_did(shop: Shop) -> None:
    await shop.batch(track("Product Viewed", anonymousId="a"))
    await shop.batch(identify(userId="u", anonymousId="a", traits={"name": "Ada"}))
    await shop.batch(track("Order Completed", userId="u"))
    known = await shop.user("u")
    assert known == await shop.visitor("a")
    assert known.traits == {"name": "Ada"}
    assert known.identities == {"user_id": ("u",), "anonymous_id": ("a",)}
    assert await shop.events(known) == ["Product Viewed", "Order Completed"]


async def test_a_visitor_who_turns_out_to_be_a_known_person_is_merged_and_the_older_profile_survives(shop: Shop) -> None:
    await shop.batch(identify(userId="u", traits={"name": "Ada", "city": "Turin"}))
    old = await shop.user("u")
    await shop.batch(identify(anonymousId="a", traits={"city": "Rome", "pet": "cat"}), track("Page Viewed", anonymousId="a"))
    new = await shop.visitor("a")
    await shop.batch(identify(userId="u", anonymousId="a"))
    merged = await shop.user("u")
    assert merged.id == old.id
    assert merged.traits == {"name": "Ada", "city": "Turin", "pet": "cat"}
    assert (old.merged, merged.merged) == ((), (new.id,))
    assert merged.version > max(old.version, new.version)
    assert await shop.events(merged) == ["Page Viewed"]
    assert (await shop.lookup(new.id))[str(new.id)]["id"] == str(old.id)
    last = (await shop.feed())[-1]
    assert (last.type, last.subject, last.data["merged"]) == ("profiles.merged", str(old.id), str(new.id))
    assert last.data["traits"] == merged.traits
    assert last.data["version"] == merged.version
    assert await shop.counts() == (1, 1)


async def test_an_older_visitor_survives_the_merge_with_a_younger_known_person(shop: Shop) -> None:
    await shop.batch(track("Page Viewed", anonymousId="a"))
    visitor = await shop.visitor("a")
    await shop.batch(identify(userId="u", traits={"name": "Ada"}))
    await shop.batch(identify(userId="u", anonymousId="a"))
    merged = await shop.user("u")
    assert merged.id == visitor.id
    assert merged.traits == {"name": "Ada"}


async def test_two_known_people_who_share_a_device_are_never_merged_by_identify_or_by_the_devices_id(shop: Shop) -> None:
    await shop.batch(identify(userId="mother", anonymousId="tablet"))
    await shop.batch(identify(userId="child", anonymousId="tablet", traits={"age": 9}))
    await shop.batch(alias("tablet", "child", anonymousId="tablet"), alias("tablet", "child"))
    mother, child = await shop.user("mother"), await shop.user("child")
    assert mother.id != child.id
    assert child.traits == {"age": 9}
    assert child.identities["anonymous_id"] == ()
    assert await shop.visitor("tablet") == mother


async def test_alias_of_two_user_ids_merges_two_known_people(shop: Shop) -> None:
    await shop.batch(identify(userId="old@example.com", traits={"name": "A", "plan": "free"}))
    await shop.batch(identify(userId="42", traits={"name": "Ada"}))
    await shop.batch(alias("old@example.com", "42"))
    person = await shop.user("42")
    assert person == await shop.user("old@example.com")
    assert person.traits == {"name": "Ada", "plan": "free"}
    assert person.identities["user_id"] == ("42", "old@example.com")


async def test_alias_gives_a_visitor_a_user_id(shop: Shop) -> None:
    await shop.batch(track("Page Viewed", anonymousId="a"), alias("a", "u"))
    assert (await shop.user("u")).id == (await shop.visitor("a")).id


async def test_identify_replaces_top_level_traits_and_null_removes_one(shop: Shop) -> None:
    await shop.batch(identify(userId="u", traits={"name": "Ada", "address": {"city": "Turin", "zip": "1"}, "vip": 1}))
    await shop.batch(identify(userId="u", traits={"address": {"city": "Rome"}, "name": None, "vip": True}))
    person = await shop.user("u")
    assert person.traits == {"address": {"city": "Rome"}, "vip": True}
    assert person.traits["vip"] is True
    await shop.batch(identify(userId="u", traits={"vip": True}))
    assert (await shop.user("u")).version == person.version


async def test_chains_of_merges_lead_every_old_id_to_the_one_survivor(shop: Shop) -> None:
    for name in ("a", "b", "c"):
        await shop.batch(identify(userId=name))
    before = [await shop.user(name) for name in ("a", "b", "c")]
    await shop.batch(alias("c", "b"))
    await shop.batch(alias("b", "a"), track("Order Completed", userId="c"))
    found = await shop.lookup(*(profile.id for profile in before))
    assert {profile["id"] for profile in found.values()} == {str(before[0].id)}
    assert len(found) == 3
    assert await shop.events(before[0]) == ["Order Completed"]


_IDS = st.sampled_from(["x", "y", "z"])
_TRAITS = st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from([1, 2, None]), max_size=2)
_MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda a, t: identify(anonymousId=a, traits=t), _IDS, _TRAITS),
        st.builds(lambda u, a, t: identify(userId=f"u{u}", anonymousId=a, traits=t), _IDS, _IDS, _TRAITS),
        st.builds(lambda a: track("Seen", anonymousId=a), _IDS),
        st.builds(lambda u, a: track("Bought", userId=f"u{u}", anonymousId=a), _IDS, _IDS),
        st.builds(lambda a, u: alias(a, f"u{u}"), _IDS, _IDS),
        st.builds(lambda p, u: alias(f"u{p}", f"u{u}"), _IDS, _IDS),
    ),
    min_size=1,
    max_size=12,
)


async def _outcome(shop: Shop, after: str, prefix: str) -> list[object]:
    """What a run left behind; profiles are numbered in the order of the feed, since their ids differ."""
    numbers: dict[str, int] = {}

    def number(profile: object) -> int:
        return numbers.setdefault(str(profile), len(numbers))

    seen: list[object] = []
    for item in await shop.feed(after):
        data = {key: value for key, value in item.data.items() if key not in ("id", "timestamp", "created_at", "merged")}
        seen.append((item.type, number(item.subject), data, number(item.data["merged"]) if "merged" in item.data else None))
    for kind, first in (("user_id", "u"), ("anonymous_id", "")):
        for name in "xyz":
            found = await shop.find(**{kind: f"{prefix}{first}{name}"})
            if found is not None:
                identities = {kind: [value.removeprefix(prefix) for value in values] for kind, values in found.identities.items()}
                seen.append((name, number(found.id), found.traits, found.version, identities, await shop.events(found)))
    return seen


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=_MESSAGES)
async def test_a_batch_leaves_what_its_messages_leave_one_by_one(shop: Shop, messages: list[dict[str, Any]]) -> None:
    outcomes = []
    for whole in (True, False):
        prefix = f"{uuid4()}-"
        own = [{key: prefix + value if key.endswith("Id") else value for key, value in message.items()} for message in messages]
        after = await shop.head()
        for part in [own] if whole else [[message] for message in own]:
            await shop.batch(*part)
        outcomes.append(await _outcome(shop, after, prefix))
    assert outcomes[0] == outcomes[1]
