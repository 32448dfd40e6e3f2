"""Random journeys and people for the real system, and everything around them that both sides know."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from random import Random
from typing import Any

import orjson
from pydantic import JsonValue

from conditions import parse_condition
from journeys import Catalog, check, parse_journey
from journeys.check import errors
from journeys.model import Send
from journeys.simulation import Enrolled, EventHappens, MessageOutcome, Person, Script, Setting, TraitsChange, simulate
from journeys.simulation.people import AnyHappening, ChannelName, Consent, Enrols
from tests.differential.shops import START, ZONES
from tests.differential.stage import ZONE, computed_traits
from tests.journeys.sound import drawn, sound_definitions
from tests.journeys.strategies import HEAD

Json = dict[str, Any]
DAYS = 45
CHANNELS: tuple[ChannelName, ...] = ("email", "sms", "whatsapp")
CONSENTS = tuple(Consent(channel=channel, purpose="marketing") for channel in CHANNELS)
MOST_LINES = 80
"""A life that tells more takes long to live for real."""
OTHER: Json = {
    **HEAD,
    "key": "other",
    "name": "Other",
    "entry": {"api": True, "reentry": "always"},
    "steps": [{"id": "o", "type": "wait", "for": "P3D"}, {"id": "e", "type": "emit_event", "event": "Paid"}],
}
TEMPLATES: tuple[Json, ...] = (
    {
        "key": "hello",
        "email": {"subject": "Hello", "html": "<p>Hello {{ unsubscribe_url }}</p>"},
        "whatsapp": {"body": "Hello"},
        "sms": {"body": "Hello"},
    },
)
SEGMENTS: tuple[Json, ...] = (
    {"key": "vip", "name": "VIP", "condition": {"trait": "age", "gt": 0}},
    {"key": "puppy-owners", "name": "Owners", "condition": {"event": "Order Completed", "within": "P10D"}},
)
COMPUTED: tuple[Json, ...] = ({"key": "out", "event": "Order", "take": "last", "add": {"property": "lasts", "unit": "days"}},)
_EVENTS = ("Order", "Order", "Paid", "E0", "E1", "E2", "Order Completed", "Dog Deceased")


@cache
def journey(start: int) -> Json:
    """One that may be published beside `OTHER` and lets its first person in, the same for the same `start`.

    The stage reaches no service that a call could ask, has no callbacks that fallback waits for, and runs no cohorts, which a
    schedule needs. Caps of entry count everybody, and the simulator lives one life.
    """
    for attempt in count():
        for definition in drawn(sound_definitions(without={"call", "fallback"}), 100 * start + attempt, 2):
            each: Json = orjson.loads(json.dumps(definition))  # as it comes over the wire: what exceeds 64 bits becomes a float
            each["entry"].pop("caps", None)
            found = parse_journey(each)
            if "schedule" not in each["entry"] and not errors(check(found, catalog(each))) and _eventful(each, start):
                return each
    raise AssertionError


def _eventful(definition: Json, seed: int) -> bool:
    until = START + timedelta(days=DAYS)
    life = simulate(parse_journey(definition), script(definition, seed), setting(), until)
    return 10 < sum(len(run.lines) for run in life.own) < MOST_LINES


def catalog(definition: Json) -> Catalog:
    """What is there when it is published."""
    return Catalog(
        templates=frozenset({"hello"}),
        segments=frozenset({"vip", "puppy-owners"}),
        journeys=frozenset({"other", definition["key"]}),
        computed=frozenset({"out"}),
        definitions={"other": parse_journey(OTHER)},
    )


def setting() -> Setting:
    """The simulator's world."""
    return Setting(
        journeys={"other": parse_journey(OTHER)},
        segments={each["key"]: parse_condition(each["condition"]) for each in SEGMENTS},
        computed=computed_traits(COMPUTED),
        zone=ZONE,
    )


def script(definition: Json, seed: int) -> Script:
    """A person who does what journeys of this kind look at; the same for the same journey and seed."""
    dice = Random(seed)
    arrives = START + timedelta(seconds=dice.randrange(1, 86_400))
    traits = {"email": f"p{seed}@example.com", "phone": f"+4477009{seed:05}", "timezone": dice.choice(ZONES), **_traits(dice)}
    sends = [step.id for step in parse_journey(definition).index.steps.values() if isinstance(step, Send)]
    entering = Enrols(entry_key="k", properties={"id": "k", "total": 1, "at": "2026-03-20"})
    future = [Enrolled(at=arrives + timedelta(minutes=2), enrol=entering), *_future(dice, arrives, sends)]
    happenings = sorted(future, key=lambda each: each.at)
    return Script(
        person=Person(consents=CONSENTS), happenings=(TraitsChange(at=arrives, traits=traits), *happenings), begins=START
    )


def _traits(dice: Random) -> Json:
    return {
        "age": dice.choice([0, 1, 2]),
        "color": dice.choice(["", "a", "ab"]),
        "dog": {"id": "d", "alive": True, "birthdate": dice.choice(["2024-01-31", "2026-03-20", "2025-03-05"])},
    }


def _future(dice: Random, arrives: datetime, sends: list[str]) -> Iterator[AnyHappening]:
    def at() -> datetime:
        return arrives + timedelta(seconds=dice.randrange(600, DAYS * 86_400))

    def event(name: str, at: datetime) -> EventHappens:
        properties: dict[str, JsonValue] = {
            "id": dice.choice("ab"),
            "topic": "a",
            "total": dice.randrange(3),
            "lasts": dice.randrange(20),
            "at": (at + timedelta(hours=dice.randrange(-48, 400))).isoformat(),
        }
        return EventHappens(at=at, event=name, properties=properties)

    yield event("Order", arrives + timedelta(minutes=1))
    for _ in range(dice.randrange(3, 9)):
        yield event(dice.choice(_EVENTS), at())
    for _ in range(dice.randrange(3)):
        yield TraitsChange(at=at(), traits=dice.choice([{"age": dice.randrange(3)}, {"dog.alive": False}, {"color": "B"}]))
    for _ in range(dice.randrange(3) if sends else 0):
        yield MessageOutcome(at=at(), message=dice.choice(sends), status="clicked")
