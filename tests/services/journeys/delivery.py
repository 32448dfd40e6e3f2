"""A deliverer that runs, on the service under test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio.client import Client

from services.journeys.deliverer import Deliverer
from tests.services.journeys.conftest import Service


@asynccontextmanager
async def delivering(service: Service, client: Client, queue: str) -> AsyncIterator[Deliverer]:
    deliverer = Deliverer(database=service.database, temporal=client, task_queue=queue, first_look=service.first_look)
    task = asyncio.create_task(deliverer.run())
    try:
        yield deliverer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def nothing_left(service: Service) -> None:
    while (await service.rows("SELECT count(*) AS n FROM outgoing"))[0].n:
        await asyncio.sleep(0.05)
