"""The pet shop's puppies: what their owners buy, and what happens to the dogs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from demo.actions import Identify, Properties, Scripted, Track
from demo.people import Owner, stream

FOOD_DAYS = (21, 35)
"""How long a bag lasts, days."""


class Habit(StrEnum):
    """When an owner buys the next bag."""

    EARLY = "before the reminder"
    REMINDED = "after the reminder, before the bag is empty"
    LATE = "days after the bag is empty"
    ELSEWHERE = "never here"


class Fate(StrEnum):
    """What ends a dog's journey before it has grown up."""

    NONE = "grows up"
    DIES = "dies"
    REHOMED = "is given away"


def habit(seed: int, owner: Owner) -> Habit:
    """Each owner's own."""
    return stream(seed, f"habit {owner.person.id}").choices(tuple(Habit), weights=(40, 40, 6, 14))[0]


def fate(owner: Owner) -> Fate:
    """Few dogs have a sad one."""
    sad = {"dog-021": Fate.DIES, "dog-058": Fate.DIES, "dog-033": Fate.REHOMED, "dog-070": Fate.REHOMED}
    return sad.get(owner.dog.id, Fate.NONE)


def first_birthday(owner: Owner) -> datetime:
    """When the dog counts as grown up."""
    born = owner.dog.born.replace(hour=0, minute=0, second=0, microsecond=0)
    return born + relativedelta(months=12)


def enters(owner: Owner) -> bool:
    """Whether the dog is a puppy on the day its owner tells the shop about it."""
    return owner.joins < first_birthday(owner)


def past_orders(seed: int, owner: Owner) -> Iterator[Scripted]:
    """The bag that was there when the owner joined: none for dogs that are not yet weaned."""
    if habit(seed, owner) is not Habit.ELSEWHERE and owner.joins - owner.dog.born > timedelta(weeks=8):
        lasts = _lasts(seed, owner)
        yield _order(owner, owner.joins - timedelta(days=lasts * 0.4), lasts, 0)


def dog_days(seed: int, owner: Owner, until: datetime) -> Iterator[Scripted]:
    """From the day the owner tells the shop about the dog."""
    yield Scripted(owner.joins, Identify(owner.person.id, {"dog": owner.dog.traits()}))
    end = until
    sad = owner.joins + (until - owner.joins) * 0.5
    match fate(owner):
        case Fate.DIES:
            end = sad
            yield Scripted(sad, Track(owner.person.id, "Dog Deceased", {"dog_id": owner.dog.id}, f"deceased:{owner.dog.id}"))
        case Fate.REHOMED:
            end = sad
            yield Scripted(sad, Identify(owner.person.id, {"dog": None}))
        case Fate.NONE:
            pass
    yield from _orders(seed, owner, end)


def _orders(seed: int, owner: Owner, until: datetime) -> Iterator[Scripted]:
    kind = habit(seed, owner)
    if kind is Habit.ELSEWHERE:
        return
    lasts = _lasts(seed, owner)
    has_bag = owner.joins - owner.dog.born > timedelta(weeks=8)
    empty = owner.joins + timedelta(days=lasts * 0.6) if has_bag else owner.dog.born + timedelta(weeks=9)
    shift = {Habit.EARLY: -8.0, Habit.REMINDED: -2.5, Habit.LATE: 3.0, Habit.ELSEWHERE: 0.0}[kind]
    for number in range(1, 10):
        at = max(empty + timedelta(days=shift), owner.joins + timedelta(days=1))
        if at >= until:
            return
        yield _order(owner, at, lasts, number)
        empty = max(empty, at) + timedelta(days=lasts)


def _lasts(seed: int, owner: Owner) -> int:
    return stream(seed, f"bag {owner.person.id}").randint(*FOOD_DAYS)


def _order(owner: Owner, at: datetime, lasts: int, number: int) -> Scripted:
    """A bag lasts from the day it is opened; the shop reckons from the order."""
    key = f"food:{owner.dog.id}:{number}"
    grown = at >= first_birthday(owner)
    properties: Properties = {
        "order_id": key,
        "category": "dog-food",
        "product": "Barley & Bone Adult" if grown else "Barley & Bone Puppy",
        "lasts_days": lasts,
        "total": round(owner.dog.grown_kg * lasts * 0.06, 2),
    }
    return Scripted(at, Track(owner.person.id, "Order Completed", properties, key))
