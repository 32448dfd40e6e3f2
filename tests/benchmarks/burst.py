"""One enrolment whose waits a thousand events end, each a full step: none is lost, none counts twice.

Each look back reads only what came since the one before, so that the time grows as the burst does.
"""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.db import service_url
from infra.local.ports import any_free
from infra.local.postgres import EmbeddedPostgres
from infra.local.temporal import TemporalServer
from infra.migrations import schema_of, upgrade
from tests.benchmarks.result import Result, shown
from tests.services.journeys.bursts import burst
from tests.services.journeys.living import living

EVENTS = 1_000


async def measure(events: int = EVENTS) -> list[Result]:
    """Steps per second; raises AssertionError where an event is lost or repeated."""
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as postgres:
        await asyncio.to_thread(upgrade, schema_of("journeys"), postgres.url("burst"))
        url = service_url(postgres.url("burst"), "journeys").render_as_string(hide_password=False)
        server = TemporalServer(Path(folder) / "temporal", port=any_free(), durable=False)
        await asyncio.to_thread(server.start)
        try:
            begun = time.perf_counter()
            async with living(url, server.address, grace=timedelta(hours=1)) as system, system.worker():
                await burst(system, events, noise=0)
            seconds = time.perf_counter() - begun
        finally:
            await asyncio.to_thread(server.stop)
    return [shown("one enrolment, events that each end a wait", events / seconds, "events/s", f"{events} in a burst, each once")]
