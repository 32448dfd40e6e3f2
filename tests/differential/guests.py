"""Shops whose people have dates: events, appointments, birthdays, stays, and dogs that grow up."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from pydantic import JsonValue

from journeys.simulation import MessageOutcome, TraitsChange
from tests.differential.shops import START, ZONES, Happening, Shop, by_name, event, none


def publisher(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    starts = at(0.05, 15)
    own = {"event_id": "e1", "title": "Bread", "topic": "bread", "venue": "Hall", "city": "Bath"}
    times: dict[str, JsonValue] = {"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(hours=3)).isoformat()}
    yield event(at(0.01, 4), "Event Signup", **own, **times)
    if dice.random() < 0.6:
        yield event(starts + timedelta(minutes=dice.randrange(200)), "Event Attended", event_id=dice.choice(["e1", "e1", "e2"]))
    if dice.random() < 0.2:
        yield event(at(4, 16), "Event Signup Cancelled", event_id="e1")
    for _ in range(dice.randrange(4)):
        total = dice.randrange(10, 300)
        yield event(at(0.01, 25), "Order Completed", category="books", topic=dice.choice(["bread", "wine"]), total=total)
    if dice.random() < 0.5:
        yield MessageOutcome(
            at=starts + timedelta(days=dice.randrange(1, 9)), message="missed-you", status="replied", text="train"
        )


def _appointments(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for appointment in ("a1", "a2"):
        booked = at(0.01, 3)

        def about(revision: int, own: str = appointment, since: datetime = booked) -> dict[str, JsonValue]:
            starts = since + timedelta(minutes=dice.randrange(-300, 20_000))
            return {"appointment_id": own, "revision": revision, "starts_at": starts.isoformat()}

        yield event(booked, "Appointment Booked", **about(1))
        revisions = range(2, 2 + dice.randrange(3))
        moves = sorted(booked + timedelta(minutes=dice.randrange(1, 20_000)) for _ in revisions)
        if dice.random() < 0.2:
            moves.reverse()
        for when, revision in zip(moves, revisions, strict=True):
            yield event(when, "Appointment Moved", **about(revision))
        if dice.random() < 0.2:
            yield event(at(3, 12), "Appointment Cancelled", appointment_id=appointment)
        if dice.random() < 0.4:
            yield event(at(3, 20), "Appointment Missed", appointment_id=appointment, revision=dice.choice([1, 2, 3]))
    if dice.random() < 0.2:
        yield TraitsChange(at=at(4, 8), traits={"timezone": dice.choice(ZONES)})


def dog(dice: Random) -> dict[str, JsonValue]:
    born = START - timedelta(days=dice.randrange(20, 400))
    return {"dog": {"id": "d1", "name": "Rex", "birthdate": born.date().isoformat()}}


def puppy(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(5)):
        yield event(
            at(0.01, 120), "Order Completed", category=dice.choice(["dog-food", "toys"]), lasts_days=dice.randrange(10, 60)
        )
    if dice.random() < 0.15:
        yield event(at(10, 100), "Dog Deceased")


def _kennel(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    """Two dogs, of which one may be registered twice, fed each by its own orders."""
    for dog_id in ("d1", "d2"):
        told, born = at(0.01, 20), START - timedelta(days=dice.randrange(10, 380))
        about: dict[str, JsonValue] = {"dog_id": dog_id, "birthdate": born.date().isoformat()}
        for when in (told, *([told + timedelta(days=1)] if dice.random() < 0.2 else [])):
            yield event(when, "Dog Registered", told_at=when.isoformat(), **about)
        for _ in range(dice.randrange(4)):
            when = at(0.01, 120)
            out = when + timedelta(days=dice.randrange(10, 60))
            yield event(when, "Food Ordered", dog_id=dog_id, told_at=when.isoformat(), runs_out_at=out.isoformat())
        if dice.random() < 0.2:
            yield event(at(10, 100), dice.choice(["Dog Deceased", "Dog Rehomed"]), dog_id=dog_id)


def _birthday(dice: Random) -> dict[str, JsonValue]:
    return {"birthdate": dice.choice(["1990-03-05", "1988-02-29", "1970-12-31", "2000-07-12"])}


def _moving(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    if dice.random() < 0.5:
        yield TraitsChange(at=at(1, 400), traits={"timezone": dice.choice(ZONES)})
    if dice.random() < 0.3:
        yield TraitsChange(at=at(1, 400), traits={"birthdate": dice.choice(["1990-03-09", None, "1991-11-11"])})


def _guest(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 4)):
        yield event(at(0.01, 30), "Stay Completed", nights=dice.randrange(3, 14))
    for _ in range(dice.randrange(3)):
        yield event(at(100, 700), "Stay Completed", nights=dice.randrange(1, 14))
    if dice.random() < 0.2:
        yield event(at(200, 700), "Account Closed")


SHOPS = by_name(
    Shop("publisher", 60, none, publisher),
    Shop("petshop", 150, dog, puppy),
    Shop("kennel", 150, none, _kennel),
    Shop("appointments", 30, none, _appointments),
    Shop("birthday", 500, _birthday, _moving),
    Shop("vip", 450, none, _guest),
    Shop("vip", 40, none, _guest, name="vip, whom reception does not take", answer=404),
)
