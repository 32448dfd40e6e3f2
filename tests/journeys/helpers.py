"""Reference journeys and small journeys for tests."""

import json
import re
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

VIP, NOT_VIP = {"segment": "vip"}, {"not": {"segment": "vip"}}
EVENT = {"event": "Paid"}
SCHEDULE = {"schedule": {"rrule": "FREQ=WEEKLY;BYDAY=TU", "starts": "2026-01-01"}, "segment": "vip"}
ERROR, WARNING = "error", "warning"


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


GONE = object()


def leads_somewhere(data: object, path: str) -> bool:
    """Whether a JSON path exists in the document, or at least what would contain it."""
    parts = re.findall(r'\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\["(.*?)"\]', path)
    assert "$" + "".join(f".{name}" if name else f"[{at}]" if at else f'["{key}"]' for name, at, key in parts) == path
    for left, (name, at, key) in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
        inner = data.get(name or key, GONE) if isinstance(data, dict) else GONE
        if isinstance(data, list) and at and int(at) < len(data):
            inner = data[int(at)]
        if inner is GONE:
            return left == 0 and isinstance(data, dict)
        data = inner
    return True


def call(step_id: str, **more: object) -> dict[str, object]:
    """The JSON of a call."""
    return {"id": step_id, "type": "call", "url": "https://shop.example/points", **more}


def launch(step_id: str, journey: str = "other", **more: object) -> dict[str, object]:
    """The JSON of a start_journey."""
    return {"id": step_id, "type": "start_journey", "journey": journey, **more}


def branch(step_id: str, *conditions: object, otherwise: object = (), inside: object = ()) -> dict[str, object]:
    """The JSON of a branch with the paths p0, p1, …; `inside` are the steps of the first."""
    paths = [{"id": f"p{at}", "if": found, "steps": list(inside) if at == 0 else []} for at, found in enumerate(conditions)]  # type: ignore[call-overload]
    return {"id": step_id, "type": "branch", "paths": paths, "otherwise": list(otherwise)}  # type: ignore[call-overload]


def age(**test: object) -> dict[str, object]:
    """The JSON of a condition on the trait `age`."""
    return {"trait": "age", **test}


def update(**traits: object) -> dict[str, object]:
    """The JSON of an update of the profile."""
    return {"id": "u", "type": "update_profile", "set": traits}


def until(step_id: str, date: object, **more: object) -> dict[str, object]:
    """The JSON of a wait until a date."""
    return {"id": step_id, "type": "wait", "until": date, **more}


def waiting(*paths: object, **more: object) -> dict[str, object]:
    """The JSON of a wait for any of these, by the paths p0, p1, …."""
    return {"id": "w", "type": "wait_for", "paths": [{"id": f"p{at}", **path} for at, path in enumerate(paths)], **more}  # type: ignore[dict-item]


def repeat(condition: object, *steps: object, **more: object) -> dict[str, object]:
    """The JSON of a repetition."""
    return {"id": "r", "type": "repeat", "until": condition, "steps": list(steps) or [pause("in")], **more}


def split(step_id: str, *weights: int) -> dict[str, object]:
    """The JSON of a split of the experiment `price`."""
    paths = [{"id": f"{step_id}{at}", "weight": weight} for at, weight in enumerate(weights)]
    return {"id": step_id, "type": "split", "experiment": "price", "paths": paths}


def ref(name: str) -> dict[str, str]:
    """The JSON of a reference."""
    return {"ref": name}
