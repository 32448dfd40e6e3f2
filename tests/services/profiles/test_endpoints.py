"""Look-ups, updates, consents and events, as services and people ask for them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from infra.clock import Clock
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import check, schema_of, upgrade
from services.profiles.names_seen import MOST
from tests.services.profiles.shop import READER, SERVICE, Shop, alias, identify, track


async def test_lookup_answers_by_the_id_asked_for_and_leaves_out_the_unknown(shop: Shop) -> None:
    await shop.batch(identify(userId="a", traits={"n": 1}), identify(userId="b"))
    a, b, stranger = (await shop.user("a")).id, (await shop.user("b")).id, uuid4()
    found = await shop.lookup(a, b, stranger, a)
    assert set(found) == {str(a), str(b)}
    assert found[str(a)]["traits"] == {"n": 1}
    assert found[str(a)]["identities"] == {"user_id": ["a"], "anonymous_id": []}


async def test_more_than_500_ids_are_refused_with_their_place(shop: Shop) -> None:
    response = await shop.client.post("/v1/profiles/lookup", json={"ids": [str(uuid4())] * 501}, headers=SERVICE)
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "$.ids"


async def test_an_update_reaches_into_objects_removes_by_null_and_counts_once(shop: Shop) -> None:
    await shop.batch(identify(userId="u", traits={"pet": {"name": "Bit", "age": 1}, "old": True}))
    person = await shop.user("u")
    update = {
        "profile_id": str(person.id),
        "message_id": "journey-1",
        "set": {"pet.age": 2, "pet.likes.food": "tuna", "old": None, "a.b": None},
        "timestamp": "2026-03-01T12:00:00Z",
    }
    assert await shop.post("/v1/profiles/update", {"updates": [update]}) == {"accepted": 1}
    assert await shop.post("/v1/profiles/update", {"updates": [update]}) == {"accepted": 0}
    updated = await shop.user("u")
    assert updated.traits == {"pet": {"name": "Bit", "age": 2, "likes": {"food": "tuna"}}}
    assert updated.version == person.version + 1
    last = (await shop.feed())[-1]
    assert (last.type, last.data["traits"], last.data["version"]) == ("profile.changed", updated.traits, updated.version)


async def test_an_update_of_a_merged_profile_reaches_the_survivor_and_of_nobody_is_left_out(shop: Shop) -> None:
    await shop.batch(identify(userId="a"), identify(userId="b"))
    merged = (await shop.user("b")).id
    await shop.batch(alias("b", "a"))
    updates = [
        {"profile_id": str(who), "message_id": str(who), "set": {"x": 1}, "timestamp": "2026-03-01T12:00:00Z"}
        for who in (merged, uuid4())
    ]
    assert await shop.post("/v1/profiles/update", {"updates": updates}) == {"accepted": 1}
    assert (await shop.user("a")).traits == {"x": 1}


async def test_search_answers_a_list_per_filter_in_order_of_event_time(shop: Shop) -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    for user in ("a", "b"):
        await shop.batch(
            *(
                track(name, userId=user, messageId=f"{user}{n}{name}", timestamp=(day + timedelta(days=n)).isoformat())
                for n in (2, 0, 1)
                for name in ("X", "Y")
            )
        )
    a, b = (await shop.user("a")).id, (await shop.user("b")).id
    since = (day + timedelta(days=1)).isoformat()
    filters = [
        {"profile_id": str(a), "names": ["X"], "since": since},
        {"profile_id": str(uuid4()), "names": ["X"], "since": since},
        {"profile_id": str(b), "names": ["X", "Y"], "since": since},
        {"profile_id": str(b), "names": [], "since": since},
    ]
    found = (await shop.post("/v1/events/search", {"filters": filters}))["events"]
    assert [[event["id"] for event in events] for events in found] == [["a1X", "a2X"], [], ["b1X", "b1Y", "b2X", "b2Y"], []]
    told = {"id": "a1X", "name": "X", "properties": {}, "timestamp": "2026-01-02T00:00:00Z", "depth": 0}
    assert found[0][0].items() >= told.items()


async def test_events_come_in_pages_newest_first_and_none_is_skipped_at_equal_times(shop: Shop) -> None:
    at = "2026-01-01T00:00:00Z"
    await shop.batch(*(track(str(n), userId="u", timestamp=at) for n in range(25)), identify(userId="u", traits={"x": 1}))
    person = await shop.user("u")
    names: list[str] = []
    query: dict[str, str] = {"limit": "10"}
    while True:
        page = (await shop.client.get(f"/v1/profiles/{person.id}/events", params=query, headers=SERVICE)).json()
        names += [event["name"] for event in page["events"]]
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert names == [str(n) for n in reversed(range(25))]
    odd = await shop.client.get(f"/v1/profiles/{person.id}/events", params={"before": "x"}, headers=SERVICE)
    assert (odd.status_code, odd.json()["errors"][0]["path"]) == (422, "before")


async def test_nobody_is_answered_with_404_and_a_senseless_question_with_422(shop: Shop) -> None:
    for path in (f"/v1/profiles/{uuid4()}", f"/v1/profiles/{uuid4()}/events", f"/v1/profiles/{uuid4()}/consents"):
        assert (await shop.client.get(path, headers=SERVICE)).status_code == 404
    assert (await shop.client.get("/v1/profiles?user_id=x", headers=SERVICE)).status_code == 404
    assert (await shop.client.get("/v1/profiles", headers=SERVICE)).status_code == 422
    assert (await shop.client.get("/v1/profiles?user_id=x&anonymous_id=y", headers=SERVICE)).status_code == 422


def _says(state: str, **rest: object) -> dict[str, object]:
    return {"channel": "email", "purpose": "newsletter", "state": state, "source": "form", **rest}


async def test_the_newest_consent_holds_and_the_ledger_keeps_all(shop: Shop) -> None:
    await shop.batch(identify(userId="u"))
    person = await shop.user("u")
    entries = [
        _says("granted", user_id="u", at="2026-01-01T00:00:00Z", wording="Yes, write to me"),
        _says("withdrawn", profile_id=str(person.id), at="2026-02-01T00:00:00Z"),
        _says("granted", user_id="u", at="2026-01-15T00:00:00Z"),
        _says("granted", user_id="u", channel="sms"),
    ]
    assert await shop.post("/v1/consents", {"entries": entries}) == {"accepted": 4}
    current = {(consent.channel, consent.purpose): consent.state for consent in (await shop.user("u")).consents}
    assert current == {("email", "newsletter"): "withdrawn", ("sms", "newsletter"): "granted"}
    ledger = (await shop.client.get(f"/v1/profiles/{person.id}/consents", headers=SERVICE)).json()
    assert [entry["state"] for entry in ledger["entries"]] == ["granted", "granted", "withdrawn", "granted"]
    assert (ledger["entries"][-1]["wording"], ledger["entries"][-1]["recorded_by"]) == ("Yes, write to me", "service")
    assert len(ledger["current"]) == 2
    changes = [item for item in await shop.feed() if item.type == "consent.changed"]
    assert [(item.data["channel"], item.data["state"]) for item in changes] == [("email", "withdrawn"), ("sms", "granted")]


async def test_a_no_of_somebody_nobody_knows_yet_is_kept(shop: Shop) -> None:
    await shop.post(
        "/v1/consents", {"entries": [_says("withdrawn", user_id="new"), _says("granted", user_id="new", channel="sms")]}
    )
    await shop.batch(identify(userId="new", traits={"x": 1}))
    person = await shop.user("new")
    assert {consent.channel: consent.state for consent in person.consents} == {"email": "withdrawn", "sms": "granted"}
    assert [item.type for item in await shop.feed()][:3] == ["profile.changed", "consent.changed", "consent.changed"]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (_says("granted"), "$.entries[1]"),
        (_says("granted", user_id="u", profile_id=str(uuid4())), "$.entries[1]"),
        (_says("granted", profile_id=str(uuid4())), "$.entries[1].profile_id"),
        (_says("granted", user_id="u", at="2099-01-01T00:00:00Z"), "$.entries[1].at"),
        (_says("granted", user_id="u", at="2026-01-01T00:00:00"), "$.entries[1].at"),
        (_says("maybe", user_id="u"), "$.entries[1].state"),
        (_says("withdrawn", user_id="u", restores="sms reply"), "$.entries[1].restores"),
    ],
)
async def test_one_wrong_consent_refuses_all_and_names_its_place(shop: Shop, entry: dict[str, object], path: str) -> None:
    body = {"entries": [_says("granted", user_id="u"), entry]}
    response = await shop.client.post("/v1/consents", json=body, headers=SERVICE)
    assert response.status_code == 422
    assert path in [flaw["path"] for flaw in response.json()["errors"]]
    assert await shop.counts() == (0, 0)


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(hours=1)])
async def test_a_no_from_a_clock_that_runs_ahead_holds_from_now_on(shop: Shop, clock: Clock, ahead: timedelta) -> None:
    await shop.post("/v1/consents", {"entries": [_says("granted", user_id="u")]})
    await shop.post("/v1/consents", {"entries": [_says("withdrawn", user_id="u", at=(clock.now() + ahead).isoformat())]})
    (consent,) = (await shop.user("u")).consents
    assert (consent.state, consent.at <= clock.now()) == ("withdrawn", True)
    await shop.post("/v1/consents", {"entries": [_says("granted", user_id="u")]})
    assert [consent.state for consent in (await shop.user("u")).consents] == ["granted"]


_LINK, _STOP = _says("withdrawn", source="link"), _says("withdrawn", source="sms reply")
_YES, _START = _says("granted"), _says("granted", source="sms reply", restores="sms reply")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ([_YES, _STOP, _START], "granted"),
        ([_YES, _STOP, _STOP, _START, _START], "granted"),
        ([_YES, _STOP, _START, _STOP], "withdrawn"),
        ([_STOP, _START], "withdrawn"),
        ([_YES, _LINK, _STOP, _START], "withdrawn"),
        ([_YES, _STOP, _LINK, _START], "withdrawn"),
        ([_STOP, _YES, _LINK, _START], "withdrawn"),
    ],
)
async def test_what_restores_gives_back_only_what_its_source_took(
    shop: Shop, said: list[dict[str, object]], holds: str, *, together: bool
) -> None:
    entries = [{**each, "user_id": "u"} for each in said]
    for some in [entries] if together else [[each] for each in entries]:
        await shop.post("/v1/consents", {"entries": some})
    assert [consent.state for consent in (await shop.user("u")).consents] == [holds]


async def test_what_restores_nothing_is_not_written(shop: Shop) -> None:
    assert await shop.post("/v1/consents", {"entries": [{**_START, "user_id": "u"}]}) == {"accepted": 0}
    assert (await shop.user("u")).consents == ()


async def test_consents_move_with_a_merge_and_a_later_no_wins_over_an_earlier_yes(shop: Shop) -> None:
    await shop.batch(identify(userId="a"), identify(userId="b"))
    entries = [
        _says("withdrawn", user_id="b", at="2026-02-02T00:00:00Z"),
        _says("granted", user_id="a", at="2026-02-01T00:00:00Z"),
    ]
    await shop.post("/v1/consents", {"entries": entries})
    await shop.batch(alias("b", "a"))
    assert [consent.state for consent in (await shop.user("a")).consents] == ["withdrawn"]


async def test_created_at_is_when_the_person_was_first_heard_of(shop: Shop, clock: Clock) -> None:
    before = clock.now()
    await shop.batch(track("E", userId="u", timestamp="1997-01-01T00:00:00Z"))
    assert before <= (await shop.user("u")).created_at <= clock.now()


def test_models_and_migrations_agree(postgres: EmbeddedPostgres) -> None:
    postgres.create_databases(["drift"])
    upgrade(schema_of("profiles"), postgres.url("drift"))
    check(schema_of("profiles"), postgres.url("drift"))


async def test_an_alias_of_an_id_to_itself_changes_nobody(shop: Shop) -> None:
    await shop.batch(alias("same", "same"), track("E", userId="same"))
    assert await shop.events(await shop.user("same")) == ["E"]


async def test_an_emitted_event_is_taken_in_as_a_tracked_one_and_once(shop: Shop) -> None:
    await shop.batch(identify(userId="u"))
    person, before = await shop.user("u"), await shop.head()
    event = {
        "profile_id": str(person.id),
        "message_id": "e1:step:1",
        "event": "Score Known",
        "properties": {"score": 7},
        "timestamp": "2026-03-01T12:00:00Z",
        "depth": 3,
    }
    assert await shop.post("/v1/events/emit", {"events": [event, event]}) == {"accepted": 1}
    assert await shop.post("/v1/events/emit", {"events": [event, event | {"profile_id": str(uuid4()), "message_id": "x"}]}) == {
        "accepted": 0
    }
    (item,) = await shop.feed(before)
    assert (item.id, item.type, item.subject) == ("e1:step:1", "event.tracked", str(person.id))
    told = {"id": "e1:step:1", "name": "Score Known", "properties": {"score": 7}, "timestamp": "2026-03-01T12:00:00Z", "depth": 3}
    assert item.data == told | {"timestamp": "2026-03-01T12:00:00+00:00"}
    filters = [{"profile_id": str(person.id), "names": ["Score Known"], "since": "2026-01-01T00:00:00Z"}]
    ((found,),) = (await shop.post("/v1/events/search", {"filters": filters}))["events"]
    assert found.items() >= told.items()
    assert found["cursor"] == item.cursor
    assert await shop.events(person) == ["Score Known"]


@pytest.mark.parametrize(
    ("odd", "place"),
    [
        ({"properties": {"a": "\0"}}, "$.events[0].properties.a"),
        ({"properties": {"a": "x" * 40_000}}, "$.events[0].properties"),
        ({"timestamp": "2026-03-01T12:00:00"}, "$.events[0].timestamp"),
        ({"timestamp": "1066-03-01T12:00:00Z"}, "$.events[0].timestamp"),
    ],
)
async def test_an_emitted_event_is_held_to_the_rules_of_tracked_ones(shop: Shop, odd: dict[str, object], place: str) -> None:
    event = {"profile_id": str(uuid4()), "message_id": "m", "event": "E", "properties": {}, "timestamp": "2026-03-01T12:00:00Z"}
    response = await shop.client.post("/v1/events/emit", json={"events": [event | odd]}, headers=SERVICE)
    assert (response.status_code, response.json()["errors"][0]["path"]) == (422, place)


async def test_only_services_may_emit(shop: Shop) -> None:
    assert (await shop.client.post("/v1/events/emit", json={"events": []}, headers=READER)).status_code == 403


async def test_the_names_of_events_and_traits_that_anybody_has_sent_are_told_once_each(shop: Shop) -> None:
    assert await shop.names() == {"events": [], "traits": []}
    await shop.batch(
        identify(userId="a", traits={"pet": {"name": "Bit", "likes": {}}, "tier": "gold"}), track("Order", userId="a")
    )
    await shop.batch(
        track("Order", userId="b"), track("Refund", anonymousId="v"), identify(userId="b", traits={"tier": None, "n": [1]})
    )
    person = await shop.user("a")
    update = {"profile_id": str(person.id), "message_id": "j", "set": {"pet.age": 2}, "timestamp": "2026-03-01T12:00:00Z"}
    await shop.post("/v1/profiles/update", {"updates": [update]})
    assert await shop.names() == {"events": ["Order", "Refund"], "traits": ["n", "pet.age", "pet.likes", "pet.name", "tier"]}
    assert (await shop.client.get("/v1/names")).status_code == 401


async def test_names_that_data_makes_are_not_kept_without_end(shop: Shop) -> None:
    for start in range(0, MOST - 1, 500):
        await shop.batch(*(track(f"Viewed {number}", userId="a") for number in range(start, min(start + 500, MOST - 1))))
    events = (await shop.names())["events"]
    assert len(events or ()) == MOST - 1
    await shop.batch(*(track(f"Bought {number}", userId="a") for number in range(2)))
    assert await shop.names() == {"events": None, "traits": []}
