"""The definitions that the shell is tested with."""

import json
from pathlib import Path

from pydantic import JsonValue

ROOT = Path(__file__).parents[2]
_HEAD: dict[str, JsonValue] = {"name": "Test", "purpose": "marketing", "entry": {"api": True}}


def send(step: str) -> dict[str, JsonValue]:
    return {"id": step, "type": "send", "template": step, "channels": ["email"]}


R: JsonValue = {
    **_HEAD,
    "key": "r",
    "steps": [
        send("welcome"),
        {
            "id": "order",
            "type": "wait_for",
            "paths": [{"id": "ordered", "event": "Order Completed", "steps": []}],
            "timeout": {"after": "P3D", "steps": []},
        },
        send("thanks"),
        {"id": "pause", "type": "wait", "for": "PT1H"},
        send("advice"),
    ],
}
"""The reference journey of the measurements: send, wait for an event, send, wait, send."""

ROUNDS = 12
ROUND: JsonValue = {
    **_HEAD,
    "key": "round",
    "steps": [
        {
            "id": "rounds",
            "type": "repeat",
            "max": ROUNDS,
            "steps": [
                {
                    "id": "bag-empty",
                    "type": "wait_for",
                    "paths": [{"id": "bought", "event": "Order Completed", "steps": [send("thanks-again")]}],
                    "timeout": {"after": "P30D", "steps": [send("refill")]},
                },
            ],
        },
    ],
}
"""A loop that continues as new when histories must be short."""

TREADMILL_ROUNDS = 600
TREADMILL: JsonValue = {
    **_HEAD,
    "key": "treadmill",
    "steps": [
        {
            "id": "rounds",
            "type": "repeat",
            "max": TREADMILL_ROUNDS,
            "steps": [{"id": "step", "type": "wait_for", "paths": [{"id": "stepped", "event": "Stepped"}]}],
        },
    ],
}
"""A loop of nothing but waits."""

EVERY_STEP: dict[str, JsonValue] = {
    **_HEAD,
    "key": "every-step",
    "steps": [
        {"id": "arms", "type": "split", "paths": [{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]},
        {"id": "note", "type": "update_profile", "set": {"greeted": True}},
        {"id": "tell", "type": "emit_event", "event": "Greeted"},
        {
            "id": "ask",
            "type": "call",
            "url": "https://api.example.org/check",
            "on_failure": [send("sorry")],
        },
        {"id": "aside", "type": "start_journey", "journey": "r", "wait": False},
        {"id": "within", "type": "start_journey", "journey": "r", "wait": True},
        {
            "id": "kind",
            "type": "branch",
            "paths": [{"id": "cat", "if": {"trait": "pet", "eq": "cat"}, "steps": [send("purr")]}],
            "otherwise": [{"id": "over", "type": "goto", "goto": "nap"}],
        },
        {"id": "nap", "type": "wait", "for": "PT1H"},
        {
            "id": "rounds",
            "type": "repeat",
            "until": {"trait": "done", "eq": True},
            "max": 3,
            "steps": [
                {
                    "id": "news",
                    "type": "wait_for",
                    "paths": [
                        {"id": "bought", "event": "Order Completed"},
                        {"id": "joined", "segment_entered": "vip"},
                        {"id": "rich", "if": {"trait": "points", "gte": 100}},
                    ],
                    "timeout": {"after": "P30D", "steps": []},
                }
            ],
        },
        {"id": "end", "type": "exit", "reason": "done"},
    ],
}
"""Every type of step."""

EVERY_STEP_LATER: JsonValue = {**EVERY_STEP, "name": "Every step, revised"}
"""Another version of the same, to move to."""

FOLLOW_UP: JsonValue = json.loads((ROOT / "examples/publisher/journeys/event-follow-up.json").read_text())
PUPPY: JsonValue = json.loads((ROOT / "examples/petshop/journeys/puppy-to-adult.json").read_text())
EXAMPLES: dict[str, JsonValue] = {
    definition["key"]: definition
    for path in sorted((ROOT / "examples").glob("*/journeys/*.json"))
    for definition in [json.loads(path.read_text())]
    if "steps" in definition  # tests lie beside the journeys
}
"""Every example journey by its key."""

ALL: tuple[JsonValue, ...] = (R, ROUND, TREADMILL, EVERY_STEP, EVERY_STEP_LATER, FOLLOW_UP, PUPPY)
