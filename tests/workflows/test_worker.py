"""The worker as a process: killed, cut off, started too early, and stopped."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from infra.local.ports import any_free
from journeys import content_hash
from tests.workflows.harness import Shell
from tests.workflows.journeys_under_test import ROOT, R

_MAIN = "import asyncio; from infra.settings import Settings; from workflows.worker import main; asyncio.run(main(Settings()))"


@asynccontextmanager
async def _process(shell: Shell, *, address: str | None = None, port: int = 0) -> AsyncIterator[Process]:
    """`workflows.worker.main` as production runs it, unsandboxed, in a process of its own."""
    settings = {
        "REIS_JOURNEYS_URL": shell.url,
        "TEMPORAL_ADDRESS": address or shell.address,
        "TEMPORAL_TASK_QUEUE": shell.queue,
        "REIS_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MAIN, cwd=ROOT, env={**os.environ, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _status(port: int, path: str) -> int | None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with suppress(httpx.HTTPError):
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
    return None


async def test_a_killed_worker_loses_nobody_and_sends_nothing_twice(shell: Shell) -> None:
    """Killed with the sends of many people on their way; the next worker asks again under the same keys."""
    async with _process(shell) as process:
        people = [await shell.enrol(R) for _ in range(60)]
        await shell.world.until(lambda: len(shell.world.asked) > 40)
        process.kill()
        await process.wait()
    for person in people:
        await person.matched("order", "ordered", f"e-{person.id}")
    async with _process(shell):
        assert [await person.result() for person in people] == ["completed"] * 60
    for person in people:
        assert [step for step, _ in shell.world.decided(person.id)] == ["welcome", "order", "thanks", "pause", "advice"]
        assert max(shell.world.times_asked(person.id).values()) <= 2
    assert {item.enrolment_id for item in shell.world.finished} == {person.id for person in people}


async def test_people_who_enter_while_the_service_is_down_go_on_when_it_is_back(shell: Shell) -> None:
    """Neither the definition nor a step can be had at first."""
    shell.world.broken = 503
    async with shell.worker():
        people = [await shell.enrol(R) for _ in range(20)]
        for person in people:
            await person.matched("order", "ordered", "e-1")
        await shell.world.until(lambda: shell.world.failures > 0)
        assert shell.world.asked == []
        shell.world.broken = None
        assert [await person.result() for person in people] == ["completed"] * 20
        assert [max(shell.world.times_asked(person.id).values()) for person in people] == [1] * 20


async def test_one_refused_person_does_not_hold_up_the_others(shell: Shell) -> None:
    """Calls travel together; a bad one among them is told apart, waits for somebody to mend it, and then goes on."""
    people = [await shell.enrol(R) for _ in range(20)]
    shell.world.refused[people[7].id] = 422
    async with shell.worker():
        others = [person for person in people if person is not people[7]]
        for person in others:
            await person.matched("order", "ordered", "e-1")
        assert [await person.result() for person in others] == ["completed"] * 19
        assert (await people[7].handle.describe()).close_time is None
        await people[7].handle.terminate()


async def test_a_definition_is_fetched_once_for_all_who_need_it(shell: Shell) -> None:
    people = [await shell.enrol(R) for _ in range(20)]
    async with shell.worker(sandbox=False):
        for person in people:
            await person.interrupted()
            assert await person.result() == "exit"
    assert shell.world.fetched == {content_hash(R): 1}


async def test_the_worker_says_ready_when_it_takes_work_and_ends_in_order(shell: Shell) -> None:
    port = any_free()
    async with _process(shell, port=port) as process:
        while await _status(port, "/readyz") != 200:
            await asyncio.sleep(0.02)
        assert await _status(port, "/livez") == 200
        assert await _status(port, "/elsewhere") == 404
        person = await shell.enrol(R)
        await shell.world.until(lambda: ("order", 1) in shell.world.decided(person.id))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    await person.handle.terminate()


async def test_a_worker_waits_for_temporal_and_can_be_stopped_meanwhile(shell: Shell) -> None:
    port = any_free()
    async with _process(shell, address=f"127.0.0.1:{any_free()}", port=port) as process:
        while await _status(port, "/livez") != 200:
            await asyncio.sleep(0.02)
        assert await _status(port, "/readyz") == 503
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
