"""Follows every message: what the channels service says of it, what reached whom, what they do with it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.channels import MESSAGE_RECEIPT, Receipt, Status
from contracts.feed import FeedPage
from demo.catalogue import Catalogue
from demo.evidence import Letter
from demo.play import Register
from demo.reactions import Reaction, react
from demo.screen import Screen, Sight
from demo.script import Script
from demo.town import Town
from infra.clock import Clock
from infra.errors import Unavailable
from infra.http import ServiceClient

POLL_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Handled:
    """A receipt of the channels service's feed: whose it is, and the attempt that it tells of."""

    user_id: str
    attempt: str
    receipt: Receipt


class Post:
    """Keeps all receipts and letters; shows letters on the screen and lets people react to them."""

    def __init__(
        self,
        *,
        script: Script,
        clock: Clock,
        town: Town,
        channels: ServiceClient,
        screen: Screen,
        register: Register,
        catalogue: Catalogue,
    ) -> None:
        self._script, self._clock, self._town, self._channels = script, clock, town, channels
        self._screen, self._register, self._templates = screen, register, catalogue.templates
        self._names = {person.id: person.name for person in script.population.people}
        self.receipts: list[Handled] = []
        self.letters: dict[str, Letter] = {}
        self._by_attempt: dict[str, Handled] = {}
        self._unanswered: list[Letter] = []
        self._cursor: str | None = None
        self._after = 0

    async def follow(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as deeds:
            while True:
                with suppress(Unavailable):  # asked again at once
                    await self.catch_up()
                self._answer(deeds)
                self._screen.day((self._clock.now() - self._script.day_zero) / timedelta(days=1))
                await asyncio.sleep(POLL_SECONDS)

    async def catch_up(self) -> None:
        """Reads what is new on both sides."""
        arrived, self._after = await self._town.letters(self._after)
        for letter, text in arrived:
            self.letters[letter.id] = letter
            self._unanswered.append(letter)
            self._screen.sight(Sight(self._day(letter.received_at), self._name(letter), letter.channel, text))
        while True:
            behind = {"after": self._cursor} if self._cursor else {}
            page = await self._channels.get("/v1/feed", FeedPage, params={"limit": 1000, **behind})
            await self._register.learn(item.subject for item in page.items)
            for item in page.items:
                if item.type == MESSAGE_RECEIPT:
                    receipt = Receipt.model_validate(item.data)
                    handled = Handled(self._register.user_ids[item.subject], receipt.id.split(":")[0], receipt)
                    self.receipts.append(handled)
                    if receipt.status is Status.SENT:
                        self._by_attempt[handled.attempt] = handled
            self._cursor = page.next
            if len(page.items) < 1000:
                return

    def _answer(self, deeds: asyncio.TaskGroup) -> None:
        later: list[Letter] = []
        for letter in self._unanswered:
            handled = self._by_attempt.get(letter.attempt or "")
            if handled is None:
                later.append(letter)
                continue
            receipt = handled.receipt
            template = self._templates.get((receipt.journey, receipt.step), "")
            reactions = react(self._script.seed, handled.user_id, template, letter.channel, receipt.visit)
            if reactions:
                deeds.create_task(self._do(letter, reactions))
        self._unanswered = later

    async def _do(self, letter: Letter, reactions: tuple[Reaction, ...]) -> None:
        for reaction in reactions:
            due = letter.received_at + timedelta(seconds=self._clock.real_seconds(reaction.after))
            await asyncio.sleep(max(0.0, (due - self._clock.real_now()).total_seconds()))
            if not await self._town.react(letter, reaction):
                return
            day = self._day(self._clock.real_now())
            self._screen.sight(Sight(day, self._name(letter), letter.channel, reaction.text or "", reaction.deed))

    def _name(self, letter: Letter) -> str:
        return self._names.get(letter.user_id or "", letter.user_id or "somebody unknown")

    def _day(self, real: datetime) -> int:
        return (self._clock.to_virtual(real) - self._script.day_zero).days + 1
