"""The segments service, running in process over a migrated database of each test's own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from infra.http import ServiceClient
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import schema_of, upgrade
from services.segments.app import create_app
from tests.services.segments.shop import NOW, ProfilesFeed, Segments

KEYRING = KeyRing(
    (
        ApiKey(
            name="anna",
            sha256=hashed("all"),
            scopes=frozenset({Scope.SEGMENTS_READ, Scope.SEGMENTS_WRITE, Scope.FEED_READ}),
        ),
        ApiKey(name="reader", sha256=hashed("read"), scopes=frozenset({Scope.SEGMENTS_READ})),
    )
)


@pytest.fixture(scope="session")
def segments_template(postgres: EmbeddedPostgres) -> str:
    """A migrated database to copy from: faster than migrating one per test."""
    postgres.create_databases(["segments_template"])
    upgrade(schema_of("segments"), postgres.url("segments_template"))
    return "segments_template_segments"


@pytest.fixture
def segments_url(postgres: EmbeddedPostgres, segments_template: str, database_names: Iterator[str]) -> Iterator[str]:
    name = next(database_names)
    postgres.clone_database(segments_template, name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def feed() -> ProfilesFeed:
    return ProfilesFeed()


@asynccontextmanager
async def running(url: str, feed: ProfilesFeed, clock: Clock, patience: float = 60) -> AsyncIterator[Segments]:
    """The service with all its background work, from start to stop."""
    profiles = ServiceClient("profiles", "http://profiles", transport=httpx.ASGITransport(feed.app))
    app: FastAPI = create_app(database=Database(url), profiles=profiles, keyring=KEYRING, clock=clock, patience=patience)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://segments", headers={"authorization": "Bearer all"}, timeout=60
    )
    async with app.router.lifespan_context(app), client:
        yield Segments(client, feed)


@pytest.fixture
def clock() -> Clock:
    """Starts at noon of 1 March 2026 and runs."""
    return Clock(real_anchor=datetime.now(UTC), virtual_anchor=NOW)


@pytest.fixture
async def segments(segments_url: str, feed: ProfilesFeed, clock: Clock) -> AsyncIterator[Segments]:
    async with running(segments_url, feed, clock) as service:
        yield service
