"""Whole local systems for the end-to-end tests: every role a process of its own, on real parts."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.local.system import LocalSystem
from tests.e2e import lives as living
from tests.e2e.ports import own_ports
from tests.e2e.shop import Shop, open_shop

EXTRA = {"REIS_QUIET_HOURS": "", "REIS_UNKNOWN_GRACE_SECONDS": "3", "REIS_PROVIDER_TIMEOUT_SECONDS": "5"}
"""Tests send at night too, and settle unknown outcomes soon."""


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Quiet hours are off, so that a test at night sends too."""
    folder = tmp_path_factory.mktemp("system")
    async with (
        LocalSystem(folder, durable=False, environ=own_ports(), extra_env=EXTRA) as system,
        open_shop(system) as shop,
    ):
        yield shop


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lives(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[living.Lives]:
    """A system on a fast clock, on which six customers have lived both reference journeys."""
    folder = tmp_path_factory.mktemp("lives")
    system = LocalSystem(
        folder,
        durable=False,
        clock_factor=living.FACTOR,
        clock_start=living.START,
        extra_env=EXTRA,
        environ=own_ports(),
    )
    async with system, open_shop(system) as shop:
        yield await living.live(shop)
