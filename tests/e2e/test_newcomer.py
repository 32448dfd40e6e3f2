"""A newcomer's first hour, as the README tells it: start, publish an own journey, send an event, see it, stop, start again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from segment.analytics import Client as SegmentClient

from infra.http import ServiceClient
from infra.local.errors import NotRunningError
from infra.local.folder import DataFolder, Runtime
from infra.local.keys import Keys
from tests.e2e.ports import own_ports
from tests.e2e.shop import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "first-journey"
FACTOR = 2880
"""Virtual seconds per real second: the day that the journey waits takes half a minute."""
ADA = {"first_name": "Ada", "email": "ada@example.com", "phone": "+4915112340001"}


def reis(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "cli", *arguments]


class Running:
    """`reis up` in a process of its own, seen from outside."""

    def __init__(self, process: Process, folder: DataFolder, runtime: Runtime) -> None:
        self.process = process
        self.folder = folder
        self.runtime = runtime
        self.keys = Keys.kept_in(folder.keys)

    async def get(self, service: str, path: str, **params: str) -> Any:
        async with ServiceClient(service, self.runtime.urls[service], key=self.keys.admin_key, timeout=30) as client:
            return await client.get_json(path, params=params)

    async def messages(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=self.runtime.urls["sandbox"], timeout=30, trust_env=False) as client:
            return list((await client.get("/api/messages", params={"to": "ada@example.com"})).json()["messages"]) + list(
                (await client.get("/api/messages", params={"to": ADA["phone"]})).json()["messages"]
            )

    async def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.process.wait()


@asynccontextmanager
async def up(path: Path, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """Until everything is ready; killed only if a test fails before it stops it."""
    with (path.parent / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *reis("up", "--data-dir", str(path), "--factor", str(FACTOR)),
            env={**environ, "COLUMNS": "200"},
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    folder = DataFolder(path)

    async def ready() -> bool:
        assert process.returncode is None, (path.parent / "up.log").read_text()[-4000:]
        try:
            folder.runtime()
        except NotRunningError:
            return False
        return True

    try:
        await until(ready, what="reis up is ready")
        yield Running(process, folder, folder.runtime())
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def publish(path: Path, data_dir: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *reis("publish", str(path), "--data-dir", str(data_dir)), env={**os.environ, "COLUMNS": "300"}, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def test_an_own_journey_is_published_lived_and_found_again_after_a_stop(tmp_path: Path) -> None:
    data, environ = tmp_path / "data", own_ports()
    async with up(data, environ) as running:
        said = await publish(EXAMPLE, data)
        assert said.count("published") == 3

        client = SegmentClient(running.keys.write_key, host=running.runtime.urls["profiles"])
        client.identify("ada", ADA)
        client.track("ada", "Signed Up", {"plan": "pro"})
        await asyncio.to_thread(client.flush)
        client.join()

        async def welcomed() -> bool:
            return bool(await running.messages())

        await until(welcomed, what="Ada gets the welcome e-mail")
        (welcome,) = await running.messages()
        assert (welcome["channel"], welcome["subject"]) == ("email", "Welcome, Ada")
        assert "your pro plan is ready" in welcome["html"]

        (enrolment,) = await running.get("journeys", "/v1/enrolments", journey="welcome")
        path = f"/v1/enrolments/{enrolment['id']}/story"

        async def waits() -> bool:
            return [each["what"] for each in (await running.get("journeys", path))["lines"]] == ["entered", "sent", "sleep"]

        await until(waits, what="the story tells that Ada waits")
        story = await running.get("journeys", path)
        ours = {each.pid: each for each in psutil.Process(running.process.pid).children(recursive=True)}
        assert await running.interrupt() == 0
    assert not [each for each in ours.values() if each.is_running()], "processes are left"
    assert not (data / "lock").exists()

    async with up(data, environ) as running:
        assert running.keys == Keys.kept_in(data / "keys.json")
        again = await running.get("journeys", path)
        assert again["lines"][: len(story["lines"])] == story["lines"]
        assert [each["id"] for each in await running.messages() if each["channel"] == "email"] == [welcome["id"]]
        assert [each["key"] for each in await running.get("journeys", "/v1/journeys")] == ["welcome"]

        async def followed_up() -> bool:
            enrolments = await running.get("journeys", "/v1/enrolments", journey="welcome")
            return [each["state"] for each in enrolments] == ["ended"] and len(await running.messages()) == 2

        await until(followed_up, what="the wait that began before the stop ends after it, with the SMS")
        _, follow_up = await running.messages()
        assert (follow_up["channel"], follow_up["body"]) == (
            "sms",
            "Hi Ada, three steps and you are set: https://shop.example/start Reply STOP to opt out.",
        )
        lines = (await running.get("journeys", path))["lines"]
        assert [(each["step"], each["what"]) for each in lines] == [
            (None, "entered"),
            ("hello", "sent"),
            ("a-day", "sleep"),
            ("first-steps", "sent"),
            (None, "ended"),
        ]
        slept = next(each for each in lines if each["what"] == "sleep")
        assert lines[3]["at"] >= slept["outcome"]["until"]  # not a moment before its day was over
        assert await running.interrupt() == 0
