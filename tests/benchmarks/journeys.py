"""The reference journey R through all of Reis: what it costs, how fast a message follows its event, what waiting takes.

R: enter, send, wait for an event (3 days at most), send, wait, send. Events come in through `/v1/batch`, messages leave
through the Twilio adapter to the sandbox.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import uuid4

import httpx
import psycopg
from temporalio.client import Client

from infra.db import service_url
from infra.local.system import LocalSystem
from tests.benchmarks import history
from tests.benchmarks.meters import cpu_seconds, memory
from tests.e2e.ports import own_ports
from tests.e2e.shop import Shop, open_shop, until

SERVICES = ("profiles", "segments", "channels", "journeys")
BATCH = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """One round of R. Times in seconds."""

    cpu_per_journey: float
    cpu_by_process: Mapping[str, float]
    journeys_per_second: float
    history_events: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes per enrolment that waits: in the services' PostgreSQL databases and in Temporal's own database."""

    services: float
    temporal: float


class Bench:
    """A local system with R published."""

    def __init__(self, *, callbacks: bool) -> None:
        self._callbacks = callbacks
        self._stack = AsyncExitStack()

    system: LocalSystem
    shop: Shop
    temporal: Client
    folder: Path

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.folder = Path(stack.enter_context(TemporaryDirectory()))
            extra = {"REIS_QUIET_HOURS": "", "REIS_PROVIDER_CALLBACKS": str(self._callbacks).lower(), "REIS_LOG_LEVEL": "warning"}
            self.system = await stack.enter_async_context(LocalSystem(self.folder, environ=own_ports(), extra_env=extra))
            self.shop = await stack.enter_async_context(open_shop(self.system))
            self.temporal = await Client.connect(self.system.env["TEMPORAL_ADDRESS"])
            await self.shop.publish("templates", "r", {"sms": {"body": "{{ entry.properties.mark }} {{ profile.traits.name }}"}})
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def round(self, journeys: int) -> Cost:
        """`journeys` people live R, all processes but the sandbox metered."""
        mark, people = await self._people(journeys)
        received = await self.count()
        before, started = self.cpu(), time.perf_counter()
        await self.track(people, f"Start {mark}", {"mark": mark})
        await self._received(received + journeys)
        await self.track(people, f"Go {mark}", {})
        await self._received(received + 3 * journeys)
        await until(lambda: self._ended(mark, journeys), what="all journeys have ended")
        await until(self._reported, what="every status callback has arrived")
        seconds, after = time.perf_counter() - started, self.cpu()
        cpu = {name: after[name] - before[name] for name in after}
        enrolment = (await self.shop.enrolments(mark))[0]
        events = await history.events(self.temporal, f"{mark}/{enrolment['id']}")
        return Cost(sum(cpu.values()) / journeys, cpu, journeys / seconds, events)

    async def latencies(self, journeys: int, per_second: float) -> list[float]:
        """Real seconds from sending an event to its message at the provider, at a gentle pace."""
        mark, people = await self._people(journeys)
        sent: dict[str, float] = {}
        received = await self.count()
        for number, person in enumerate(people):
            sent[f"+4915{number:09d}"] = time.time()
            await self.track([person], f"Start {mark}", {"mark": mark})
            await asyncio.sleep(1 / per_second)
        await self._received(received + journeys)
        got = [each for each in await self.shop.messages() if each["body"].startswith(mark)]
        return sorted(datetime.fromisoformat(each["received_at"]).timestamp() - sent[each["to"]] for each in got)

    async def waiting(self, journeys: int) -> Waiting:
        """What `journeys` people who wait for an event add to the databases."""
        mark, people = await self._people(journeys)
        before, received = await self._stored(), await self.count()
        await self.track(people, f"Start {mark}", {"mark": mark})
        await self._received(received + journeys)
        await until(lambda: self._waiting_now(mark, journeys), what="all wait")
        after = await self._stored()
        return Waiting(*((now - then) / journeys for now, then in zip(after, before, strict=True)))

    def memory(self) -> dict[str, int]:
        """Bytes per process (PostgreSQL with its backends)."""
        return {each.name: memory(each.pid) for each in self.system.processes() if each.pid is not None}

    async def _people(self, number: int) -> tuple[str, list[str]]:
        """New people with phone numbers, and R under a key of its own."""
        mark = f"r{uuid4().hex[:8]}"
        await self.shop.publish("journeys", mark, definition(mark))
        people = [f"{mark}-{each}" for each in range(number)]
        batch = [
            {
                "type": "identify",
                "userId": person,
                "messageId": f"i-{person}",
                "traits": {"name": person, "phone": f"+4915{each:09d}"},
            }
            for each, person in enumerate(people)
        ]
        for start in range(0, number, BATCH):
            await self.post(batch[start : start + BATCH])
        return mark, people

    async def track(self, people: Sequence[str], event: str, properties: dict[str, Any]) -> None:
        """The same event of each of these people."""
        call = {"type": "track", "event": event, "properties": properties}
        batch = [call | {"userId": person, "messageId": uuid4().hex, "timestamp": _now()} for person in people]
        for start in range(0, len(batch), BATCH):
            await self.post(batch[start : start + BATCH])

    async def post(self, batch: list[dict[str, Any]]) -> None:
        """What a Segment client sends."""
        key = (self.system.keys.write_key, "")
        async with httpx.AsyncClient(base_url=self.system.url("profiles"), auth=key, timeout=60, trust_env=False) as client:
            (await client.post("/v1/batch", json={"batch": batch})).raise_for_status()

    async def count(self) -> int:
        """How many messages the sandbox has."""
        return int((await self.shop.sandbox.get("/api/messages/count")).json()["total"])

    async def _received(self, number: int) -> None:
        async def enough() -> bool:
            await asyncio.sleep(0.1)
            return await self.count() >= number

        await until(enough, what=f"{number} messages at the sandbox")

    async def _reported(self) -> bool:
        callbacks = (await self.shop.sandbox.get("/api/stats")).json()["callbacks"]
        due = 2 * await self.count() if self._callbacks else 0  # sent and delivered, for each message
        return bool(callbacks["pending"] == 0 and callbacks["delivered"] >= due)

    async def _ended(self, mark: str, number: int) -> bool:
        await asyncio.sleep(0.4)
        stats = await self.shop.journeys.get_json(f"/v1/journeys/{mark}/stats")
        return bool(stats["ended"] == number)

    async def _waiting_now(self, mark: str, number: int) -> bool:
        stats = await self.shop.journeys.get_json(f"/v1/journeys/{mark}/stats")
        return bool(any(step["step"] == "go" and step["kinds"].get("waiting") == number for step in stats["steps"]))

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process; the sandbox's do not count."""
        metered = (each for each in self.system.processes() if each.pid is not None and each.name != "sandbox")
        return {each.name: cpu_seconds([each.pid]) for each in metered if each.pid is not None}

    async def _stored(self) -> tuple[int, int]:
        url = self.system.env["DATABASE_URL"]
        total = 0
        for service in SERVICES:
            target = service_url(url, service).set(drivername="postgresql").render_as_string(hide_password=False)
            async with await psycopg.AsyncConnection.connect(target) as connection:
                await connection.set_autocommit(True)
                await connection.execute("CHECKPOINT")
                row = await (await connection.execute("SELECT pg_database_size(current_database())")).fetchone()
                total += int(row[0]) if row else 0
        temporal = sum(
            path.stat().st_size for path in self.folder.rglob("*temporal*") if path.is_file() and "log" not in path.parts
        )
        return total, temporal


def definition(mark: str) -> dict[str, Any]:
    """R, with an entry event of its own; its last wait is short so that a round ends."""
    send = {"type": "send", "template": "r", "channels": ["sms"], "purpose": "transactional"}
    return {
        "key": mark,
        "name": "R",
        "purpose": "transactional",
        "entry": {"event": f"Start {mark}"},
        "steps": [
            send | {"id": "first"},
            {"id": "go", "type": "wait_for", "paths": [{"id": "went", "event": f"Go {mark}"}], "timeout": {"after": "P3D"}},
            send | {"id": "second"},
            {"id": "rest", "type": "wait", "for": "PT1S"},
            send | {"id": "third"},
        ],
    }


def percentile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def _now() -> str:
    return datetime.now(UTC).isoformat()
