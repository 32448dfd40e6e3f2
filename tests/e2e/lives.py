"""Six customers of the two example shops, with values that nobody else has, living both reference journeys on a fast clock."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from segment.analytics import Client as SegmentClient

from journeys import choose, parse_journey
from journeys.steps import Split
from tests.e2e.shop import Shop, until

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLLOW_UP = "event-follow-up"
PUPPY = "puppy-to-adult"
ADULT = "adult-dog-replenishment"
REPLY = "Our tortoise Quillfeather eloped with the lawnmower"

FACTOR = 4800.0
"""Virtual seconds per real second: a day takes eighteen seconds."""
START = datetime(2031, 3, 3, 9, tzinfo=UTC)
"""Far from the real date, so that a virtual instant in a history is told from a real one."""


@dataclass(frozen=True)
class Customer:
    """Somebody with unusual values. `user` is their id at the shop."""

    user: str
    name: str
    email: str
    phone: str
    hobby: str

    @property
    def traits(self) -> dict[str, Any]:
        return {"first_name": self.name, "email": self.email, "phone": self.phone, "hobby": self.hobby}


READER = Customer("u-zephyrine-01", "Zephyrine", "zephyrine.ockwell@inkhorn.example", "+4915170009101", "limning vellum")
PATRON = Customer("u-thaddeusz-02", "Thaddëusz", "thaddeusz.quorn@inkhorn.example", "+4915170009102", "glagolitic calligraphy")
ABSENT = Customer("u-ysolde-03", "Ysolde", "ysolde.brankiewicz@inkhorn.example", "+4915170009103", "tortoise racing")
CANCELS = Customer("u-caradoc-04", "Caradoc", "caradoc.uffington@inkhorn.example", "+4915170009104", "bell founding")
BREEDER = Customer("u-marzanna-05", "Marzanna", "marzanna.plumtree@kennelmail.example", "+4915170009105", "truffle hunting")
MOURNER = Customer("u-ignatius-06", "Ignatius", "ignatius.vole@kennelmail.example", "+4915170009106", "sled waxing")

WEEKEND: Mapping[str, Any] = {
    "title": "A Weekend of Vellum and Vitriol",
    "host": "Peregrine Skeffington-Umlaut",
    "venue": "The Gallnut Granary",
    "city": "Little Snoring",
    "topic": "bookbinding-with-eelskin",
    "url": "https://inkhorn.example/weekends/vellum",
}


@dataclass(frozen=True)
class Lives:
    """Enrolments as the service tells them, by first name and journey; and all that was personal, events' names too."""

    shop: Shop
    enrolments: Mapping[tuple[str, str], dict[str, Any]]
    needles: tuple[str, ...]

    async def story(self, customer: Customer, journey: str) -> dict[str, Any]:
        return await self.shop.story(self.enrolments[customer.name, journey]["id"])

    async def received(self, customer: Customer) -> list[dict[str, Any]]:
        """What the sandbox got for one customer, on all addresses, oldest first."""
        found = await self.shop.messages()
        mine = [each for each in found if each["to"] in (customer.phone, customer.email)]
        return sorted(mine, key=lambda each: int(each["seq"]))


async def live(shop: Shop) -> Lives:
    """Everybody at the same time; returns when all that is to happen has happened."""
    await shop.publish_folder(EXAMPLES / "publisher")
    await shop.publish_folder(EXAMPLES / "petshop")
    publisher, kennel = _Publisher(shop), _Kennel(shop)
    reader, patron = await publisher.drawn_for_the_offer(READER), await publisher.drawn_for_the_offer(PATRON)
    people = (reader, patron, ABSENT, CANCELS, BREEDER, MOURNER)

    def introduce(client: SegmentClient) -> None:
        for each in people:
            client.identify(each.user, each.traits)

    await shop.track(introduce)
    await shop.agree([each.user for each in people])
    await asyncio.gather(
        publisher.attends_and_owns_the_topic(reader),
        publisher.attends_and_is_vip(patron),
        publisher.stays_away_and_says_why(ABSENT),
        publisher.cancels(CANCELS),
        kennel.grows_up(BREEDER),
        kennel.dies(MOURNER),
    )
    values = [value for each in people for value in (each.user, *each.traits.values())]
    needles = {*values, *map(str, WEEKEND.values()), REPLY, *publisher.needles, *kennel.needles}
    return Lives(shop, publisher.enrolments | kennel.enrolments, tuple(sorted(needles)))


