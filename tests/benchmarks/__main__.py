"""`make bench`: every measurement in one run, as a table and as `bench.json`; fails where one misses its limit.

`python -m tests.benchmarks --only NAME` runs one part; `--help` names them.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from infra.local.postgres import EmbeddedPostgres
from tests.benchmarks import burst, cohorts, core, ingestion, language, simulation
from tests.benchmarks.baseline import Baseline
from tests.benchmarks.journeys import Bench, percentile
from tests.benchmarks.result import Limit, Result, against, shown

JOURNEYS = 300
ROUNDS = 3
GENTLE = 100
PER_SECOND = 5.0
WAITING = 1000


async def _pure() -> list[Result]:
    return [*simulation.measure(), *core.measure()]


async def _ingestion() -> list[Result]:
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        server.create_databases(["bench"])
        return [await ingestion.measure(server.url("bench"))]


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
            against(
                "CPU per journey R",
                reis.cpu_per_journey,
                "s",
                plain.cpu_per_journey,
                f"ms by process: {by_process}",
                Limit(3.5),
            ),
            against("journeys R", reis.journeys_per_second, "journeys/s", plain.journeys_per_second, f"{JOURNEYS} at once"),
            against("history events of R", reis.history_events, "events", plain.history_events, "", Limit(26, of="value")),
            shown("event to message, p50", percentile(latencies, 0.5) * 1000, "ms", f"{PER_SECOND:g} journeys a second"),
            shown("event to message, p99", percentile(latencies, 0.99) * 1000, "ms", f"{PER_SECOND:g} journeys a second"),
            shown("waiting enrolment, services' databases", waiting.services, "bytes", f"{WAITING} waiting, indexes included"),
            shown("waiting enrolment, Temporal's database", waiting.temporal, "bytes", "SQLite of the dev server"),
        ]
        results += [shown(f"memory, {name}", used / 2**20, "MiB", "unique set size") for name, used in bench.memory().items()]
    return results


async def _callbacks() -> list[Result]:
    async with Bench(callbacks=True) as bench:
        await bench.round(JOURNEYS // 5)
        async with Baseline(bench.system.env["TEMPORAL_ADDRESS"], pids=[bench.system.pid("temporal")]) as bare:
            await bare.round(JOURNEYS // 5)
            reis, plain = await bench.round(JOURNEYS), await bare.round(JOURNEYS)
    note = "two status callbacks a message"
    return [against("CPU per journey R, callbacks on", reis.cpu_per_journey, "s", plain.cpu_per_journey, note)]


PARTS: Mapping[str, Callable[[], Awaitable[list[Result]]]] = {
    "pure": _pure,
    "ingestion": _ingestion,
    "journeys": _journeys,
    "callbacks": _callbacks,
    "cohorts": cohorts.measure,
    "burst": burst.measure,
    "language": language.measure,
}


async def measure(parts: list[str]) -> list[Result]:
    """Runs these parts, or everything: half an hour. What a part came to is told as it ends."""
    results: list[Result] = []
    for name in parts or PARTS:
        found = await PARTS[name]()
        Console(stderr=True, width=220).print(_table(found))
        results += found
    return results


def _table(results: list[Result]) -> Table:
    table = Table("measurement", "value", "unit", "baseline", "ratio", "limit", "", "note")
    for each in results:
        baseline = "" if each.baseline is None else f"{each.baseline:.4g}"
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        holds = {None: "", True: "holds", False: "MISSED"}[each.holds]
        table.add_row(each.name, f"{each.value:.4g}", each.unit, baseline, ratio, str(each.limit or ""), holds, each.note)
    return table


def as_json(each: Result) -> dict[str, float | str | bool | None]:
    """A row of `bench.json`."""
    return {
        "value": each.value,
        "unit": each.unit,
        "baseline": each.baseline,
        "ratio": each.ratio,
        "limit": None if each.limit is None else str(each.limit),
        "holds": each.holds,
    }


def report(results: list[Result], to: Path) -> int:
    """Prints the table, writes the file; answers the exit status."""
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 220).print(_table(results))
    to.write_bytes(orjson.dumps({each.name: as_json(each) for each in results}, option=orjson.OPT_INDENT_2))
    missed = [each.name for each in results if each.holds is False]
    if missed:
        print(f"limits missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measures; fails where a limit is missed.")
    arguments.add_argument("--only", action="append", default=[], choices=list(PARTS), help="this part; may be given again")
    chosen: list[str] = arguments.parse_args().only
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(chosen))
    sys.exit(report(found, Path("bench.json")))
