"""What leaves: one message to one address, and what a provider made of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.channels import Channel

ACCOUNT_PAUSE = 60.0
"""Real seconds until an account that the provider turned away (401, 403) is tried again: its messages wait."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmailContent(Frozen):
    """`unsubscribe_url` goes into the headers of RFC 8058; empty: none (transactional mail)."""

    subject: str
    html: str
    text: str
    unsubscribe_url: str = ""


class TextContent(Frozen):
    """An SMS or WhatsApp message; with `content_sid` Twilio renders its approved template from the variables."""

    body: str
    content_sid: str = ""
    content_variables: dict[str, str] = {}


class PushContent(Frozen):
    title: str
    body: str
    url: str = ""


Content = EmailContent | TextContent | PushContent


class OutgoingMessage(Frozen):
    """`attempt` is our id of this one try; providers carry it back. `address` is E.164, an e-mail address, or the
    JSON of a push subscription."""

    attempt: UUID
    channel: Channel
    address: str
    content: Content


class Accepted(Frozen):
    """The provider took the message under its own id."""

    provider_id: str


class Refused(Frozen):
    """The message was provably not taken.

    `permanent`: repeating will not help. `address_dead`: nothing will ever arrive there.
    `stopped`: the provider knows that the person does not want any. `retry_after`: real
    seconds the provider wants to be left alone; then the refusal says nothing about this message.
    """

    code: str
    permanent: bool
    address_dead: bool = False
    stopped: bool = False
    retry_after: float | None = None
    detail: str = ""


class Unknown(Frozen):
    """The call ended without an answer: the message may have been taken."""

    why: str


Outcome = Accepted | Refused | Unknown


class Lookup(StrEnum):
    """What a provider knows about a message whose fate is unknown."""

    ABSENT = "absent"  # the provider says it does not have it
    CANNOT_TELL = "cannot_tell"  # the provider has no way to ask, or did not answer


class Asked(Frozen):
    """A message of unknown fate. `called_at`: real instant of the call. `taken`: provider ids that belong to other messages."""

    message: OutgoingMessage
    called_at: datetime
    taken: frozenset[str] = frozenset()


class Adapter(Protocol):
    """One provider's way of sending on one or more channels."""

    @property
    def account(self) -> str:
        """The provider account: rate limit and circuit breaker are kept per account."""
        ...

    async def send(self, message: OutgoingMessage) -> Outcome:
        """Makes one call. Never raises for what the provider or the network does."""
        ...

    async def look_up(self, asked: Asked) -> Accepted | Lookup:
        """Asks the provider whether it has a message. Never raises for what the provider or the network does."""
        ...