class _Living:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.now = shop.system.clock.now
        self.enrolments: dict[tuple[str, str], dict[str, Any]] = {}
        self.needles: list[str] = []

    async def does(self, customer: Customer, event: str, properties: Mapping[str, Any]) -> None:
        at = self.now()
        self.needles.append(event)
        chosen = f"{event} of {customer.email}, {uuid4()}"  # as a shop may that makes the ids of its events itself
        await self.shop.track(
            lambda client: client.track(customer.user, event, dict(properties), timestamp=at, message_id=chosen)
        )

    async def knows(self, customer: Customer, traits: Mapping[str, Any]) -> None:
        """The shop learns something about somebody."""
        await self.shop.track(lambda client: client.identify(customer.user, dict(traits)))

    async def enters(self, customer: Customer, journey: str) -> str:
        found = await self.shop.enrolment_of(journey, customer.user)
        self.enrolments[customer.name, journey] = found
        return str(found["id"])

    async def gets(self, customer: Customer, channel: str, text: str) -> dict[str, Any]:
        """Waits for a message with this in its subject or body."""
        address = customer.email if channel == "email" else customer.phone
        found: list[dict[str, Any]] = []

        async def arrived() -> bool:
            got = await self.shop.messages(to=address, channel=channel, direction="outbound")
            found[:] = [each for each in got if text in f"{each['subject'] or ''} {each['body']}"]
            return bool(found)

        await until(arrived, what=f"{customer.name} gets “{text}” by {channel}")
        return found[0]

    async def reaches(self, customer: Customer, journey: str, *whats: tuple[str, str]) -> None:
        """Waits until the story has these (step, what)."""
        enrolment = self.enrolments[customer.name, journey]["id"]

        async def told() -> bool:
            lines = (await self.shop.story(enrolment))["lines"]
            return {(line["step"] or "", line["what"]) for line in lines} >= set(whats)

        await until(told, what=f"{customer.name}'s story in {journey} has {whats}")

    async def ends(self, customer: Customer, journey: str) -> None:
        await self.reaches(customer, journey, ("", "ended"))
        self.enrolments[customer.name, journey] = await self.shop.enrolment_of(journey, customer.user)


