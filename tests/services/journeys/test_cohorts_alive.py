"""Cohorts on a real Temporal server, advanced by worker processes that are killed: everybody enters, nobody twice."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from temporalio.client import WorkflowExecutionStatus

from infra.clock import Clock
from infra.local.temporal import TemporalServer
from tests.services.journeys.living import KEY, Living, living

SEND = {"id": "say", "type": "send", "template": "t", "channels": ["sms"], "purpose": "transactional"}
REST = {"id": "rest", "type": "wait", "for": "PT2M"}
HEAD: dict[str, Any] = {"key": "crowd", "name": "Crowd", "purpose": "transactional", "entry": {"segment_entered": "crowd"}}
PEOPLE = 30
WORKER = "import asyncio; from infra.settings import Settings; from workflows.worker import main; asyncio.run(main(Settings()))"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The app, whose lifespan runs already, on a port of this machine."""
    server = _Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def crowded(database_url: str, address: str, *, factor: float) -> AsyncIterator[tuple[Living, str]]:
    """The service, and where it listens, with `PEOPLE` members in a segment; its clock runs `factor` times as fast."""
    now = datetime.now(UTC)
    clock = Clock(factor, now, now)
    async with living(database_url, address, clock=clock) as running, listening(running.app) as url:
        running.neighbours.templates = [{"key": "t"}]
        running.neighbours.segments = [{"key": "crowd"}]
        people = [uuid4() for _ in range(PEOPLE)]
        running.neighbours.traits.update({each: {} for each in people})
        running.neighbours.members["crowd"] = people
        yield running, url


@pytest.fixture
async def system(migrated_database: Callable[[str], str], temporal: TemporalServer) -> AsyncIterator[tuple[Living, str]]:
    """A minute passes in a second; ten people a minute."""
    async with crowded(migrated_database("journeys"), temporal.address, factor=60.0) as running:
        yield running


@asynccontextmanager
async def worker(system: Living, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; killed at the end, if it was not before."""
    settings = {
        "REIS_JOURNEYS_URL": url,
        "REIS_SERVICE_KEY": KEY,
        "REIS_PORT": "0",
        "TEMPORAL_ADDRESS": system.temporal.service_client.config.target_host,
        "TEMPORAL_TASK_QUEUE": system.queue,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, env={**os.environ, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def cohort(system: Living, *steps: dict[str, Any], per_hour: int = 600) -> dict[str, Any]:
    await system.publish(HEAD | {"steps": list(steps)})
    await system.journeys.request("POST", "/v1/journeys/crowd/backfill", {"per_hour": per_hour})
    (found,) = await system.journeys.get_json("/v1/journeys/crowd/cohorts")
    return dict(found)


async def look(system: Living, made: dict[str, Any]) -> dict[str, Any]:
    return dict(await system.journeys.get_json(f"/v1/cohorts/{made['id']}"))


async def taken(system: Living, made: dict[str, Any], least: int) -> int:
    async def enough() -> bool:
        return bool((await look(system, made))["taken"] >= least)

    await system.until(enough)
    return int((await look(system, made))["taken"])


async def state(system: Living, made: dict[str, Any], wanted: str) -> None:
    async def there() -> bool:
        return bool((await look(system, made))["state"] == wanted)

    await system.until(there)


async def test_a_worker_killed_between_batches_loses_nobody_and_repeats_nobody(system: tuple[Living, str]) -> None:
    living_, url = system
    async with worker(living_, url) as first:
        made = await cohort(living_, SEND)
        assert await taken(living_, made, 10) < PEOPLE
        first.kill()
        await first.wait()
    async with worker(living_, url):
        await state(living_, made, "done")
    keys = [each.key for each in living_.neighbours.sent]
    assert len(keys) == len(set(keys)) == PEOPLE
    assert (await look(living_, made))["entered"] == PEOPLE


async def test_a_cohort_paused_and_resumed_goes_on_and_who_waits_has_a_workflow(system: tuple[Living, str]) -> None:
    living_, url = system
    async with worker(living_, url):
        made = await cohort(living_, SEND, REST)
        await taken(living_, made, 10)
        await living_.journeys.request("POST", f"/v1/cohorts/{made['id']}/pause", {})
        paused = await living_.temporal.get_workflow_handle(f"cohort/{made['id']}").result()
        assert paused == "paused"
        assert await taken(living_, made, 10) < PEOPLE
        await living_.journeys.request("POST", f"/v1/cohorts/{made['id']}/resume", {})
        await state(living_, made, "done")
        for (enrolment,) in await living_.rows("SELECT id FROM enrolment"):
            assert await living_.ended(enrolment) == "completed"
    waits = await living_.rows("SELECT step FROM decision WHERE kind = 'sleep'")
    assert [row.step for row in waits] == ["rest"] * PEOPLE
    assert len(living_.neighbours.sent) == PEOPLE


async def test_a_cancelled_cohort_ends_its_workflow_and_takes_nobody_else(system: tuple[Living, str]) -> None:
    living_, url = system
    async with worker(living_, url):
        made = await cohort(living_, SEND)
        await taken(living_, made, 10)
        await living_.journeys.request("POST", f"/v1/cohorts/{made['id']}/cancel", {})
        assert await living_.temporal.get_workflow_handle(f"cohort/{made['id']}").result() == "cancelled"
    found = await look(living_, made)
    assert found["state"] == "cancelled"
    assert found["entered"] == len(living_.neighbours.sent) < PEOPLE


async def test_a_paced_cohort_that_continues_as_new_loses_nobody_and_repeats_nobody(
    migrated_database: Callable[[str], str], strict_temporal: TemporalServer
) -> None:
    """A batch is one person, and an activity one batch: its workflow is a chain of many runs, on two workers."""
    async with crowded(migrated_database("journeys"), strict_temporal.address, factor=600.0) as (living_, _):
        async with living_.worker(cohort_batches=1):
            made = await cohort(living_, SEND, per_hour=60)
            assert await taken(living_, made, 10) < PEOPLE
        async with living_.worker(cohort_batches=1):
            await state(living_, made, "done")
            name = f"cohort/{made['id']}"
            assert await living_.temporal.get_workflow_handle(name).result() == "done"
        keys = [each.key for each in living_.neighbours.sent]
        assert len(keys) == len(set(keys)) == PEOPLE
        found = await look(living_, made)
        assert (found["taken"], found["entered"], found["refused"]) == (PEOPLE, PEOPLE, 0)
        runs = [run.status async for run in living_.temporal.list_workflows(f"WorkflowId = '{name}'")]
        assert runs.count(WorkflowExecutionStatus.CONTINUED_AS_NEW) > 2
        assert runs.count(WorkflowExecutionStatus.COMPLETED) == 1
