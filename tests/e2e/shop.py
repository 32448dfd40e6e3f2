"""A shop on a running system: tracks with the Segment client, publishes, and reads what the services and the sandbox know."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from rich.console import Console
from segment.analytics import Client as SegmentClient

from authoring.publishing import publish
from contracts.profiles import ConsentEntries, ConsentEntry, ConsentState
from infra.errors import ReisError
from infra.http import ServiceClient
from infra.local.system import LocalSystem

CHANNELS = ("email", "sms", "whatsapp", "web_push")


@dataclass
class Shop:
    """What a shop does with a running system. Services are called with the admin's key."""

    system: LocalSystem
    profiles: ServiceClient
    segments: ServiceClient
    channels: ServiceClient
    journeys: ServiceClient
    sandbox: httpx.AsyncClient

    async def publish(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Kinds: segments, templates, journeys, computed-traits."""
        service = {"templates": self.channels, "journeys": self.journeys}.get(kind, self.segments)
        await service.request("PUT", f"/v1/{kind}/{key}", body)

    async def track(self, calls: Callable[[SegmentClient], object]) -> None:
        """Sends what `calls` does with an unmodified Segment client, and waits until all of it was accepted."""

        def send() -> None:
            errors: list[Exception] = []
            client = SegmentClient(
                self.system.keys.write_key,
                host=self.system.url("profiles"),
                on_error=lambda error, _: errors.append(error),
                max_queue_size=200_000,
                upload_size=100,
                timeout=30,
                max_retries=20,
                gzip=True,
            )
            calls(client)
            client.flush()
            client.join()
            assert not errors, errors

        await asyncio.to_thread(send)

    async def agree(self, users: Iterable[str], channels: Iterable[str] = CHANNELS) -> None:
        """Grants marketing consent."""
        entries = [
            ConsentEntry(user_id=user, channel=channel, purpose="marketing", state=ConsentState.GRANTED, source="test")
            for user in users
            for channel in channels
        ]
        for start in range(0, len(entries), 500):
            await self.profiles.request("POST", "/v1/consents", ConsentEntries(entries=tuple(entries[start : start + 500])))

    async def profile_id(self, user: str) -> UUID:
        return UUID((await self.profiles.get_json("/v1/profiles", params={"user_id": user}))["id"])

    async def enrolments(self, journey: str) -> list[dict[str, Any]]:
        """All of a journey's enrolments."""
        found: list[dict[str, Any]] = []
        while True:
            params: dict[str, str | int | float] = {"journey": journey, "limit": 1000}
            if found:
                params["after"] = found[-1]["id"]
            page = await self.journeys.get_json("/v1/enrolments", params=params)
            found += page
            if len(page) < 1000:
                return found

    async def messages(self, **params: str) -> list[dict[str, Any]]:
        """What the sandbox has received, page by page; `to`, `channel`, `direction`, `attempt` narrow it."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            answer = await self.sandbox.get("/api/messages", params={**params, "after": str(after), "limit": "10000"})
            answer.raise_for_status()
            page = answer.json()
            found += page["messages"]
            if len(page["messages"]) < 10_000:
                return found
            after = page["next_after"]

    async def publish_folder(self, folder: Path) -> None:
        """What `reis publish FOLDER` does."""
        said = StringIO()
        assert await publish([folder], self.system.folder.path, Console(file=said, width=200)), said.getvalue()

    async def enrolment_of(self, journey: str, user: str) -> dict[str, Any]:
        """The person's newest enrolment in a journey; waits for it."""
        found: list[dict[str, Any]] = []

        async def entered() -> bool:
            profile = str(await self.profile_id(user))
            params = {"journey": journey, "profile_id": profile}
            found[:] = await self.journeys.get_json("/v1/enrolments", params=params)
            return bool(found)

        await until(entered, what=f"{user} is in {journey}")
        return max(found, key=lambda each: int(each["number"]))

    async def story(self, enrolment: str) -> dict[str, Any]:
        """Why: every decision of an enrolment, in order."""
        return dict(await self.journeys.get_json(f"/v1/enrolments/{enrolment}/story"))

    async def act(self, message: dict[str, Any], action: str, **more: str) -> None:
        """What a customer does with a message that the sandbox has."""
        answer = await self.sandbox.post("/api/act", json={"message_id": message["id"], "action": action, **more})
        answer.raise_for_status()

    async def fault(self, effect: str, **more: str | int) -> None:
        """Breaks what the sandbox does next; see sandbox.faults."""
        (await self.sandbox.post("/api/faults", json={"effect": effect, **more})).raise_for_status()


@asynccontextmanager
async def open_shop(system: LocalSystem) -> AsyncIterator[Shop]:
    """A shop on a running system; `sandbox` is there when that role runs."""
    key = system.keys.admin_key

    def client(service: str) -> ServiceClient:
        url = system.runtime.urls.get(service, "http://127.0.0.1:9")
        return ServiceClient(service, url, key=key, timeout=30)

    async with (
        client("profiles") as profiles,
        client("segments") as segments,
        client("channels") as channels,
        client("journeys") as journeys,
        httpx.AsyncClient(
            base_url=system.runtime.urls.get("sandbox", "http://127.0.0.1:9"), timeout=30, trust_env=False
        ) as sandbox,
    ):
        yield Shop(system, profiles, segments, channels, journeys, sandbox)


async def until(condition: Callable[[], Awaitable[object]], *, what: str, patience: float = 240) -> None:
    """Waits until `condition` holds; a service that is just restarting counts as not yet.

    `patience` (seconds) only ends a hopeless wait.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    last: object = None
    while loop.time() < end:
        try:
            if last := await condition():
                return
        except (ReisError, httpx.HTTPError) as error:
            last = error
        await asyncio.sleep(0.1)
    raise AssertionError(f"never happened: {what} (last answer: {last!r})")


def iso(at: datetime) -> str:
    return at.isoformat()
