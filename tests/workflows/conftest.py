"""The shell on a real Temporal server."""

from collections.abc import AsyncIterator, Iterator

import pytest

from infra.local.ports import any_free
from infra.local.temporal import TemporalServer
from tests.workflows.harness import Shell
from tests.workflows.harness import shell as shell_around
from tests.workflows.journeys_under_test import ALL
from tests.workflows.record import SHORT_HISTORY
from tests.workflows.scripted import World


@pytest.fixture
async def shell(temporal: TemporalServer) -> AsyncIterator[Shell]:
    async with shell_around(temporal.address, World(ALL)) as shell:
        yield shell


@pytest.fixture(scope="session")
def strict_temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A server that suggests to continue as new after few events."""
    few = {"limit.historyCount.suggestContinueAsNew": SHORT_HISTORY}
    with TemporalServer(tmp_path_factory.mktemp("strict"), port=any_free(), durable=False, dynamic_config=few) as server:
        yield server


@pytest.fixture
async def strict_shell(strict_temporal: TemporalServer) -> AsyncIterator[Shell]:
    async with shell_around(strict_temporal.address, World(ALL)) as shell:
        yield shell
