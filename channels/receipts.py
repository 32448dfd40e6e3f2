"""What providers report, in our one vocabulary; whatever we do not know stays `unknown` and is kept raw."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import JsonValue

from channels.message import Frozen
from contracts.channels import Channel, Status

RANK: dict[Status, int] = {status: number for number, status in enumerate(Status)}
"""Of two statuses of one attempt the one later in the vocabulary stands."""

FAILED = frozenset({Status.BOUNCED, Status.REJECTED})
REPEATED = frozenset({Status.OPENED, Status.CLICKED, Status.REPLIED, Status.UNKNOWN})
"""Statuses of which one attempt may have several, each an event of its own."""


class Suppress(StrEnum):
    """Why an address gets nothing more on a channel."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBED = "unsubscribed"
    STOP = "stop"
    DEAD = "dead_address"
    MANUAL = "manual"


class ProviderReceipt(Frozen):
    """One report. `event_id` tells two reports apart; `at` is the provider's instant, if it gave one (real, UTC).

    `suppress`: the address must get nothing more on this channel; `withdraw`: the person took consent back.
    """

    event_id: str
    status: Status
    attempt: UUID | None = None
    provider_id: str = ""
    at: datetime | None = None
    text: str | None = None
    url: str | None = None
    reason: str = ""
    suppress: Suppress | None = None
    withdraw: bool = False
    raw: dict[str, JsonValue]


class Reply(Frozen):
    """A customer wrote to one of our numbers. `answers`: provider's id of the message they answered, if known."""

    event_id: str
    channel: Channel
    address: str
    text: str
    answers: str = ""
    word: str = ""
    """`stop` or `start` when the whole text is such a word."""
    raw: dict[str, JsonValue]
