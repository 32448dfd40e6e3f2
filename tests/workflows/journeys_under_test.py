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

FOLLOW_UP: JsonValue = json.loads((ROOT / "examples/publisher/journeys/event-follow-up.json").read_text())
PUPPY: JsonValue = json.loads((ROOT / "examples/petshop/journeys/puppy-to-adult.json").read_text())
ALL = (R, ROUND, FOLLOW_UP, PUPPY)
