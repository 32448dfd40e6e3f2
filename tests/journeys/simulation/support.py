"""Small journeys, people and instants for the simulator's tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from journeys import Journey, parse_journey
from journeys.simulation import Life, Script, Setting, simulate

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEAR = timedelta(days=365)


def journey(*steps: dict[str, Any], **more: Any) -> Journey:
    """A journey that begins with the event Begun."""
    definition = {"key": "j", "name": "J", "purpose": "marketing", "entry": {"event": "Begun"}, **more, "steps": steps}
    return parse_journey(definition)


def send(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "send", "template": f"t-{name}", "channels": ["email"], **more}


def wait(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "wait", **more}


def event(after: timedelta, name: str, **properties: Any) -> dict[str, Any]:
    return {"at": START + after, "event": name, "properties": properties}


def traits(after: timedelta, **changed: Any) -> dict[str, Any]:
    return {"at": START + after, "traits": changed}


def person(
    *, events: Any = (), segments: Any = (), consents: Any = "all", channels: Any = ("email",), **known: Any
) -> dict[str, Any]:
    return {"id": "ann", "traits": known, "events": events, "segments": segments, "consents": consents, "channels": channels}


def script(*happenings: dict[str, Any], who: dict[str, Any] | None = None, **more: Any) -> Script:
    """Somebody who does Begun at START, and what comes then."""
    return Script.model_validate({"person": who or person(), "happenings": [event(0 * DAY, "Begun"), *happenings], **more})


def live(
    under_test: Journey, *happenings: dict[str, Any], setting: Setting | None = None, days: float = 400, **more: Any
) -> Life:
    return simulate(under_test, script(*happenings, **more), setting or Setting(), START + days * DAY)


def told(life: Life) -> list[str]:
    """Kind and step of every line of the journey under test."""
    return [f"{line.kind} {line.step}" if line.step else line.kind for line in life.lines]


def sent(life: Life) -> list[tuple[str, timedelta]]:
    """Steps that sent, with the time since START."""
    return [(message.step, message.at - START) for message in life.messages]


def ended(life: Life) -> tuple[str, timedelta] | None:
    return None if life.end is None else (life.end.reason, life.end.at - START)
