"""The shell on a real Temporal server."""

from collections.abc import AsyncIterator

import pytest

from infra.local.temporal import TemporalServer
from tests.workflows.harness import Shell
from tests.workflows.harness import shell as shell_around
from tests.workflows.journeys_under_test import ALL
from tests.workflows.scripted import World


@pytest.fixture
async def shell(temporal: TemporalServer) -> AsyncIterator[Shell]:
    async with shell_around(temporal.address, World(ALL)) as shell:
        yield shell


@pytest.fixture
async def strict_shell(strict_temporal: TemporalServer) -> AsyncIterator[Shell]:
    async with shell_around(strict_temporal.address, World(ALL)) as shell:
        yield shell