class _Publisher(_Living):
    async def drawn_for_the_offer(self, customer: Customer) -> Customer:
        """The customer under an id at the shop whose profile the split gives the offer, not the hold-out."""
        journey = parse_journey(orjson.loads((EXAMPLES / "publisher" / "journeys" / f"{FOLLOW_UP}.json").read_bytes()))
        split = journey.index.steps["offer-test"]
        assert isinstance(split, Split)
        for number in count(1):
            candidate = replace(customer, user=f"{customer.user}-{number}")
            await self.knows(candidate, {})
            if choose(split, str(await self.shop.profile_id(candidate.user)), journey.key) == "offer":
                return candidate
        raise AssertionError

    async def signs_up(self, customer: Customer, **more: Any) -> dict[str, Any]:
        """For an event that begins late in the evening, so that its reminder is due at ten in 30 to 54 hours."""
        soon = self.now() + timedelta(hours=30)
        reminder = datetime.combine(soon.date() + timedelta(days=soon.hour >= 10), time(10, tzinfo=UTC))
        begins = reminder + timedelta(hours=37)
        event = {
            **WEEKEND,
            "event_id": f"weekend-of-{customer.user}",
            "starts_at": begins.isoformat(),
            "ends_at": (begins + timedelta(minutes=30)).isoformat(),
            **more,
        }
        self.needles += [event["event_id"], event["starts_at"], event["ends_at"]]
        await self.does(customer, "Event Signup", event)
        await self.enters(customer, FOLLOW_UP)
        return event

    async def attends_and_owns_the_topic(self, customer: Customer) -> None:
        """WhatsApp does not reach this one, so the reminder falls back to SMS."""
        await self.shop.fault("undelivered", channel="whatsapp", to=customer.phone)
        await self.does(customer, "Order Completed", {"category": "books", "topic": WEEKEND["topic"], "total": 17.23})
        await self._attends(customer, "sms")
        await self.gets(customer, "email", "kept quoting")
        await self.ends(customer, FOLLOW_UP)

    async def attends_and_is_vip(self, customer: Customer) -> None:
        await self.does(customer, "Order Completed", {"category": "books", "topic": "gilding", "total": 271.83})
        await self._attends(customer, "whatsapp")
        await self.gets(customer, "whatsapp", "signed twenty copies")
        await self.ends(customer, FOLLOW_UP)

    async def _attends(self, customer: Customer, reminded_by: str) -> None:
        """Their event ends late, so that they are there in time however slow the machine is."""
        event = await self.signs_up(customer, ends_at=(self.now() + timedelta(days=90)).isoformat())
        await self.gets(customer, "email", "is booked")
        await self.gets(customer, reminded_by, event["title"])
        await self.does(customer, "Event Attended", {"event_id": event["event_id"]})

    async def stays_away_and_says_why(self, customer: Customer) -> None:
        await self.signs_up(customer)
        await self.gets(customer, "whatsapp", WEEKEND["title"])
        await self.reaches(customer, FOLLOW_UP, ("missed-you", "sent"))
        messages = await self.shop.messages(to=customer.phone, channel="whatsapp", direction="outbound")
        question = await self._last_of(customer, len(messages))
        await self.shop.act(question, "reply", text=REPLY)
        await self.ends(customer, FOLLOW_UP)

    async def _last_of(self, customer: Customer, seen: int) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        async def second() -> bool:
            found[:] = await self.shop.messages(to=customer.phone, channel="whatsapp", direction="outbound")
            return len(found) >= 2

        await until(second, what=f"{customer.name} is asked why")
        return found[-1]

    async def cancels(self, customer: Customer) -> None:
        event = await self.signs_up(customer)
        await self.reaches(customer, FOLLOW_UP, ("day-before", "sleep"))
        await self.does(customer, "Event Signup Cancelled", {"event_id": event["event_id"]})
        await self.ends(customer, FOLLOW_UP)


class _Kennel(_Living):
    async def _gets_dog(self, customer: Customer, name: str, born: date) -> None:
        dog = {"id": f"dog-of-{customer.user}", "name": name, "birthdate": born.isoformat()}
        self.needles += [str(value) for value in dog.values()]
        await self.knows(customer, {"dog": dog})
        await self.enters(customer, PUPPY)

    async def grows_up(self, customer: Customer) -> None:
        """The dog turns one in 36 to 60 hours; food is bought before and after."""
        birthday = (self.now() + timedelta(hours=60)).date()
        await self._gets_dog(customer, "Brumblefax", birthday.replace(year=birthday.year - 1))
        await self.gets(customer, "email", "Brumblefax")
        food: dict[str, Any] = {"category": "dog-food", "sku": "haggis-and-lovage-crunch", "lasts_days": 400, "total": 43.19}
        self.needles.append(food["sku"])
        await self.reaches(customer, PUPPY, ("bag-empty", "waiting"))
        await self.does(customer, "Order Completed", food)

        async def grown() -> bool:
            return self.now() >= datetime.combine(birthday, time(1, tzinfo=UTC))

        await until(grown, what="the dog is one year old")
        await self.does(customer, "Order Completed", food)
        await self.ends(customer, PUPPY)
        await self.enters(customer, ADULT)
        await self.gets(customer, "whatsapp", "Brumblefax")

    async def dies(self, customer: Customer) -> None:
        """The dog is eight weeks old in 30 to 54 hours, gets its letter, and does not live to the next."""
        soon = self.now() + timedelta(hours=30)
        due = soon.date() + timedelta(days=soon.hour >= 9)
        await self._gets_dog(customer, "Snorrington", due - timedelta(weeks=8))
        await self.gets(customer, "email", "Snorrington")
        await self.gets(customer, "whatsapp", "Snorrington")
        await self.reaches(customer, PUPPY, ("four-months", "sleep"))
        await self.does(customer, "Dog Deceased", {"cause": "a surfeit of lampreys"})
        self.needles.append("a surfeit of lampreys")
        await self.ends(customer, PUPPY)
