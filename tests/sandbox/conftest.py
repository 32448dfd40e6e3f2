"""One receiver of callbacks and one sandbox per test, both real servers on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.support import Receiver, Sandbox, serving

StartSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def receiver_url(receiver: Receiver) -> AsyncIterator[str]:
    async with serving(receiver) as url:
        yield url


@pytest.fixture
async def start_sandbox(tmp_path: Path) -> AsyncIterator[StartSandbox]:
    started: list[Sandbox] = []

    async def start(**settings: Any) -> Sandbox:
        sandbox = await Sandbox.started(tmp_path, **settings)
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        await sandbox.stop()


@pytest.fixture
async def sandbox(start_sandbox: StartSandbox, receiver_url: str) -> Sandbox:
    """Everything it reports goes to ``receiver``: /status (per message), /inbound and /events."""
    return await start_sandbox(twilio_inbound_url=f"{receiver_url}/inbound", sendgrid_events_url=f"{receiver_url}/events")
