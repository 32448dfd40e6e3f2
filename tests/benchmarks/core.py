"""What the pure parts cost: `plan` and `advance` per step, and validation."""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import JsonValue

from journeys import Catalog, Journey, check, parse_journey
from journeys.engine import Perform, advance, plan, start
from journeys.outcome import Done
from tests.benchmarks.language import straight
from tests.benchmarks.result import Result, against, shown

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def mixed(steps: int) -> dict[str, JsonValue]:
    """A journey of that many steps (a multiple of five): sends, waits, waits for events, branches with a send inside."""
    listed: list[JsonValue] = []
    for number in range(0, steps, 5):
        listed += [
            {"id": f"a{number}", "type": "send", "template": "t", "channels": ["email"]},
            {"id": f"b{number}", "type": "wait", "for": "P1D", "window": {"from": "09:00", "to": "18:00"}},
            {
                "id": f"c{number}",
                "type": "wait_for",
                "paths": [{"id": "bought", "event": "Order Completed", "where": {"property": "total", "gt": 10}}],
                "timeout": {"after": "P7D"},
            },
            {
                "id": f"d{number}",
                "type": "branch",
                "paths": [
                    {
                        "id": "yes",
                        "if": {"trait": "plan", "eq": "gold"},
                        "steps": [{"id": f"e{number}", "type": "send", "template": "t", "channels": ["email"]}],
                    }
                ],
                "otherwise": [],
            },
        ]
    return {**straight(0), "key": "mixed", "steps": listed}


def measure() -> list[Result]:
    """The pure parts, in this process."""
    text = json.dumps(mixed(200))
    parsing = _timed(lambda: parse_journey(json.loads(text)))
    catalog = Catalog(templates=frozenset({"t"}), segments=frozenset(), journeys=frozenset())
    validating = _timed(lambda: check(parse_journey(json.loads(text)), catalog))
    journey = parse_journey(straight(200))
    walking = _timed(lambda: _walk(journey)) / 200
    note = "baseline: json.loads and the models alone"
    return [
        shown("plan and advance, per step", walking * 1e6, "µs", "200 sends in a row, median"),
        against("validation of a 200-step journey", validating * 1000, "ms", parsing * 1000, note),
    ]


def _walk(journey: Journey) -> None:
    cursor = start(journey)
    while isinstance(plan(journey, cursor), Perform):
        cursor = advance(journey, cursor, Done(), NOW)


def _timed(work: Callable[[], object]) -> float:
    """Median CPU seconds of one call."""
    taken: list[float] = []
    for _ in range(15):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return statistics.median(taken)
