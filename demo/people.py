"""The population: readers of a publisher and owners of puppies, made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from demo.actions import Properties
from demo.names import BREEDS, DOG_NAMES, FIRST_NAMES, LAST_NAMES
from demo.shelf import TOPICS

READERS = 230
OWNERS = 104
OLDEST_DOG_DAYS = 14 * 30.4
CHANNELS = ("email", "sms", "whatsapp", "web_push")
_ZONES = ("Europe/London",) * 14 + ("Europe/Dublin",) * 2 + ("Europe/Berlin", "Europe/Lisbon", "America/New_York")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be written to.

    `consents` are the channels agreed to for marketing. `no_whatsapp` and `phone_off`: messages there end undelivered;
    `bounces`: the mailbox does not exist any more. `zone` may be missing or wrong, as in every real database.
    """

    id: str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    zone: str | None
    consents: frozenset[str]
    push: bool = False
    no_whatsapp: bool = False
    phone_off: bool = False
    bounces: bool = False

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    def traits(self) -> Properties:
        """What the shop's sign-up form sends with `identify`."""
        given: Properties = {"first_name": self.first_name, "last_name": self.last_name}
        given |= {"email": self.email, "phone": self.phone, "timezone": self.zone}
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reader:
    """A customer of the publisher; `topics` are those of books already bought, `big_spender` ends up in `vip`."""

    person: Person
    topics: frozenset[str]
    big_spender: bool


@dataclass(frozen=True, slots=True)
class Dog:
    """A dog and when it was born; `grown_kg` sets how long a bag lasts."""

    id: str
    name: str
    breed: str
    born: datetime
    grown_kg: float

    def traits(self) -> Properties:
        return {"id": self.id, "name": self.name, "breed": self.breed, "birthdate": self.born.date().isoformat()}


@dataclass(frozen=True, slots=True)
class Owner:
    """A customer of the pet shop with a young dog; `joins` is when they sign up."""

    person: Person
    dog: Dog
    joins: datetime


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody."""

    readers: tuple[Reader, ...]
    owners: tuple[Owner, ...]

    @property
    def people(self) -> tuple[Person, ...]:
        return (*(reader.person for reader in self.readers), *(owner.person for owner in self.owners))


def stream(seed: int, purpose: str) -> Random:
    """A sequence of chance of its own for each purpose, so that a change in one place leaves the others alone."""
    return Random(f"{seed}:{purpose}")  # noqa: S311  # a story, not a secret


def populate(seed: int, day_zero: datetime) -> Population:
    """The same people for the same seed; dogs' birthdays and sign-ups lie around `day_zero` (aware)."""
    names = _names(seed)
    readers = tuple(_reader(seed, number, next(names)) for number in range(READERS))
    owners = tuple(_owner(seed, number, next(names), day_zero) for number in range(OWNERS))
    return Population(readers, owners)


def _names(seed: int) -> Iterator[tuple[str, str]]:
    pairs = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    stream(seed, "names").shuffle(pairs)
    yield from pairs


def _person(chance: Random, id_: str, name: tuple[str, str], serial: int) -> Person:
    """Most can be reached by several channels; some by one, a few by none, some said no."""
    first, last = name
    email: str | None = f"{first}.{last}@mail.example".lower()
    phone: str | None = f"+447700{900000 + serial}"  # numbers that Ofcom keeps for drama
    consents = {channel for channel, share in zip(CHANNELS, (0.86, 0.55, 0.62, 0.9), strict=True) if chance.random() < share}
    zone: str | None = chance.choice(_ZONES)
    kind = serial % 23
    match kind:
        case 3:
            phone = None
        case 7:
            consents = set()
        case 11:
            email, consents = None, consents | {"whatsapp"}
        case 13 if serial % 46 == 13:
            email, phone = None, None
        case 17:
            zone = None
        case 19 if serial % 46 == 19:
            zone = "Europe/Lundon"
        case _:
            pass
    return Person(
        id=id_,
        first_name=first,
        last_name=last,
        email=email,
        phone=phone,
        zone=zone,
        consents=frozenset(consents),
        push="web_push" in consents and chance.random() < 0.4,
        no_whatsapp=phone is not None and kind in (2, 5, 14),
        phone_off=phone is not None and kind == 8,
        bounces=email is not None and serial % 69 == 20,
    )


def _reader(seed: int, number: int, name: tuple[str, str]) -> Reader:
    chance = stream(seed, f"reader {number}")
    person = _person(chance, f"reader-{number:03}", name, number)
    topics = frozenset(topic.key for topic in chance.sample(TOPICS, k=chance.choice((0, 0, 1, 1, 2))))
    return Reader(person, topics, big_spender=chance.random() < 0.18)


def _owner(seed: int, number: int, name: tuple[str, str], day_zero: datetime) -> Owner:
    """Ages are spread evenly from just born to 14 months, seen from the day of joining."""
    chance = stream(seed, f"owner {number}")
    breed, kilograms = chance.choice(BREEDS)
    joins = day_zero + timedelta(days=chance.uniform(0.2, 30) if number % 3 else chance.uniform(0.2, 10))
    age = timedelta(days=OLDEST_DOG_DAYS * (number + 0.5) / OWNERS)
    if abs(age - timedelta(days=366)) < timedelta(days=4):  # a birthday on the day of joining would leave it open who enters
        age -= timedelta(days=9)
    dog = Dog(f"dog-{number:03}", chance.choice(DOG_NAMES), breed, joins - age, kilograms)
    return Owner(_person(chance, f"owner-{number:03}", name, 500 + number), dog, joins)
