"""Reference journeys and small journeys for tests."""

import json
from pathlib import Path

from pydantic import JsonValue

from journeys import Journey, parse_journey

ROOT = Path(__file__).parents[2]
REFERENCES = {
    path.stem: path
    for path in (
        ROOT / "examples/publisher/journeys/event-follow-up.json",
        ROOT / "examples/petshop/journeys/puppy-to-adult.json",
        ROOT / "examples/petshop/journeys/adult-dog-replenishment.json",
    )
}
FOLLOW_UP, PUPPY, REPLENISHMENT = sorted(REFERENCES, key=["event-follow-up", "puppy-to-adult", "adult-dog-replenishment"].index)


def definition(name: str) -> dict[str, JsonValue]:
    """The JSON of a reference journey."""
    data: dict[str, JsonValue] = json.loads(REFERENCES[name].read_text())
    return data


def reference(name: str) -> Journey:
    """A reference journey."""
    return parse_journey(definition(name))


def small(*steps: object, **more: object) -> dict[str, object]:
    """The JSON of a small journey with these steps."""
    return {"key": "small", "name": "Small", "purpose": "marketing", "entry": {"event": "Order"}, "steps": list(steps), **more}


def send(step_id: str, **more: object) -> dict[str, object]:
    """The JSON of a send step."""
    return {"id": step_id, "type": "send", "template": "hello", "channels": ["email"], **more}


def pause(step_id: str, **more: object) -> dict[str, object]:
    """The JSON of a wait of a day."""
    return {"id": step_id, "type": "wait", "for": "P1D", **more}


def goto(step_id: str, target: str) -> dict[str, object]:
    """The JSON of a goto."""
    return {"id": step_id, "type": "goto", "goto": target}


def wait_for(step_id: str, steps: object = (), timeout: object = None, **more: object) -> dict[str, object]:
    """The JSON of a wait for the event `Paid`, by path `paid`."""
    found = {"id": step_id, "type": "wait_for", "paths": [{"id": "paid", "event": "Paid", "steps": list(steps)}], **more}  # type: ignore[call-overload]
    return found if timeout is None else {**found, "timeout": timeout}
