"""Records histories for the replay test: `python -m tests.workflows.record VERSION [SCENARIO…]`.

To be run once when workflow code gets a new version, and its files committed; recorded histories are never recorded again,
since they stand for the enrolments that are under way. Files: `histories/VERSION/SCENARIO.RUN.json`, one for every run of a
continue-as-new chain, and the definitions they need in `histories/definitions`. Every example journey has two scenarios of its
own (`example-KEY-taken`, `example-KEY-timed-out`), so that a new or changed example is recorded by naming these: their files bear
the beginning of the definition's hash too, and lie beside those of what the example was before.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from infra.local.ports import any_free
from infra.local.temporal import TemporalServer
from journeys import content_hash
from tests.benchmarks.history import chain
from tests.workflows import scenarios
from tests.workflows.harness import shell
from tests.workflows.journeys_under_test import ALL, EXAMPLES
from tests.workflows.scripted import World
from tests.workflows.short_runs import SHORT_RUNS

HISTORIES = Path(__file__).with_name("histories")


def stem(name: str) -> str:
    """What a scenario's files are called before the number of the run."""
    for key, definition in EXAMPLES.items():
        if name in (f"example-{key}-taken", f"example-{key}-timed-out"):
            return f"{name}.{content_hash(definition)[:12]}"
    return name


async def record(version: str, names: list[str], address: str) -> None:
    """Lives each scenario and writes down its runs."""
    folder = HISTORIES / version
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        async with shell(address, World((*ALL, *EXAMPLES.values()))) as around, around.worker():
            lived = await scenarios.ALL[name](around)
            runs = await chain(around.starter, lived.handle.id, lived.handle.first_execution_run_id or "")
        for number, run in enumerate(runs, start=1):
            (folder / f"{stem(name)}.{number}.json").write_text(run.to_json() + "\n")
        print(f"{version}/{name}: {len(runs)} runs, {sum(len(run.events) for run in runs)} events")


def main(version: str, chosen: list[str]) -> None:
    """Keeps what is there: a version's folder must not exist unless scenarios are named."""
    if not chosen and (HISTORIES / version).exists():
        sys.exit(f"{HISTORIES / version} exists: name the scenarios to record, or another version")
    definitions = HISTORIES / "definitions"
    definitions.mkdir(parents=True, exist_ok=True)
    for definition in (*ALL, *EXAMPLES.values()):
        (definitions / f"{content_hash(definition)}.json").write_text(json.dumps(definition, indent=1, ensure_ascii=False) + "\n")
    names = chosen or list(scenarios.ALL)
    short = [name for name in names if name in scenarios.IN_SHORT_RUNS]
    whole = [name for name in names if name not in scenarios.IN_SHORT_RUNS]
    for group, config in ((short, SHORT_RUNS), (whole, {})):
        folder = Path(tempfile.mkdtemp(prefix="reis-record-"))
        with TemporalServer(folder, port=any_free(), durable=False, dynamic_config=config) as server:
            asyncio.run(record(version, group, server.address))
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
