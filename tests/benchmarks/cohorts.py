"""A broadcast to a whole segment: in a cohort, against one enrolment workflow per person.

One send through the Twilio adapter to the sandbox, callbacks off. CPU of all processes but the sandbox, from the request (or the
first event) until every message is at the provider, everybody has ended, and the receipts are read.
`python -m tests.benchmarks.cohorts [PEOPLE [SINGLE]]` runs it alone.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import uvloop

from infra.db import service_url
from tests.benchmarks.journeys import Bench
from tests.benchmarks.result import Limit, Result, against
from tests.e2e.shop import until

PEOPLE = 100_000
SINGLE = 1_000
IDENTIFIES = 250
PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What one broadcast cost. Times in seconds."""

    people: int
    seconds: float
    cpu_by_process: Mapping[str, float]

    @property
    def cpu_per_person(self) -> float:
        return sum(self.cpu_by_process.values()) / self.people

    def shares(self) -> str:
        """Milliseconds per person, by process."""
        per_person = {name: seconds / self.people * 1000 for name, seconds in sorted(self.cpu_by_process.items())}
        return ", ".join(f"{name} {share:.2f}" for name, share in per_person.items())


async def measure(people: int = PEOPLE, single: int = SINGLE) -> list[Result]:
    """Both ways in the same run, on the same system."""
    async with Bench(callbacks=False) as bench:
        await _prepare(bench)
        await _single(bench, max(single // 5, 50))
        alone = await _single(bench, single)
        await _cohort(bench, max(people // 50, 50))
        together = await _cohort(bench, people)
    value, baseline = together.cpu_per_person, alone.cpu_per_person
    note = f"{people} people; ms by process: {together.shares()}; one by one ({single} people): {alone.shares()}"
    return [
        against("CPU per person, broadcast in a cohort", value, "s", baseline, note, Limit(0.1)),
        Result(
            "broadcast in a cohort", people / together.seconds, "people/s", single / alone.seconds, None, "the sandbox included"
        ),
    ]


async def _prepare(bench: Bench) -> None:
    await bench.shop.publish("templates", "b", {"sms": {"body": "{{ profile.traits.name }}"}})


async def _single(bench: Bench, people: int) -> Broadcast:
    """Everybody enters by an event of their own."""
    mark = _mark()
    await bench.shop.publish("journeys", mark, _definition(mark, {"event": f"Start {mark}"}))
    await _people(bench, mark, people)
    received, before, started = await bench.count(), bench.cpu(), time.perf_counter()
    await bench.track([f"{mark}-{each}" for each in range(people)], f"Start {mark}", {})
    return await _over(bench, mark, people, received, before, started)


async def _cohort(bench: Bench, people: int) -> Broadcast:
    """Everybody enters by one back-fill."""
    mark = _mark()
    await bench.shop.publish("journeys", mark, _definition(mark, {"api": True}))
    await _people(bench, mark, people)
    received, before, started = await bench.count(), bench.cpu(), time.perf_counter()
    await bench.shop.journeys.request("POST", f"/v1/journeys/{mark}/backfill", {"segment": mark})
    return await _over(bench, mark, people, received, before, started)


async def _over(bench: Bench, key: str, people: int, received: int, before: Mapping[str, float], started: float) -> Broadcast:
    async def sent() -> bool:
        await asyncio.sleep(0.5)
        return await bench.count() >= received + people

    async def ended() -> bool:
        query = "SELECT count(*) FROM enrolment WHERE journey = %s AND state = 'ended'"
        return bool(await _journeys(bench, query, key) == people)

    await until(sent, what=f"{people} messages at the sandbox", patience=PATIENCE)
    seconds = time.perf_counter() - started
    await until(ended, what="everybody has ended", patience=PATIENCE)
    await until(lambda: _read(bench), what="every receipt is read", patience=PATIENCE)
    after = bench.cpu()
    return Broadcast(people, seconds, {name: after[name] - before[name] for name in after})


async def _read(bench: Bench) -> bool:
    """Whether the journeys service has read the channels feed to its end."""
    head = (await bench.shop.channels.get_json("/v1/feed/head"))["next"]
    return bool(await _journeys(bench, "SELECT cursor FROM feed_cursor WHERE feed = 'channels'") == head)


async def _journeys(bench: Bench, query: str, *values: str) -> object:
    """One value from the journeys service's database."""
    url = service_url(bench.system.env["DATABASE_URL"], "journeys").set(drivername="postgresql")
    async with await psycopg.AsyncConnection.connect(url.render_as_string(hide_password=False)) as connection:
        row = await (await connection.execute(query, values)).fetchone()
    return row[0] if row else None


async def _people(bench: Bench, mark: str, people: int) -> None:
    """New people with phone numbers who carry the mark, known to the segments service."""
    await bench.shop.publish("segments", mark, {"name": mark, "condition": {"trait": "mark", "eq": mark}})
    batch = [
        {
            "type": "identify",
            "userId": f"{mark}-{each}",
            "messageId": f"i-{mark}-{each}",
            "traits": {"name": f"{mark}-{each}", "phone": f"+4915{each:09d}", "mark": mark},
        }
        for each in range(people)
    ]
    for start in range(0, people, IDENTIFIES):
        await bench.post(batch[start : start + IDENTIFIES])

    async def known() -> bool:
        return bool((await bench.shop.segments.get_json(f"/v1/segments/{mark}/count"))["count"] == people)

    await until(known, what="everybody is a member", patience=PATIENCE)


def _mark() -> str:
    return f"b{uuid4().hex[:8]}"


def _definition(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    send = {"id": "say", "type": "send", "template": "b", "channels": ["sms"], "purpose": "transactional"}
    return {"key": key, "name": "Broadcast", "purpose": "transactional", "entry": entry, "steps": [send]}


if __name__ == "__main__":
    sizes = [int(each) for each in sys.argv[1:3]]
    for found in uvloop.run(measure(*sizes)):
        print(f"{found.name}: {found.value:.5g} {found.unit}, baseline {found.baseline}, ratio {found.ratio}\n  {found.note}")
