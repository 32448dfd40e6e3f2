"""A producer with an outbox and a consumer with a ledger of its effects, each with a database of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Column, Identity, Integer, MetaData, Table, Text

from infra.db import Database
from infra.feed.consumer import consumer_tables
from infra.feed.outbox import Outbox, feed_tables
from infra.local.postgres import EmbeddedPostgres

PRODUCER = MetaData()
feed_tables(PRODUCER)

CONSUMER = MetaData()
consumer_tables(CONSUMER)
Table("applied", CONSUMER, Column("number", Integer, Identity(), primary_key=True), Column("item", Text, nullable=False))


async def _create(database: Database, metadata: MetaData) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


@pytest.fixture
async def producer(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=20)
    await _create(database, PRODUCER)
    yield database
    await database.close()


@pytest.fixture
async def consumer(postgres: EmbeddedPostgres, database_names: Iterator[str]) -> AsyncIterator[Database]:
    name = next(database_names)
    postgres.create_databases([name])
    database = Database(postgres.url(name))
    await _create(database, CONSUMER)
    yield database
    await database.close()
    postgres.drop_database(name)


@pytest.fixture
def outbox(producer: Database) -> Outbox:
    return Outbox("test", producer)
