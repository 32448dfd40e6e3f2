"""The simulator's speed: dog owners who order food, taken through twelve months of the puppy journey, in one process."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from conditions import parse_condition
from conditions.computed import ComputedDraft, ComputedTrait
from journeys import parse_journey
from journeys.simulation import Script, Setting, simulate_population
from policy import DeliveryPolicy
from tests.benchmarks.result import Limit, Result, against, shown

PETSHOP = Path(__file__).parents[2] / "examples" / "petshop"
START = datetime(2026, 1, 10, 12, tzinfo=UTC)
MONTHS = 12
PEOPLE = 2000


def measure(people: int = PEOPLE) -> list[Result]:
    """CPU for 10,000 people, scaled from `people`, against reading their scripts; and person-months per second of it."""
    puppy, setting = parse_journey(_read("journeys/puppy-to-adult.json")), _setting()
    begun = time.process_time()
    scripts = [_owner(number) for number in range(people)]
    read = time.process_time()
    report = simulate_population(puppy, scripts, setting, START + timedelta(days=366))
    seconds = time.process_time() - read
    assert report.entered == people
    scale = 10_000 / people
    messages = sum(report.messages.values())
    note = f"scaled from {people:,} people, {seconds:.1f} s, {messages} messages; baseline: reading them"
    return [
        against(
            f"10,000 people through {MONTHS} months", seconds * scale, "s", (read - begun) * scale, note, Limit(60, of="value")
        ),
        shown("simulated person-months", people * MONTHS / seconds, "person-months/s", "of CPU"),
    ]


def _setting() -> Setting:
    adult = parse_journey(_read("journeys/adult-dog-replenishment.json"))
    draft = {name: value for name, value in _read("computed/dog_food_runs_out_at.json").items() if name != "key"}
    key = "dog_food_runs_out_at"
    return Setting(
        journeys={adult.key: adult},
        segments={"puppy-owners": parse_condition(_read("segments/puppy-owners.json")["condition"])},
        computed={key: ComputedTrait(key, ComputedDraft.model_validate(draft))},
        policy=DeliveryPolicy(quiet_hours="21:00-08:00"),
    )


def _owner(number: int) -> Script:
    """Tells of an eight-week-old puppy on some day of the first four weeks, and orders about once a month."""
    told = START + timedelta(days=number % 28)
    born = (told - timedelta(days=40 + number % 12)).date().isoformat()
    orders: list[dict[str, Any]] = [
        {
            "at": told + timedelta(days=5 + 30 * month + number * 7 % 11, hours=number % 24),
            "event": "Order Completed",
            "properties": {"category": "dog-food", "lasts_days": 28 + number % 9},
        }
        for month in range(MONTHS)
    ]
    return Script.model_validate(
        {
            "person": {
                "id": f"owner-{number}",
                "traits": {"timezone": "Europe/Berlin", "email": f"{number}@example.org", "phone": "+4915112345678"},
                "consents": "all",
            },
            "happenings": [{"at": told, "traits": {"dog": {"id": f"d{number}", "birthdate": born}}}, *orders],
            "begins": START,
        }
    )


def _read(path: str) -> Any:
    return json.loads((PETSHOP / path).read_bytes())
