"""The service in process, on a migrated database of each test's own."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from services.profiles.app import create_app
from tests.services.profiles.shop import Shop

KEYRING = KeyRing(
    (
        ApiKey(name="shop", sha256=hashed("write-key"), scopes=frozenset({Scope.TRACK})),
        ApiKey(
            name="service",
            sha256=hashed("service-key"),
            scopes=frozenset({Scope.TRACK, Scope.PROFILES_READ, Scope.PROFILES_WRITE, Scope.FEED_READ}),
        ),
        ApiKey(name="reader", sha256=hashed("reader-key"), scopes=frozenset({Scope.PROFILES_READ})),
    )
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def profiles_url(migrated_database: Callable[[str], str]) -> str:
    """The URL of an empty, migrated database."""
    return migrated_database("profiles")


@pytest.fixture
async def database(profiles_url: str) -> AsyncIterator[Database]:
    database = Database(profiles_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> Clock:
    """Starts at noon of 1 March 2026 and runs."""
    return Clock(real_anchor=datetime.now(UTC), virtual_anchor=NOW)


@pytest.fixture
def app(database: Database, clock: Clock) -> FastAPI:
    return create_app(database=database, keyring=KEYRING, clock=clock)


@pytest.fixture
async def shop(app: FastAPI) -> AsyncIterator[Shop]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://profiles") as client:
        yield Shop(client)
