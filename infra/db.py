"""A service's own PostgreSQL database: engine, sessions, transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

# SQLSTATE classes: connection, transaction rollback, resources, prerequisites, operator intervention, system.
_OUTAGES = frozenset({"08", "40", "53", "55", "57", "58"})


def is_outage(error: Exception) -> bool:
    """Whether the database did not answer, so that trying the same again helps. OperationalError also says that a value is too
    large."""
    if isinstance(error, InterfaceError | OSError):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, OperationalError) and (state is None or str(state)[:2] in _OUTAGES)


def service_url(database_url: str, service: str) -> URL:
    """The URL of `service`'s database: the configured one with `_<service>` behind its name (psycopg driver)."""
    url = make_url(database_url)
    return url.set(drivername="postgresql+psycopg", database=f"{url.database or 'reis'}_{service}")


def _dumps(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


class Database:
    """One engine with its sessions. Transactions are short: HTTP never happens inside one."""

    def __init__(self, url: URL | str, *, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=False,
            hide_parameters=True,  # they hold people's data, and errors are logged
            pool_timeout=10,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={"application_name": "reis", "options": "-c timezone=UTC"},
        )
        self._sessions = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that commits at the end and rolls back on an error."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading only; rolled back at the end."""
        async with self._sessions() as session:
            yield session

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()
