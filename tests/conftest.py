"""What every test may ask for: a real PostgreSQL, a real Temporal server, a real browser."""

import faulthandler
import os
import shutil
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from functools import cache
from itertools import count

import pytest
from playwright.async_api import Browser, async_playwright
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra import migrations
from infra.local.ports import any_free
from infra.local.postgres import EmbeddedPostgres
from infra.local.temporal import TemporalServer
from tests.workflows.short_runs import SHORT_RUNS

_OF_THE_CALLER = ("REIS_", "TEMPORAL_", "TWILIO_", "SENDGRID_", "VAPID_", "DATABASE_URL", "EMAIL_FROM")
_TEARDOWN_SECONDS = 300  # what `timeout` in pyproject.toml gives a test; it does not count for the teardown after it
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_configure() -> None:
    """Tests see no setting of the person who runs them."""
    for name in [name for name in os.environ if name.startswith(_OF_THE_CALLER)]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems come first: they take longest, and what is short fills the gaps between two workers."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def _browser_path() -> str | None:
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `browser` are skipped, and say so, where there is none; in CI that is a failure."""
    if item.get_closest_marker("browser") and _browser_path() is None:
        reason = f"no browser found: install one of {', '.join(_BROWSERS)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """A test that cannot be torn down ends its process, which is told as its failure; it does not hold up the whole run."""
    faulthandler.dump_traceback_later(_TEARDOWN_SECONDS, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the whole run, without fsync."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    """Names that nobody else in this run uses."""
    return (f"test_{number}" for number in count(1))


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, database_names: Iterator[str]) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of this test's own."""
    name = next(database_names)
    postgres.create_databases([name])
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """Answers the name of a database that holds a service's newest tables; made at the first use."""

    @cache
    def template(service: str) -> str:
        migrations.upgrade(migrations.schema_of(service), postgres.url("template"))
        return f"template_{service}"

    return template


@pytest.fixture
def migrated_database(
    postgres: EmbeddedPostgres, migrated_template: Callable[[str], str], database_names: Iterator[str]
) -> Iterator[Callable[[str], str]]:
    """`migrated_database("profiles")` answers the SQLAlchemy URL of a fresh, migrated database of this test's own."""
    made: list[str] = []

    def create(service: str) -> str:
        made.append(next(database_names))
        postgres.clone_database(migrated_template(service), made[-1])
        return postgres.url(made[-1])

    yield create
    for name in made:
        postgres.drop_database(name)


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """One dev server for the whole run; tests use their own task queues and workflow ids. Time skipping is allowed."""
    skipping = {"frontend.WorkflowTimeSkippingEnabled": True, "system.workflowTimeSkippingEnabled": True}
    folder = tmp_path_factory.mktemp("temporal")
    with TemporalServer(folder, port=any_free(), durable=False, dynamic_config=skipping) as server:
        yield server


@pytest.fixture(scope="session")
def strict_temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A server that suggests to continue as new after few events."""
    with TemporalServer(tmp_path_factory.mktemp("strict"), port=any_free(), durable=False, dynamic_config=SHORT_RUNS) as server:
        yield server


@pytest.fixture
async def temporal_client(temporal: TemporalServer) -> Client:
    """A client of that server which speaks pydantic models."""
    return await Client.connect(temporal.address, data_converter=pydantic_data_converter)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium, for tests marked `browser`."""
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        launched = await playwright.chromium.launch(executable_path=_browser_path(), args=["--no-sandbox"])
        stack.push_async_callback(launched.close)
        yield launched
