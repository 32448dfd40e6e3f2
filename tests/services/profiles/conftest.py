"""The service in process, on a migrated database of each test's own."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import schema_of, upgrade
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


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """A migrated database to copy from: faster than migrating one per test."""
    postgres.create_databases(["profiles_template"])
    upgrade(schema_of("profiles"), postgres.url("profiles_template"))
    return "profiles_template_profiles"


@pytest.fixture
def profiles_url(postgres: EmbeddedPostgres, template: str, database_names: Iterator[str]) -> Iterator[str]:
    """The URL of an empty, migrated database."""
    name = next(database_names)
    postgres.clone_database(template, name)
    yield postgres.url(name)
    postgres.drop_database(name)


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
