"""The fixtures that everybody builds on."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from infra.db import Database


@pytest.mark.parametrize("service", ["profiles"])
async def test_a_migrated_database_is_fresh_for_each_test_and_holds_the_services_tables(
    service: str, migrated_database: Callable[[str], str]
) -> None:
    first, second = migrated_database(service), migrated_database(service)
    assert first != second
    database = Database(first)
    async with database.read() as session:
        found = await session.execute(text("SELECT count(*) FROM outbox"))
        assert found.scalar_one() == 0
    await database.close()


async def test_an_empty_database_can_be_written(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        await session.execute(text("CREATE TABLE numbers (number int)"))
    await database.ping()
    await database.close()
