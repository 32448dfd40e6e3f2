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


def _event(at: datetime, name: str, **properties: JsonValue) -> EventHappens:
    return EventHappens(at=at, event=name, properties=properties)


def _publisher(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    starts = at(0.05, 15)
    own = {"event_id": "e1", "title": "Bread", "topic": "bread", "venue": "Hall", "city": "Bath"}
    times: dict[str, JsonValue] = {"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(hours=3)).isoformat()}
    yield _event(at(0.01, 4), "Event Signup", **own, **times)
    if dice.random() < 0.6:
        yield _event(starts + timedelta(minutes=dice.randrange(200)), "Event Attended", event_id=dice.choice(["e1", "e1", "e2"]))
    if dice.random() < 0.2:
        yield _event(at(4, 16), "Event Signup Cancelled", event_id="e1")
    for _ in range(dice.randrange(4)):
        total = dice.randrange(10, 300)
        yield _event(at(0.01, 25), "Order Completed", category="books", topic=dice.choice(["bread", "wine"]), total=total)
    if dice.random() < 0.5:
        yield MessageOutcome(
            at=starts + timedelta(days=dice.randrange(1, 9)), message="missed-you", status="replied", text="train"
        )


def _cart(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for cart in ("c1", "c2"):
        first = at(0.01, 3)
        for _ in range(dice.randrange(1, 4)):
            first += timedelta(minutes=dice.randrange(1, 400))
            yield _event(first, "Cart Updated", cart_id=cart, items=dice.randrange(4))
        if dice.random() < 0.6:
            yield _event(first + timedelta(minutes=dice.randrange(6000)), "Order Completed", cart_id=cart, total=10)
        if dice.random() < 0.2:
            yield _event(first + timedelta(minutes=dice.randrange(3000)), "Cart Emptied", cart_id=cart)


def _coffee(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 6)):
        yield _event(
            at(0.01, 80), "Order Completed", category=dice.choice(["coffee", "coffee", "tea"]), lasts_days=dice.randrange(5, 40)
        )
    if dice.random() < 0.2:
        yield _event(at(30, 80), "Subscription Started")


def _appointments(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for appointment in ("a1", "a2"):
        booked = at(0.01, 3)

        def about(revision: int, own: str = appointment, since: datetime = booked) -> dict[str, JsonValue]:
            starts = since + timedelta(minutes=dice.randrange(-300, 20_000))
            return {"appointment_id": own, "revision": revision, "starts_at": starts.isoformat()}

        yield _event(booked, "Appointment Booked", **about(1))
        revisions = range(2, 2 + dice.randrange(3))
        moves = sorted(booked + timedelta(minutes=dice.randrange(1, 20_000)) for _ in revisions)
        if dice.random() < 0.2:
            moves.reverse()
        for when, revision in zip(moves, revisions, strict=True):
            yield _event(when, "Appointment Moved", **about(revision))
        if dice.random() < 0.2:
            yield _event(at(3, 12), "Appointment Cancelled", appointment_id=appointment)
        if dice.random() < 0.4:
            yield _event(at(3, 20), "Appointment Missed", appointment_id=appointment, revision=dice.choice([1, 2, 3]))
    if dice.random() < 0.2:
        yield TraitsChange(at=at(4, 8), traits={"timezone": dice.choice(ZONES)})


def _dog(dice: Random) -> dict[str, JsonValue]:
    born = START - timedelta(days=dice.randrange(20, 400))
    return {"dog": {"id": "d1", "name": "Rex", "birthdate": born.date().isoformat()}}


def _puppy(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(5)):
        yield _event(
            at(0.01, 120), "Order Completed", category=dice.choice(["dog-food", "toys"]), lasts_days=dice.randrange(10, 60)
        )
    if dice.random() < 0.15:
        yield _event(at(10, 100), "Dog Deceased")


def _onboarding(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    yield _event(at(0.01, 2), "Signed Up", plan=dice.choice(["trial", "pro"]))
    if dice.random() < 0.6:
        yield _event(at(0.01, 16), "Project Created")
    if dice.random() < 0.2:
        yield _event(at(1, 12), "Account Closed")


def _newsletter(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 4)):
        yield _event(at(0.01, 6), "Newsletter Requested", form="footer", token="t")
    if dice.random() < 0.7:
        yield _event(at(0.01, 10), "Newsletter Confirmed")


def _lapsing(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(2, 5)):
        yield _event(at(0.01, 20), "Order Completed", total=dice.randrange(20, 200))
    if dice.random() < 0.4:
        yield _event(at(95, 150), "Order Completed", total=20)
    if dice.random() < 0.5:
        yield MessageOutcome(at=at(95, 125), message="miss-you", status=dice.choice(["opened", "clicked"]))


def _none(_: Random) -> dict[str, JsonValue]:
    return {}


def _birthday(dice: Random) -> dict[str, JsonValue]:
    return {"birthdate": dice.choice(["1990-03-05", "1988-02-29", "1970-12-31", "2000-07-12"])}


def _moving(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    if dice.random() < 0.5:
        yield TraitsChange(at=at(1, 400), traits={"timezone": dice.choice(ZONES)})
    if dice.random() < 0.3:
        yield TraitsChange(at=at(1, 400), traits={"birthdate": dice.choice(["1990-03-09", None, "1991-11-11"])})


def _guest(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 4)):
        yield _event(at(0.01, 30), "Stay Completed", nights=dice.randrange(3, 14))
    for _ in range(dice.randrange(3)):
        yield _event(at(100, 700), "Stay Completed", nights=dice.randrange(1, 14))
    if dice.random() < 0.2:
        yield _event(at(200, 700), "Account Closed")


def _fickle(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    """The publisher's people, who also change their minds."""
    yield from _publisher(dice, at)
    for _ in range(dice.randrange(3)):
        consent = Consent(
            channel=dice.choice(CHANNELS), purpose="marketing", state=dice.choice(["granted", "withdrawn", "withdrawn"])
        )
        yield ConsentChanges(at=at(0.1, 20), consent=consent)
    if dice.random() < 0.3:
        yield TraitsChange(at=at(1, 20), traits={"timezone": dice.choice(ZONES)})


_SLOW_POST: Mapping[str, Any] = {
    "whatsapp": [],
    "sms": [{"status": "bounced", "after": ["PT5M", "PT5M"]}],
    "email": [{"status": "delivered"}, {"status": "opened", "after": ["PT20H", "PT20H"]}],
}
_AT_NIGHT = DeliveryPolicy.model_validate(
    {
        "quiet_hours": "21:00-08:00",
        "caps": [{"at_most": 1, "per": "P4D"}, {"at_most": 1, "per": "P20D", "channel": "whatsapp", "otherwise": "skip"}],
    }
)

SHOPS: Mapping[str, Shop] = {
    shop.name or shop.folder: shop
    for shop in (
        Shop("publisher", 60, _none, _publisher),
        Shop("petshop", 150, _dog, _puppy),
        Shop("abandoned-cart", 15, _none, _cart),
        Shop("replenishment", 130, _none, _coffee),
        Shop("appointments", 30, _none, _appointments),
        Shop("onboarding", 30, _none, _onboarding),
        Shop("double-opt-in", 30, _none, _newsletter),
        Shop("win-back", 160, _none, _lapsing),
        Shop("birthday", 500, _birthday, _moving),
        Shop("vip", 450, _none, _guest),
        Shop("vip", 40, _none, _guest, name="vip, whom reception does not take", answer=404),
        Shop(
            "publisher",
            60,
            _none,
            _fickle,
            name="publisher, capped and at night",
            delivery=_AT_NIGHT,
            behaviour=Behaviour.model_validate(_SLOW_POST),
            choosy=True,
        ),
        Shop(
            "petshop",
            120,
            _dog,
            _puppy,
            name="petshop, capped and at night",
            delivery=_AT_NIGHT,
            behaviour=Behaviour.model_validate(_SLOW_POST),
            choosy=True,
        ),
    )
}
