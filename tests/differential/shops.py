"""Example folders with people whose futures are drawn at random: who they are, what they do, and when."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
from pydantic import JsonValue

from journeys.simulation import Behaviour, Consent, ConsentChanges, EventHappens, MessageOutcome, Person, Script, TraitsChange
from journeys.simulation.people import ChannelName
from policy import DeliveryPolicy
from tests.differential.postal import ALL_DELIVERED, NO_RULES

EXAMPLES = Path(__file__).parents[2] / "examples"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Nowhere/Land")
CHANNELS: tuple[ChannelName, ...] = ("email", "sms", "whatsapp", "web_push")
Happening = EventHappens | TraitsChange | MessageOutcome | ConsentChanges


@dataclass(frozen=True)
class Shop:
    """A folder of examples. `future` draws what happens to somebody, `traits` who they are, over `days`.

    `delivery` are the workspace's rules, `behaviour` what becomes of messages, `answer` what web services say. With
    `choosy`, people agree to some channels only.
    """

    folder: str
    days: int
    traits: Callable[[Random], dict[str, JsonValue]]
    future: Callable[[Random, Callable[..., datetime]], Iterator[Happening]]
    name: str = ""
    delivery: DeliveryPolicy = NO_RULES
    behaviour: Behaviour = ALL_DELIVERED
    answer: int = 200
    choosy: bool = False

    def read(self, kind: str) -> list[dict[str, Any]]:
        """The definitions of a kind, journeys that others start first."""
        files = sorted((EXAMPLES / self.folder / kind).glob("*.json"))
        return [orjson.loads(path.read_bytes()) for path in files if not path.name.endswith(".test.json")]

    def script(self, seed: int) -> Script:
        """The same for the same seed."""
        dice = Random(f"{self.folder}:{seed}")
        arrives = START + timedelta(seconds=dice.randrange(1, 86_400))

        def at(first: float, last: float) -> datetime:
            return arrives + timedelta(seconds=dice.randrange(int(first * 86_400), int(last * 86_400) + 1))

        traits = {
            "email": f"p{seed}@example.com",
            "phone": f"+4477009{seed:05}",
            "timezone": dice.choice(ZONES),
            **self.traits(dice),
        }
        future = sorted(self.future(dice, at), key=lambda each: each.at)
        agreed = [channel for channel in CHANNELS if not self.choosy or dice.random() < 0.7]
        consents = tuple(Consent(channel=channel, purpose="marketing") for channel in agreed)
        arrival = TraitsChange(at=arrives, traits=traits)
        return Script(person=Person(consents=consents), happenings=(arrival, *future), begins=START)


def event(at: datetime, name: str, **properties: JsonValue) -> EventHappens:
    return EventHappens(at=at, event=name, properties=properties)


def none(_: Random) -> dict[str, JsonValue]:
    return {}


def by_name(*shops: Shop) -> Mapping[str, Shop]:
    return {shop.name or shop.folder: shop for shop in shops}
