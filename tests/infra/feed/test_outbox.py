"""The producer's side: order, long poll, epochs, pruning."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from infra.db import Database
from infra.errors import BadInput, Conflict
from infra.feed.cursor import Cursor
from infra.feed.outbox import PARTITIONS, Happening, Outbox, partition_of
from infra.local.postgres import EmbeddedPostgres

AT = datetime(2026, 3, 1, tzinfo=UTC)


def happening(name: str, *, at: datetime = AT, subject: str = "somebody") -> Happening:
    return Happening("thing.happened", subject, at, {"name": name}, name)


async def write(outbox: Outbox, producer: Database, *names: str) -> None:
    async with producer.begin() as session:
        await outbox.append(session, [happening(name) for name in names])
    outbox.notify()


async def names(outbox: Outbox, after: str | None = None, *, wait: float = 0) -> list[str]:
    return [item.id for item in (await outbox.read(after, limit=100, wait=wait)).items]


async def test_a_row_of_a_transaction_that_commits_late_is_not_skipped(outbox: Outbox, producer: Database) -> None:
    """With the order of a bigserial, the reader would pass `early` by reading `late` first, and never see it."""
    async with producer.begin() as slow:
        await outbox.append(slow, [happening("early")])
        await write(outbox, producer, "late")
        page = await outbox.read(None, limit=100, wait=0)
        assert page.items == ()
    assert await names(outbox, page.next) == ["early", "late"]


async def test_a_transaction_that_is_taken_back_holds_up_nobody_for_ever(outbox: Outbox, producer: Database) -> None:
    class Failure(Exception):
        pass

    async def give_up() -> None:
        async with producer.begin() as session:
            await outbox.append(session, [happening("lost")])
            await write(outbox, producer, "kept")
            raise Failure

    with pytest.raises(Failure):
        await give_up()
    assert await names(outbox) == ["kept"]


async def test_pages_follow_each_other_without_gap_or_overlap(outbox: Outbox, producer: Database) -> None:
    for start in range(0, 20, 4):
        await write(outbox, producer, *(f"{number:02}" for number in range(start, start + 4)))
    seen: list[str] = []
    after: str | None = None
    while (page := await outbox.read(after, limit=3, wait=0)).items:
        seen += [item.id for item in page.items]
        after = page.next
    assert seen == [f"{number:02}" for number in range(20)]
    assert page.next == after == await outbox.head()


async def test_a_waiting_reader_gets_what_is_committed_meanwhile(outbox: Outbox, producer: Database) -> None:
    waiting = asyncio.create_task(names(outbox, wait=30))
    await write(outbox, producer, "new")
    assert await waiting == ["new"]


async def test_a_waiting_reader_of_another_process_gets_it_without_being_notified(outbox: Outbox, producer: Database) -> None:
    waiting = asyncio.create_task(names(Outbox("test", producer), wait=30))
    await write(outbox, producer, "new")
    assert await waiting == ["new"]


async def test_partitions_share_a_feed_between_them(outbox: Outbox, producer: Database) -> None:
    async with producer.begin() as session:
        await outbox.append(session, [happening(str(number), subject=f"person-{number}") for number in range(50)])
    shares = [range(PARTITIONS // 2), range(PARTITIONS // 2, PARTITIONS)]
    found = [{item.id for item in (await outbox.read(None, limit=100, wait=0, partitions=share)).items} for share in shares]
    assert found[0] | found[1] == {str(number) for number in range(50)}
    assert not found[0] & found[1]
    assert partition_of("person-1") == partition_of("person-1")


async def test_a_cursor_of_another_epoch_gets_a_clear_answer(
    outbox: Outbox, producer: Database, postgres: EmbeddedPostgres, database_url: str
) -> None:
    await write(outbox, producer, "a")
    cursor = await outbox.head()
    await producer.close()
    name = f"{producer.url.database}_copy"
    postgres.clone_database(str(producer.url.database), name)
    copied = Database(postgres.url(name))
    copy = Outbox("test", copied)
    with pytest.raises(Conflict, match="Reconcile, then start without a cursor"):
        await copy.read(cursor, limit=1, wait=0)
    with pytest.raises(Conflict):
        await copy.acknowledge("reader", cursor)
    assert await names(copy) == ["a"]
    await copied.close()
    postgres.drop_database(name)


async def test_a_cursor_from_the_future_tells_of_a_restored_backup(outbox: Outbox, producer: Database) -> None:
    await write(outbox, producer, "a")
    epoch, transaction, position = Cursor.parse(await outbox.head())
    with pytest.raises(Conflict, match="restored from a backup"):
        await outbox.read(str(Cursor(epoch, transaction + 1000, position)), limit=1, wait=0)


async def test_what_a_known_reader_has_not_passed_is_never_pruned(outbox: Outbox, producer: Database) -> None:
    for name in ("a", "b", "c", "young"):
        await write(outbox, producer, name)
    async with producer.begin() as session:  # what counts is when a row was written, not when its event says it happened
        await session.execute(text("UPDATE outbox SET written_at = now() - interval '9 days' WHERE id <> 'young'"))
    assert await outbox.prune(keep=timedelta(days=7)) == 0
    first, second, third, _ = (await outbox.read(None, limit=9, wait=0)).items
    await outbox.acknowledge("slow", first.cursor)
    await outbox.acknowledge("fast", third.cursor)
    assert await outbox.prune(keep=timedelta(days=7)) == 1
    await outbox.acknowledge("slow", second.cursor)
    assert await outbox.prune(keep=timedelta(days=7)) == 1
    await outbox.acknowledge("slow", await outbox.head())
    assert await outbox.prune(keep=timedelta(days=7)) == 1
    assert await names(outbox) == ["young"]


async def test_two_processes_that_start_at_once_agree_on_the_epoch(producer: Database) -> None:
    heads = await asyncio.gather(*(Outbox("test", producer).head() for _ in range(8)))
    assert len(set(heads)) == 1
    async with producer.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM feed_epoch"))).scalar_one() == 1


@given(st.integers(0), st.integers(0), st.integers(0), st.integers(0))
def test_a_cursor_survives_its_text_and_orders_by_transaction_then_position(a: int, b: int, c: int, d: int) -> None:
    one, other = Cursor("e", a, b), Cursor("e", c, d)
    assert Cursor.parse(str(one)) == one
    assert one.reached(other) == ((a, b) >= (c, d))
    assert not one.reached(Cursor("f", 0, 0))


@pytest.mark.parametrize("nonsense", ["", "x", "e.1", "e.1.x", "e.-1.2", ".1.2"])
def test_nonsense_is_no_cursor(nonsense: str) -> None:
    with pytest.raises(BadInput, match="is no cursor"):
        Cursor.parse(nonsense)
