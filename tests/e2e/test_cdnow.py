"""69,659 real purchases go in through the Segment client; every count, sum and segment is what the file says."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from segment.analytics import Client as SegmentClient

from conditions import EventFact, Person, evaluate, parse_condition
from contracts.profiles import EventFilter, EventSearch, EventsFound, ProfileLookup, ProfilesFound
from contracts.segments import Computed, ComputedLookup
from infra.local.system import LocalSystem
from tests.e2e.ports import own_ports
from tests.e2e.shop import Shop, open_shop, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

ORDER = "Order Completed"
AS_OF = datetime(1998, 7, 1, tzinfo=UTC)  # the day after the log's last one
NOON = time(12, tzinfo=UTC)
SEGMENTS: Mapping[str, dict[str, Any]] = {
    "three-orders-in-1997": {"event": ORDER, "between": ["1997-01-01", "1998-01-01"], "count": {"gte": 3}},
    "spent-over-200": {"event": ORDER, "sum": {"property": "total", "gt": 200}},
    "no-order-in-180-days": {"not": {"event": ORDER, "within": "P180D"}},
}


class Purchase(NamedTuple):
    customer: str
    day: date
    quantity: int
    total: Decimal


class Known(NamedTuple):
    """The population as the services know it: everybody by the customer number they were tracked with."""

    shop: Shop
    log: Mapping[str, list[Purchase]]
    ids: Mapping[UUID, str]

    def named(self, ids: list[UUID]) -> list[str]:
        return sorted(self.ids[each] for each in ids)


def read_log() -> Mapping[str, list[Purchase]]:
    """The purchases by customer, from the wheel of `lifetimes`, which is not imported."""
    spec = find_spec("lifetimes")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0], "datasets", "CDNOW_master.txt")
    log: dict[str, list[Purchase]] = defaultdict(list)
    for line in path.read_text().splitlines()[1:]:
        customer, day, quantity, total = line.split()
        log[customer].append(
            Purchase(customer, datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(), int(quantity), Decimal(total))
        )
    return log


def by_hand(log: Mapping[str, list[Purchase]], as_of: date) -> dict[str, list[str]]:
    """The three segments at the midnight that `as_of` begins with, of what was bought by then.

    Orders are dated noon, so one of 180 days ago still counts, and one of the day itself does not yet.
    """
    last = as_of - timedelta(days=180)
    log = {customer: [each for each in bought if each.day < as_of] for customer, bought in log.items()}
    rules: dict[str, Callable[[list[Purchase]], bool]] = {
        "three-orders-in-1997": lambda bought: sum(each.day.year == 1997 for each in bought) >= 3,
        "spent-over-200": lambda bought: sum(each.total for each in bought) > 200,
        "no-order-in-180-days": lambda bought: not any(each.day >= last for each in bought),
    }
    return {key: sorted(customer for customer, bought in log.items() if rule(bought)) for key, rule in rules.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Known]:
    """Profiles and segments alone, on a clock that starts at AS_OF; one segment is there before the first purchase."""
    log = read_log()
    assert (len(log), sum(map(len, log.values()))) == (23_570, 69_659)
    folder = tmp_path_factory.mktemp("cdnow")
    system = LocalSystem(folder, roles=("profiles", "segments"), clock_start=AS_OF, durable=False, environ=own_ports())
    async with system, open_shop(system) as shop:
        await define(shop, "early", "three-orders-in-1997")

        def buy(client: SegmentClient) -> None:
            for bought in log.values():
                for each in bought:
                    properties = {"total": float(each.total), "quantity": each.quantity}
                    client.track(each.customer, ORDER, properties, timestamp=datetime.combine(each.day, NOON))

        await shop.track(buy)

        async def projected() -> bool:
            everything = {"condition": {"event": ORDER, "count": {"gte": 1}}, "limit": 0}
            head = (await shop.profiles.get_json("/v1/feed/head"))["next"]
            asked = {"profile_ids": [], "position": head}
            await shop.segments.request("POST", "/v1/computed", asked)  # answers once the feed is applied up to there
            return bool((await query(shop, everything))["count"] == len(log))

        await until(projected, what="segments has read the feed")
        ids: dict[UUID, str] = {}
        everybody = await all_ids(shop, {"all": []})
        for some in chunks(everybody, 500):
            found = await shop.profiles.post("/v1/profiles/lookup", ProfileLookup(ids=tuple(some)), ProfilesFound)
            ids |= {each: profile.identities["user_id"][0] for each, profile in found.profiles.items()}
        yield Known(shop, log, ids)


async def test_every_purchase_arrives_once_with_its_very_values(known: Known) -> None:
    counts = await known.shop.profiles.get_json("/v1/counts")
    assert counts == {"profiles": 23_570, "events": 69_659}
    assert sorted(known.ids.values()) == sorted(known.log)
    stored = await events_of(known)
    for customer, events in stored.items():
        got = [(each.timestamp, each.properties) for each in events]
        bought = sorted(known.log[customer], key=lambda each: each.day)
        meant = [(datetime.combine(each.day, NOON), {"total": float(each.total), "quantity": each.quantity}) for each in bought]
        assert sorted(got, key=repr) == sorted(meant, key=repr)


async def test_counts_and_sums_of_every_customer_are_exact(known: Known) -> None:
    for key, take in (
        ("orders", {"take": "count"}),
        ("spent", {"take": "sum", "property": "total"}),
        ("discs", {"take": "sum", "property": "quantity"}),
    ):
        await known.shop.segments.request("PUT", f"/v1/computed-traits/{key}", {"event": ORDER, **take})
    for some in chunks(list(known.ids), 200):
        answer = await known.shop.segments.post("/v1/computed", ComputedLookup(profile_ids=tuple(some)), Computed)
        for each in some:
            bought = known.log[known.ids[each]]
            values = answer.traits[each]
            assert values["orders"] == len(bought)
            assert values["discs"] == sum(one.quantity for one in bought)
            assert Decimal(str(values["spent"])) == sum(one.total for one in bought)


@pytest.mark.parametrize("days", [0, -90], ids=["on the day after the log", "90 days before"])
async def test_sql_answers_for_an_instant_what_the_file_says(known: Known, days: int) -> None:
    at = AS_OF + timedelta(days=days)
    meant = by_hand(known.log, at.date())
    for key, condition in SEGMENTS.items():
        assert known.named(await all_ids(known.shop, condition, at)) == meant[key], key


@pytest.mark.parametrize("days", [0, -90], ids=["on the day after the log", "90 days before"])
async def test_python_answers_over_the_stored_events_what_the_file_says(known: Known, days: int) -> None:
    at = AS_OF + timedelta(days=days)
    stored = {
        customer: [each for each in events if each.timestamp <= at] for customer, events in (await events_of(known)).items()
    }
    meant = by_hand(known.log, at.date())
    for key, condition in SEGMENTS.items():
        parsed = parse_condition(condition)
        answers = {customer: evaluate(parsed, Person(events=events), at) for customer, events in stored.items()}
        assert sorted(customer for customer, answer in answers.items() if answer.matches) == meant[key], key
        if key == "spent-over-200" and days == 0:
            sums = {customer: answer.seen[f"events.{ORDER}"] for customer, answer in answers.items()}
            assert {c: (s["count"], Decimal(str(s["sum"]))) for c, s in sums.items() if isinstance(s, dict)} == {
                customer: (len(bought), sum(each.total for each in bought)) for customer, bought in known.log.items()
            }


async def test_memberships_are_what_the_file_says_in_real_time_and_computed_afterwards(known: Known) -> None:
    meant = by_hand(known.log, AS_OF.date())
    for key in SEGMENTS:
        await define(known.shop, key, key)
    for key in SEGMENTS:

        async def computed(key: str = key) -> bool:
            return bool((await known.shop.segments.get_json(f"/v1/segments/{key}"))["computed"])

        await until(computed, what=f"{key} is computed")
        assert known.named(await members(known.shop, key)) == meant[key], key
    assert known.named(await members(known.shop, "early")) == meant["three-orders-in-1997"]


async def define(shop: Shop, key: str, like: str) -> None:
    await shop.publish("segments", key, {"name": key, "condition": SEGMENTS[like]})


async def query(shop: Shop, body: dict[str, Any]) -> dict[str, Any]:
    return dict(orjson.loads(await shop.segments.request("POST", "/v1/query", body, timeout=60)))


async def all_ids(shop: Shop, condition: dict[str, Any], at: datetime | None = None) -> list[UUID]:
    """Everybody whom the condition holds for, by SQL, page by page."""
    found: list[UUID] = []
    while True:
        body = {"condition": condition, "at": at and at.isoformat(), "limit": 10_000, "after": str(found[-1]) if found else None}
        answer = await query(shop, body)
        found += [UUID(each) for each in answer["profile_ids"]]
        if len(answer["profile_ids"]) < 10_000:
            assert len(found) == answer["count"]
            return found


async def members(shop: Shop, key: str) -> list[UUID]:
    found: list[UUID] = []
    after: str | None = None
    while True:
        params: dict[str, str | int | float] = {"limit": 1000}
        if after:
            params["after"] = after
        page = await shop.segments.get_json(f"/v1/segments/{key}/members", params=params)
        found += [UUID(each["profile_id"]) for each in page["members"]]
        after = page["next"]
        if after is None:
            return found


async def events_of(known: Known) -> dict[str, list[EventFact]]:
    """Everybody's purchases as profiles has stored them."""
    stored: dict[str, list[EventFact]] = {}
    since = datetime(1990, 1, 1, tzinfo=UTC)
    for some in chunks(list(known.ids), 500):
        search = EventSearch(filters=tuple(EventFilter(profile_id=each, names=(ORDER,), since=since) for each in some))
        found = await known.shop.profiles.post("/v1/events/search", search, EventsFound)
        for each, events in zip(some, found.events, strict=True):
            stored[known.ids[each]] = [EventFact(e.id, e.name, e.timestamp, e.properties) for e in events]
    return stored


def chunks(ids: list[UUID], size: int) -> Iterator[list[UUID]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
