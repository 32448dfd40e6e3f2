"""Everything that will happen, fixed before it starts: a pure function of the seed and the first day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from pydantic import JsonValue

from demo.actions import Identify, Properties, Scripted, Track, in_order
from demo.gatherings import Visit, gatherings, visits
from demo.kennel import dog_days, enters, past_orders
from demo.people import Owner, Population, Reader, populate, stream
from demo.shelf import TOPICS

DAYS = 60
VIP_ORDERS = 4
"""Orders in the last year that make a reader a `vip` (examples/publisher/segments/vip.json)."""


@dataclass(frozen=True, slots=True)
class Script:
    """`history` happened before `day_zero`, `future` from then to `end`; both in order of time."""

    seed: int
    day_zero: datetime
    population: Population
    visits: tuple[Visit, ...]
    history: tuple[Scripted, ...]
    future: tuple[Scripted, ...]

    @property
    def end(self) -> datetime:
        return self.day_zero + timedelta(days=DAYS)

    def entrants(self, journey: str, until: datetime) -> tuple[tuple[str, str], ...]:
        """Who must be in the journey by `until`: (user id, entry key)."""
        match journey:
            case "event-follow-up":
                return tuple((visit.reader.person.id, visit.gathering.id) for visit in self.visits if visit.signs_up <= until)
            case "puppy-to-adult":
                return tuple((owner.person.id, owner.dog.id) for owner in self.puppy_owners if owner.joins <= until)
            case _:
                return ()

    @property
    def puppy_owners(self) -> tuple[Owner, ...]:
        """Those whose dogs are young enough on the day they join."""
        return tuple(owner for owner in self.population.owners if enters(owner))


def write_script(seed: int, day_zero: datetime, subscriptions: Mapping[str, JsonValue] = MappingProxyType({})) -> Script:
    """The same script for the same seed and day zero (aware). `subscriptions`: browsers' push subscriptions by person."""
    population = populate(seed, day_zero)
    end = day_zero + timedelta(days=DAYS)
    planned = visits(seed, population.readers, gatherings(seed, day_zero, DAYS), day_zero)
    played = [
        *_before(seed, population, day_zero, subscriptions),
        *(scripted for visit in planned for scripted in visit.actions()),
        *(scripted for owner in population.owners for scripted in dog_days(seed, owner, end)),
    ]
    return Script(
        seed=seed,
        day_zero=day_zero,
        population=population,
        visits=planned,
        history=in_order(each for each in played if each.at < day_zero),
        future=in_order(each for each in played if day_zero <= each.at <= end),
    )


def _before(seed: int, population: Population, day_zero: datetime, subscriptions: Mapping[str, JsonValue]) -> Iterator[Scripted]:
    for person in population.people:
        push: Properties = {"push_subscriptions": [subscriptions[person.id]]} if person.id in subscriptions else {}
        yield Scripted(day_zero - timedelta(days=800), Identify(person.id, person.traits() | push))
    for reader in population.readers:
        yield from _past_books(seed, reader, day_zero)
    for owner in population.owners:
        yield from past_orders(seed, owner)


def _past_books(seed: int, reader: Reader, day_zero: datetime) -> Iterator[Scripted]:
    """One order per topic owned in the last two years; who is to be a vip bought more, gifts without a topic, this year."""
    chance = stream(seed, f"orders {reader.person.id}")
    owned = [topic for topic in TOPICS if topic.key in reader.topics]
    for topic in owned:
        at = day_zero - timedelta(days=chance.uniform(20, 700))
        yield _past_order(reader, at, {"topic": topic.key, "title": topic.intro.title, "total": topic.intro.price}, topic.key)
    for number in range(VIP_ORDERS + 1 if reader.big_spender else 0):
        at = day_zero - timedelta(days=chance.uniform(5, 220))
        yield _past_order(reader, at, {"topic": "gift-cards", "title": "Gift card", "total": 40.0}, f"gift-{number}")


def _past_order(reader: Reader, at: datetime, what: Properties, key: str) -> Scripted:
    id_ = f"past:{reader.person.id}:{key}"
    return Scripted(at, Track(reader.person.id, "Order Completed", {"order_id": id_, "category": "books", **what}, id_))
