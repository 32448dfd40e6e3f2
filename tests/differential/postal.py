"""The providers of the differential stage: they take every message, and report what the behaviour says will become of it.

Behind them all is real: claims, the dispatcher's checks, the ledger, the intake of reports, and the fallback to the next channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import text

from channels.message import Accepted, Asked, Lookup, OutgoingMessage
from channels.receipts import ProviderReceipt, Suppress
from conditions.duration import add
from contracts.channels import Channel, Status
from infra.clock import Clock
from infra.db import Database
from infra.feed.outbox import Outbox
from infra.http import ServiceClient
from journeys.simulation import Behaviour, Response
from policy import DeliveryPolicy
from services.channels.consents import ConsentPost
from services.channels.decision import Policy
from services.channels.delivery import Delivery, Options, Provider
from services.channels.fallback import Fallback
from services.channels.intake import Intake
from services.channels.pace import Pace
from services.channels.people import People
from services.channels.receipt_book import ReceiptBook
from services.channels.template_store import TemplateStore

Act = Callable[[], Awaitable[None]]

ALL_DELIVERED = Behaviour()
NO_RULES = DeliveryPolicy()
_MOVING = text(
    "SELECT EXISTS (SELECT 1 FROM attempt WHERE state IN ('queued', 'claimed', 'calling') AND not_before <= now()) "
    "OR EXISTS (SELECT 1 FROM message WHERE fallback_due <= :now)"
)
_NEXT = text("SELECT min(fallback_due) FROM message WHERE fallback_due > :now")


class Taker:
    """A provider that takes what it is given."""

    account = "taker"

    def __init__(self) -> None:
        self.taken: list[OutgoingMessage] = []

    async def send(self, message: OutgoingMessage) -> Accepted:
        self.taken.append(message)
        return Accepted(provider_id=f"taken-{message.attempt}")

    async def look_up(self, _: Asked) -> Lookup:
        return Lookup.CANNOT_TELL


class Postal:
    """Dispatches by hand, so that the clock stands still meanwhile."""

    def __init__(self, database: Database, profiles: ServiceClient, clock: Clock, policy: Policy, behaviour: Behaviour) -> None:
        self._database = database
        self._clock = clock
        self._behaviour = behaviour
        book, people = ReceiptBook(Outbox("channels", database)), People(profiles)
        self._taker = Taker()
        provider = Provider(self._taker, tuple(Channel), Pace(0.0))
        options = Options(fallback_grace=0.0)
        self._delivery = Delivery(database, people, book, clock, policy, provider, options, uuid4())
        self._fallback = Fallback(database, people, TemplateStore(database, clock), book, policy, clock)
        self._consents = ConsentPost(database, profiles)
        self.intake = Intake(database, book, self._consents, clock)
        self._later: list[tuple[datetime, Act]] = []

    async def moving(self) -> bool:
        """Whether something is still to be sent, or falls back, at this instant."""
        async with self._database.read() as session:
            return bool((await session.execute(_MOVING, {"now": self._clock.now()})).scalar_one())

    async def next_due(self) -> datetime | None:
        """The next instant at which a fallback is due."""
        async with self._database.read() as session:
            found: datetime | None = (await session.execute(_NEXT, {"now": self._clock.now()})).scalar_one()
            return found

    async def work(self) -> None:
        """Sends what is due, takes in what providers say at once, and moves on what falls back."""
        await self._fallback.move_on()
        if taken := await self._delivery._claim():
            await self._delivery._deliver(taken)
        for message in self._taker.taken:
            for at, act in self._told(message):
                if at <= self._clock.now():
                    await act()
                else:
                    self._later.append((at, act))
        self._taker.taken.clear()

    def later(self) -> list[tuple[datetime, Act]]:
        """What providers will report, handed over once."""
        told, self._later = self._later, []
        return told

    async def report(self, message: OutgoingMessage, response: Response) -> None:
        """A provider's verified callback, as its adapter reads it."""
        receipt = ProviderReceipt(
            event_id=f"{message.attempt}:{response.status}",
            status=Status(response.status),
            attempt=message.attempt,
            text=response.text,
            url=response.url,
            suppress=Suppress.HARD_BOUNCE if response.status == "bounced" else None,
            raw={"by": "taker"},
        )
        await self.intake.reports([receipt])

    def _told(self, message: OutgoingMessage) -> Iterator[tuple[datetime, Act]]:
        """One after the other: each outcome is counted from the one before. All are certain here."""
        at = self._clock.now()
        responses: tuple[Response, ...] = getattr(self._behaviour, message.channel.value)
        for response in responses:
            assert response.chance == 1
            assert response.after[0] == response.after[1]
            at = add(at, response.after[0], ZoneInfo("UTC"))
            yield at, self._act(message, response)

    def _act(self, message: OutgoingMessage, response: Response) -> Act:
        async def act() -> None:
            await self.report(message, response)

        return act
