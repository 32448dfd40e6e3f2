"""`make bench`: every measurement in one run, as a table and as `bench.json` (name → value, unit, baseline, ratio)."""

import asyncio
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from infra.local.postgres import EmbeddedPostgres
from tests.benchmarks import cohorts, ingestion, language, simulation
from tests.benchmarks.baseline import Baseline
from tests.benchmarks.journeys import Bench, percentile
from tests.benchmarks.result import Result

JOURNEYS = 300
ROUNDS = 3
GENTLE = 100
PER_SECOND = 5.0
WAITING = 1000


async def main() -> list[Result]:
    """Runs everything; minutes."""
    return [
        simulation.measure(),
        await _ingestion(),
        *await _journeys(),
        *await _with_callbacks(),
        *await cohorts.measure(),
        *await language.measure(),
    ]


async def _ingestion() -> Result:
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        server.create_databases(["bench"])
        return await ingestion.measure(server.url("bench"))


async def _journeys() -> list[Result]:
    """Reis and the hand-written workflow in turns, on the same Temporal server."""
    async with Bench(callbacks=False) as bench:
        async with Baseline(bench.system.env["TEMPORAL_ADDRESS"], pids=[bench.system.pid("temporal")]) as bare:
            await bare.round(JOURNEYS // 5)
            await bench.round(JOURNEYS // 5)
            pairs = [(await bench.round(JOURNEYS), await bare.round(JOURNEYS)) for _ in range(ROUNDS)]
        cpu = statistics.median(reis.cpu_per_journey / plain.cpu_per_journey for reis, plain in pairs)
        reis, plain = min(pairs, key=lambda pair: abs(pair[0].cpu_per_journey / pair[1].cpu_per_journey - cpu))
        latencies = await bench.latencies(GENTLE, PER_SECOND)
        waiting = await bench.waiting(WAITING)
        by_process = ", ".join(f"{name} {seconds / JOURNEYS * 1000:.1f}" for name, seconds in sorted(reis.cpu_by_process.items()))
        results = [
            _against(
                "CPU per journey R", reis.cpu_per_journey, "s", plain.cpu_per_journey, f"at most 3.5; ms by process: {by_process}"
            ),
            _against("journeys R", reis.journeys_per_second, "journeys/s", plain.journeys_per_second, f"{JOURNEYS} at once"),
            _against("history events of R", reis.history_events, "events", plain.history_events, "at most 26 events"),
            _shown("event to message, p50", percentile(latencies, 0.5) * 1000, "ms", f"{PER_SECOND:g} journeys a second"),
            _shown("event to message, p99", percentile(latencies, 0.99) * 1000, "ms", f"{PER_SECOND:g} journeys a second"),
            _shown("waiting enrolment, services' databases", waiting.services, "bytes", f"{WAITING} waiting, indexes included"),
            _shown("waiting enrolment, Temporal's database", waiting.temporal, "bytes", "SQLite of the dev server"),
        ]
        results += [_shown(f"memory, {name}", used / 2**20, "MiB", "unique set size") for name, used in bench.memory().items()]
    return results


async def _with_callbacks() -> list[Result]:
    async with Bench(callbacks=True) as bench:
        await bench.round(JOURNEYS // 5)
        async with Baseline(bench.system.env["TEMPORAL_ADDRESS"], pids=[bench.system.pid("temporal")]) as bare:
            await bare.round(JOURNEYS // 5)
            reis, plain = await bench.round(JOURNEYS), await bare.round(JOURNEYS)
    return [
        _against(
            "CPU per journey R, callbacks on",
            reis.cpu_per_journey,
            "s",
            plain.cpu_per_journey,
            "two status callbacks a message",
        )
    ]


def _against(name: str, value: float, unit: str, baseline: float, note: str) -> Result:
    return Result(name, value, unit, baseline, value / baseline, note)


def _shown(name: str, value: float, unit: str, note: str) -> Result:
    return Result(name, value, unit, None, None, note)


def _table(results: list[Result]) -> Table:
    table = Table("measurement", "value", "unit", "baseline", "ratio", "note")
    for each in results:
        baseline = "" if each.baseline is None else f"{each.baseline:.4g}"
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        table.add_row(each.name, f"{each.value:.4g}", each.unit, baseline, ratio, each.note)
    return table


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(main())
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(_table(found))
    rows = {each.name: {"value": each.value, "unit": each.unit, "baseline": each.baseline, "ratio": each.ratio} for each in found}
    Path("bench.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
