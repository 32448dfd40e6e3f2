"""A running channels service per test; the dispatcher is started by the test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services.channels.support import World

StartWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def start_world(database_url: str, tmp_path: Path) -> AsyncIterator[StartWorld]:
    """Starts a service with changed settings."""
    started: list[World] = []

    async def start(**changes: Any) -> World:
        world = await World.started(database_url, tmp_path, **changes)
        started.append(world)
        return world

    yield start
    for world in started:
        await world.stop()


@pytest.fixture
async def world(start_world: StartWorld) -> World:
    return await start_world()
