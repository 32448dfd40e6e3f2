"""Clients for the parts of a running system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client

from infra.http import ServiceClient
from infra.local.system import LocalSystem


@dataclass(frozen=True, slots=True)
class Neighbours:
    """One client each."""

    profiles: ServiceClient
    channels: ServiceClient
    journeys: ServiceClient
    sandbox: ServiceClient
    temporal: Client


@asynccontextmanager
async def neighbours(system: LocalSystem) -> AsyncIterator[Neighbours]:
    """Of a system that is up; closed at the end."""
    key = system.keys.admin_key
    assert system.runtime.temporal_address is not None
    async with (
        ServiceClient("profiles", system.url("profiles"), key=key, timeout=30) as profiles,
        ServiceClient("channels", system.url("channels"), key=key, timeout=30) as channels,
        ServiceClient("journeys", system.url("journeys"), key=key, timeout=30) as journeys,
        ServiceClient("sandbox", system.url("sandbox"), timeout=30) as sandbox,
    ):
        yield Neighbours(profiles, channels, journeys, sandbox, await Client.connect(system.runtime.temporal_address))
