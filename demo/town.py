"""The customers' side: their phones, inboxes and browsers in the sandbox, and what they do with what arrives."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import JsonValue

from demo.evidence import Letter, Withdrawal
from demo.people import Person
from demo.reactions import Reaction
from infra.errors import Rejected
from infra.http import ServiceClient

_AT_ONCE = 16
UNDELIVERED = {"whatsapp": 63024, "sms": 30003}
"""Twilio's codes: no such recipient, unreachable handset."""


class Town:
    """The sandbox, told who lives there."""

    def __init__(self, sandbox: ServiceClient) -> None:
        self._sandbox = sandbox
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self.withdrawals: list[Withdrawal] = []

    async def settle(self, people: Iterable[Person], *, vapid_key: str) -> dict[str, JsonValue]:
        """Everybody moves in; phones that are off and mailboxes that are gone are made so.

        Answers the push subscriptions of those whose browsers have one, by person.
        """
        found = await asyncio.gather(*(self._move_in(person, vapid_key) for person in people))
        return {person.id: subscription for person, subscription in found if subscription is not None}

    async def react(self, letter: Letter, reaction: Reaction) -> bool:
        """Does it; False when the message never arrived or has no link."""
        body = {"message_id": letter.id, "action": reaction.deed} | ({"text": reaction.text} if reaction.text else {})
        try:
            await self._sandbox.request("POST", "/api/act", body)
        except Rejected:
            return False
        if letter.user_id is not None and (reaction.deed == "unsubscribe" or reaction.text == "STOP"):
            self.withdrawals.append(Withdrawal(letter.user_id, letter.channel, datetime.now(UTC)))
        return True

    async def letters(self, after: int) -> tuple[list[tuple[Letter, str]], int]:
        """What arrived behind a position, each with a line that tells what it says; and the new position."""
        page = await self._sandbox.get_json("/api/messages", params={"direction": "outbound", "after": after, "limit": 5000})
        return [(letter_of(each), str(each["subject"] or each["body"])) for each in page["messages"]], int(page["next_after"])

    async def duplicates(self) -> tuple[str, ...]:
        """Attempts that the sandbox accepted more than once."""
        found = await self._sandbox.get_json("/api/messages/duplicates")
        return tuple(str(each["attempt"]) for each in found["duplicates"])

    async def callbacks(self) -> Mapping[str, int]:
        """How many callbacks were delivered, refused, lost, and are pending."""
        stats = await self._sandbox.get_json("/api/stats")
        return {str(name): int(count) for name, count in stats["callbacks"].items()}

    async def _move_in(self, person: Person, vapid_key: str) -> tuple[Person, JsonValue]:
        async with self._limit:
            who = {"id": person.id, "name": person.name, "phone": person.phone, "email": person.email}
            await self._sandbox.request("POST", "/api/customers", who)
            for channel, address in _dead(person):
                await self._sandbox.request("POST", "/api/faults", _fault(channel, address))
            if not person.push:
                return person, None
            wish = {"customer": person.id, "application_server_key": vapid_key}
            return person, _parsed(await self._sandbox.request("POST", "/api/push-subscriptions", wish))


def letter_of(message: Mapping[str, Any]) -> Letter:
    """A message as the sandbox's API shows it."""
    return Letter(
        id=str(message["id"]),
        attempt=message["attempt"],
        channel=str(message["channel"]),
        user_id=message["customer"],
        received_at=datetime.fromisoformat(message["received_at"]),
    )


def _dead(person: Person) -> Iterable[tuple[str, str]]:
    if person.phone is not None and (person.no_whatsapp or person.phone_off):
        yield "whatsapp", person.phone
    if person.phone is not None and person.phone_off:
        yield "sms", person.phone
    if person.email is not None and person.bounces:
        yield "email", person.email.lower()


def _fault(channel: str, address: str) -> dict[str, object]:
    if channel == "email":
        return {"effect": "bounce", "channel": channel, "to": address}
    return {"effect": "undelivered", "channel": channel, "to": address, "error_code": UNDELIVERED[channel]}


def _parsed(content: bytes) -> JsonValue:
    found: JsonValue = orjson.loads(content)
    return found
