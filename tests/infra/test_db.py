"""Transactions and URLs."""

import pytest
from sqlalchemy import text

from infra.db import Database, service_url


async def _count(database: Database) -> int:
    async with database.read() as session:
        return int((await session.execute(text("SELECT count(*) FROM t"))).scalar_one())


async def test_a_transaction_commits_at_its_end_and_rolls_back_on_an_error(database_url: str) -> None:
    database = Database(database_url)

    async def fail() -> None:
        async with database.begin() as session:
            await session.execute(text("INSERT INTO t VALUES (2)"))
            raise LookupError

    async with database.begin() as session:
        await session.execute(text("CREATE TABLE t (n int)"))
        await session.execute(text("INSERT INTO t VALUES (1)"))
    with pytest.raises(LookupError):
        await fail()
    async with database.read() as session:
        await session.execute(text("INSERT INTO t VALUES (3)"))
    assert await _count(database) == 1
    await database.close()


async def test_a_session_speaks_utc_and_json_without_loss(database_url: str) -> None:
    database = Database(database_url)
    async with database.read() as session:
        assert (await session.execute(text("SHOW timezone"))).scalar_one() == "UTC"
        assert (await session.execute(text("""SELECT '{"a": [1, 2.5, null, "ü"]}'::jsonb"""))).scalar_one() == {
            "a": [1, 2.5, None, "ü"]
        }
    await database.ping()
    await database.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db:5432/reis?sslmode=require", "postgresql+psycopg://u:p@db:5432/reis_profiles?sslmode=require"),
        ("postgresql+psycopg://u@/x?host=%2Frun", "postgresql+psycopg://u@/x_profiles?host=%2Frun"),
        ("postgresql://db", "postgresql+psycopg://db/reis_profiles"),
    ],
)
def test_a_services_database_lies_beside_the_configured_one(url: str, expected: str) -> None:
    assert service_url(url, "profiles").render_as_string(hide_password=False) == expected
