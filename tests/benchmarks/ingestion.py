"""Events per second through /v1/batch, beside a bare endpoint that only parses and inserts the same rows.

Both serve from a process of their own, with the same server settings, on the same PostgreSQL, in turns.
The client sends ready-made bodies.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
import orjson
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database, service_url
from infra.local.ports import any_free
from infra.migrations import schema_of, upgrade
from infra.service import serve
from infra.settings import Settings
from services.profiles import app as profiles
from tests.benchmarks import bare
from tests.benchmarks.result import Limit, Result, against

EVENTS = 20_000
USERS = 2_000
BATCH = 500
CONNECTIONS = 4
ROUNDS = 3
KEY = "benchmark"


async def measure(database_url: str) -> Result:
    """Measures on the server of `database_url`, in databases of its own beside the one it names."""
    schema = schema_of("profiles")
    rates: dict[str, list[float]] = {"reis": [], "bare": []}
    for number in range(ROUNDS):
        for kind, found in rates.items():
            base = make_url(database_url)
            url = base.set(database=f"{base.database}_{kind}_{number}").render_as_string(hide_password=False)
            await asyncio.to_thread(upgrade, schema, url)
            migrated = service_url(url, "profiles").render_as_string(hide_password=False)
            found.append(await _rate(kind, migrated, seed=number))
    value, baseline = statistics.median(rates["reis"]), statistics.median(rates["bare"])
    note = f"{EVENTS} events of {USERS} users, {BATCH} a batch, {CONNECTIONS} connections, median of {ROUNDS} rounds in turns"
    return against("ingestion through /v1/batch", value, "events/s", baseline, note, Limit(0.5, "least"))


async def _rate(kind: str, url: str, *, seed: int) -> float:
    bodies = _bodies(seed)
    async with _server(kind, url) as address, httpx.AsyncClient(base_url=address, auth=(KEY, ""), timeout=60) as client:
        started = time.perf_counter()
        waiting = iter(bodies)
        await asyncio.gather(*(_send(client, waiting) for _ in range(CONNECTIONS)))
        seconds = time.perf_counter() - started
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT count(*) FROM event"))).scalar_one()
        assert rows == EVENTS, f"{kind} stored {rows} of {EVENTS} events"
    await engine.dispose()
    return EVENTS / seconds


async def _send(client: httpx.AsyncClient, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        response = await client.post("/v1/batch", content=body)
        assert response.status_code == 200, response.text


def _bodies(seed: int) -> Sequence[bytes]:
    chance = random.Random(seed)
    messages = [
        {
            "type": "track",
            "messageId": str(UUID(int=chance.getrandbits(128), version=4)),
            "userId": f"user-{number % USERS}",
            "anonymousId": None,
            "event": chance.choice(("Product Viewed", "Product Added", "Order Completed")),
            "timestamp": "2026-02-28T09:30:00.123Z",
            "properties": {"product_id": chance.randrange(1000), "price": 12.5, "currency": "EUR", "tags": ["cat", "food"]},
            "context": {"library": {"name": "analytics-python", "version": "2.3.5"}},
            "integrations": {},
        }
        for number in range(EVENTS)
    ]
    return [orjson.dumps({"batch": messages[start : start + BATCH], "sentAt": None}) for start in range(0, EVENTS, BATCH)]


@asynccontextmanager
async def _server(kind: str, url: str) -> AsyncIterator[str]:
    port = any_free()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, kind, url, str(port))
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=address) as client, asyncio.timeout(30):
            while True:
                assert process.returncode is None, f"the {kind} server ended"
                try:
                    if (await client.get("/readyz")).is_success:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield address
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _app(kind: str, url: str) -> FastAPI:
    if kind == "bare":
        return bare.create_app(url)
    keyring = KeyRing((ApiKey(name=KEY, sha256=hashed(KEY), scopes=frozenset({Scope.TRACK})),))
    return profiles.create_app(database=Database(url), keyring=keyring, clock=Clock())


if __name__ == "__main__":
    asyncio.run(serve(_app(sys.argv[1], sys.argv[2]), Settings(port=int(sys.argv[3]))))
