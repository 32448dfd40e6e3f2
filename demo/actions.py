"""What people of the demo do, as values: the script is made of these."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from pydantic import JsonValue

Properties = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Identify:
    """The shop learns something about somebody."""

    user_id: str
    traits: Properties


@dataclass(frozen=True, slots=True)
class Track:
    """Somebody does something; under the same `message_id` it counts once."""

    user_id: str
    event: str
    properties: Properties
    message_id: str


Action = Identify | Track


@dataclass(frozen=True, slots=True)
class Scripted:
    """An action and the virtual instant at which it happens, aware."""

    at: datetime
    action: Action


def in_order(scripted: Iterable[Scripted]) -> tuple[Scripted, ...]:
    """By instant; the order of those at the same instant stays."""
    return tuple(sorted(scripted, key=attrgetter("at")))
