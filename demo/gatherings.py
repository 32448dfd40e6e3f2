"""The publisher's weekends, who signs up for them, and how that turns out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from random import Random

from demo.actions import Properties, Scripted, Track
from demo.people import Reader, stream
from demo.shelf import TOPICS, VENUES, Topic, Venue

GATHERINGS = 22
SEATS = 8
APART = timedelta(days=12)
"""Between two weekends of the same reader, so that a reply has one question it can belong to."""


class Turnout(StrEnum):
    """How a sign-up ends."""

    ATTENDS = "attends"
    STAYS_AWAY = "stays away"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Gathering:
    """A weekend about a topic. Doors open at `starts`; both instants carry the venue's own offset."""

    id: str
    topic: Topic
    venue: Venue
    starts: datetime
    ends: datetime

    def as_properties(self) -> Properties:
        """What the shop sends with a sign-up, and what the templates may use."""
        topic = self.topic
        return {
            "event_id": self.id,
            "title": topic.weekend,
            "topic": topic.key,
            "host": topic.host,
            "venue": self.venue.name,
            "city": self.venue.city,
            "starts_at": self.starts.isoformat(),
            "ends_at": self.ends.isoformat(),
            "url": f"https://larkandlantern.example/weekends/{self.id}",
            "books": {
                "intro": topic.intro.as_property(),
                "advanced": topic.advanced.as_property(),
                "signed": topic.signed.as_property(),
            },
        }


@dataclass(frozen=True, slots=True)
class Visit:
    """One reader's sign-up; `orders_at` is when they buy the book afterwards, if they do."""

    reader: Reader
    gathering: Gathering
    signs_up: datetime
    turnout: Turnout
    cancels_at: datetime | None = None
    orders_at: datetime | None = None

    @property
    def after_reminder_time(self) -> bool:
        """Whether the sign-up comes when the reminder's time, 10:00 of the day before, is past."""
        reminder = datetime.combine(self.gathering.starts.date() - timedelta(days=1), time(10), self.gathering.starts.tzinfo)
        return self.signs_up > reminder

    def actions(self) -> Iterator[Scripted]:
        """Everything that this reader does about this weekend."""
        user, key = self.reader.person.id, f"{self.reader.person.id}:{self.gathering.id}"
        about: Properties = {"event_id": self.gathering.id, "topic": self.gathering.topic.key}
        yield Scripted(self.signs_up, Track(user, "Event Signup", self.gathering.as_properties(), f"signup:{key}"))
        if self.cancels_at is not None:
            yield Scripted(self.cancels_at, Track(user, "Event Signup Cancelled", about, f"cancel:{key}"))
        if self.turnout is Turnout.ATTENDS:
            minutes = stream(0, key).uniform(-15, 60)
            checks_in = self.gathering.starts + timedelta(minutes=minutes)
            yield Scripted(checks_in, Track(user, "Event Attended", about, f"attend:{key}"))
        if self.orders_at is not None:
            topic = self.gathering.topic
            book = topic.advanced if topic.key in self.reader.topics else topic.intro
            order: Properties = {"order_id": f"order:{key}", "category": "books", "topic": topic.key}
            order |= {"title": book.title, "total": book.price}
            yield Scripted(self.orders_at, Track(user, "Order Completed", order, f"order:{key}"))


def gatherings(seed: int, day_zero: datetime, days: int) -> tuple[Gathering, ...]:
    """Spread over the days and a little beyond; they start at six in the evening and last until four two days later."""
    chance = stream(seed, "gatherings")
    around = (day_zero + timedelta(days=3 + number * (days + 4) / GATHERINGS) for number in range(GATHERINGS))
    return tuple(_gathering(chance, number, day) for number, day in enumerate(around))


def _gathering(chance: Random, number: int, around: datetime) -> Gathering:
    venue, topic = chance.choice(VENUES), TOPICS[number % len(TOPICS)]
    date = around.astimezone(venue.zone).date()
    starts = datetime.combine(date, time(18), venue.zone)
    ends = datetime.combine(date + timedelta(days=2), time(16), venue.zone)
    return Gathering(f"{topic.key}-{venue.city.lower()}-{number + 1:02}", topic, venue, starts, ends)


def visits(seed: int, readers: Sequence[Reader], planned: Sequence[Gathering], day_zero: datetime) -> tuple[Visit, ...]:
    """Who signs up for what: everybody can, nobody for two weekends that lie close together."""
    chance = stream(seed, "visits")
    busy: dict[str, list[datetime]] = {}
    found: list[Visit] = []
    for gathering in planned:
        free = [each for each in readers if all(abs(gathering.starts - other) >= APART for other in busy.get(each.person.id, ()))]
        for reader in chance.sample(free, k=min(SEATS, len(free))):
            busy.setdefault(reader.person.id, []).append(gathering.starts)
            found.append(_visit(chance, reader, gathering, day_zero))
    return tuple(found)


def _visit(chance: Random, reader: Reader, gathering: Gathering, day_zero: datetime) -> Visit:
    ahead = timedelta(hours=chance.uniform(4, 20)) if chance.random() < 0.12 else timedelta(days=chance.uniform(2.2, 13))
    signs_up = max(gathering.starts - ahead, day_zero + timedelta(days=chance.uniform(0.1, 1.0)))
    turnout = chance.choices(tuple(Turnout), weights=(58, 31, 11))[0]
    cancels_at = None
    if turnout is Turnout.CANCELS:
        cancels_at = signs_up + (gathering.starts - signs_up) * chance.uniform(0.4, 0.9)
    orders_at = None
    if turnout is Turnout.ATTENDS and chance.random() < 0.4:
        orders_at = gathering.ends + timedelta(days=chance.uniform(0.5, 6))
    return Visit(reader, gathering, signs_up, turnout, cancels_at, orders_at)
