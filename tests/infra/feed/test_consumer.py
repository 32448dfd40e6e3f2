"""The consumer's side: every item is applied exactly once, whatever fails in between."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.feed import FeedItem
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.db import Database
from infra.errors import Conflict, Rejected, Unavailable
from infra.feed.consumer import FeedConsumer, Moved
from infra.feed.outbox import Happening, Outbox
from infra.http import ServiceClient
from infra.service import create_service
from tests.infra.feed.test_outbox import AT, happening, write


class Crash(BaseException):
    """The process ends here."""


class Ledger:
    """An effect that writes down what it applied; `fail` decides what goes wrong with an item."""

    def __init__(self, fail: Callable[[FeedItem], Exception | BaseException | None] = lambda _: None) -> None:
        self.fail = fail
        self.commits = 0

    async def prepare(self, items: Sequence[FeedItem]) -> Callable[[AsyncSession], Awaitable[None]]:
        async def write_down(session: AsyncSession) -> None:
            for item in items:
                await session.execute(text("INSERT INTO applied (item) VALUES (:id)"), {"id": item.id})
                if error := self.fail(item):
                    raise error

        return write_down

    def committed(self) -> None:
        self.commits += 1


def feed_client(outbox: Outbox, *, key: str = "key") -> ServiceClient:
    keyring = KeyRing((ApiKey(name="reader", sha256=hashed("key"), scopes=frozenset({Scope.FEED_READ})),))
    app = create_service("producer", description="", routers=[], keyring=keyring, outbox=outbox)
    return ServiceClient("producer", "http://producer", key=key, transport=httpx.ASGITransport(app))


@pytest.fixture
async def client(outbox: Outbox) -> AsyncIterator[ServiceClient]:
    async with feed_client(outbox) as client:
        yield client


def following(client: ServiceClient, consumer: Database, ledger: Ledger, *, page: int = 500) -> FeedConsumer:
    return FeedConsumer(feed="test", reader="me", client=client, database=consumer, effect=ledger, page=page)


async def applied(consumer: Database) -> list[str]:
    async with consumer.read() as session:
        return [str(row[0]) for row in await session.execute(text("SELECT item FROM applied ORDER BY number"))]


async def dead_letters(consumer: Database) -> list[tuple[str, str]]:
    async with consumer.read() as session:
        rows = await session.execute(text("SELECT item->>'id', error FROM feed_dead_letter ORDER BY number"))
        return [(row[0], row[1]) for row in rows]


async def test_a_crash_between_effect_and_cursor_leaves_an_item_that_is_applied_once(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, "a", "b", "c")
    with pytest.raises(Crash):
        await following(client, consumer, Ledger(lambda item: Crash() if item.id == "c" else None)).step(wait=0)
    assert await applied(consumer) == []
    restarted = following(client, consumer, Ledger())
    assert await restarted.step(wait=0) == 3
    assert await restarted.step(wait=0) == 0
    assert await applied(consumer) == ["a", "b", "c"]


async def test_nothing_is_lost_and_nothing_doubled_with_concurrent_writers_and_a_faulty_consumer(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    """Writers hold their transactions open at random, some are taken back; the consumer fails at random."""
    chance = random.Random(7)
    written: list[str] = []
    done = asyncio.Event()

    async def writer(number: int) -> None:
        for turn in range(25):
            ids = [f"{number}-{turn}-{part}" for part in range(chance.randrange(1, 5))]
            give_up = chance.random() < 0.15
            try:
                async with producer.begin() as session:
                    for one in ids:
                        await outbox.append(session, [happening(one)])
                        for _ in range(chance.randrange(8)):
                            await session.execute(text("SELECT 1"))
                    if give_up:
                        raise LookupError
            except LookupError:
                continue
            written.extend(ids)
            outbox.notify()

    async def follow() -> None:
        flaky = Ledger(lambda _: OperationalError("", None, Exception()) if chance.random() < 0.02 else None)
        feed = following(client, consumer, flaky, page=100)
        while True:
            finished = done.is_set()
            try:
                count = await feed.step(wait=0)
            except (OperationalError, Moved):
                continue
            if finished and count == 0:
                return

    reading = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.gather(*(writer(number) for number in range(8)))
    done.set()
    await asyncio.gather(*reading)
    assert Counter(await applied(consumer)) == Counter(written)
    assert await dead_letters(consumer) == []
    own_order = {one: place for place, one in enumerate(await applied(consumer))}
    for number in range(8):
        places = [own_order[one] for one in written if one.startswith(f"{number}-")]
        assert places == sorted(places)


async def test_an_item_that_cannot_be_applied_becomes_a_dead_letter_and_the_rest_is_applied(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, "a", "bad", "c")
    ledger = Ledger(lambda item: ValueError("no good") if item.id == "bad" else None)
    feed = following(client, consumer, ledger)
    assert await feed.step(wait=0) == 3
    assert await applied(consumer) == ["a", "c"]
    assert await dead_letters(consumer) == [("bad", "ValueError: no good")]
    assert await feed.step(wait=0) == 0
    assert ledger.commits == 2  # once for each item that was applied by itself


@pytest.mark.parametrize("error", [Unavailable("channels", "down"), Rejected("channels", 403, "scope")])
async def test_an_outage_or_a_refused_key_is_waited_out_and_kills_no_item(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database, error: Exception
) -> None:
    await write(outbox, producer, "a")
    with pytest.raises(type(error)):
        await following(client, consumer, Ledger(lambda _: error)).step(wait=0)
    assert await following(client, consumer, Ledger()).step(wait=0) == 1
    assert (await applied(consumer), await dead_letters(consumer)) == (["a"], [])


async def test_two_consumers_with_one_cursor_apply_a_page_once(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, *"abc")
    both = [following(client, consumer, Ledger()).step(wait=0) for _ in range(2)]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) in (["Moved", "int"], ["int", "int"])
    assert await applied(consumer) == ["a", "b", "c"]


async def test_a_consumer_whose_producer_was_replaced_is_told_and_applies_nothing(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, "a")
    feed = following(client, consumer, Ledger())
    await feed.step(wait=0)
    async with producer.begin() as session:
        await session.execute(text("UPDATE feed_epoch SET epoch = 'other', database_oid = 0"))
    async with feed_client(Outbox("test", producer)) as replaced:
        with pytest.raises(Rejected, match="Reconcile") as told:
            await following(replaced, consumer, Ledger()).step(wait=0)
    assert told.value.answered == Conflict.status
    assert await applied(consumer) == ["a"]


async def test_running_picks_up_new_items_and_tells_who_waits_for_a_position(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    feed = following(client, consumer, Ledger())
    running = asyncio.create_task(feed.run())
    await write(outbox, producer, "a")
    assert await feed.catch_up(await outbox.head(), patience=30)
    assert await applied(consumer) == ["a"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await write(outbox, producer, "b")
    assert not await feed.catch_up(await outbox.head(), patience=0)


async def test_a_reader_is_known_to_the_producer_by_what_it_has_applied(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, "a")
    feed = following(client, consumer, Ledger())
    await feed.step(wait=0)
    head = await outbox.head()
    await feed.step(wait=0)
    async with producer.read() as session:
        row = (await session.execute(text("SELECT name, cursor_xid, cursor_position FROM feed_reader"))).one()
    assert row.name == "me"
    assert head.endswith(f".{row.cursor_xid}.{row.cursor_position}")


async def test_only_a_key_with_the_scope_reads_a_feed(outbox: Outbox) -> None:
    async with feed_client(outbox, key="other") as stranger:
        with pytest.raises(Rejected) as refused:
            await stranger.get_bytes("/v1/feed")
    assert refused.value.answered == 401


async def test_a_value_that_postgresql_refuses_for_its_size_is_a_dead_letter_and_no_outage(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    """SQLAlchemy calls it an OperationalError, like a server that is away."""
    await write(outbox, producer, "a", "b", "c")

    class TooLong(Exception):
        sqlstate = "54000"

    ledger = Ledger(
        lambda item: OperationalError("INSERT", {}, TooLong("index row size exceeds the maximum")) if item.id == "b" else None
    )
    await following(client, consumer, ledger).step(wait=0)
    assert await applied(consumer) == ["a", "c"]
    assert [letter[0] for letter in await dead_letters(consumer)] == ["b"]


async def test_an_arithmetic_error_over_one_item_stops_nobody_else(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    await write(outbox, producer, "a", "b")
    await following(client, consumer, Ledger(lambda item: OverflowError() if item.id == "a" else None)).step(wait=0)
    assert await applied(consumer) == ["b"]


async def test_an_item_nested_deeper_than_the_json_parser_goes_holds_nobody_up(
    client: ServiceClient, outbox: Outbox, producer: Database, consumer: Database
) -> None:
    deep: dict[str, object] = {}
    for _ in range(230):
        deep = {"deeper": deep}
    await write(outbox, producer, "a")
    async with producer.begin() as session:
        await outbox.append(session, [Happening("thing.happened", "somebody", AT, deep, "deep")])
    await write(outbox, producer, "b")
    ledger = Ledger()
    consuming = following(client, consumer, ledger)
    for _ in range(3):
        await consuming.step(wait=0)
    assert await applied(consumer) == ["a", "deep", "b"]


async def test_an_item_of_no_readable_shape_is_buried_and_the_rest_goes_on(consumer: Database) -> None:
    """A newer or broken producer: its page cannot be parsed as a whole, and the item at fault not at all."""

    def item(name: str, number: int, **changes: object) -> dict[str, object]:
        whole = {"id": name, "source": "t", "type": "t", "subject": "s", "time": AT.isoformat(), "data": {}}
        return {**whole, "cursor": f"e.1.{number}", **changes}

    items = [item("a", 1), item("odd", 2, time="whenever"), item("b", 3)]

    def serve(request: httpx.Request) -> httpx.Response:
        after = int(request.url.params.get("after", "e.1.0").rpartition(".")[2])
        return httpx.Response(200, json={"items": items[after:], "next": "e.1.3"})

    async with ServiceClient("producer", "http://producer", transport=httpx.MockTransport(serve)) as client:
        consuming = following(client, consumer, Ledger())
        for _ in range(3):
            await consuming.step(wait=0)
    assert await applied(consumer) == ["a", "b"]
    async with consumer.read() as session:
        ((error, kept),) = (await session.execute(text("SELECT error, item->>'unreadable' FROM feed_dead_letter"))).all()
    assert error.startswith("time:")
    assert "'odd'" in kept
