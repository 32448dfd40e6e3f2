"""The channels service: messages to send, what became of them, and what its feed carries."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.base import Wire


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    WEB_PUSH = "web_push"


class Purpose(StrEnum):
    """The purposes Reis knows by itself: transactional messages need no opt-in; marketing, like any other purpose, does."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class Status(StrEnum):
    """The one vocabulary of receipts, in the order of the life of a message."""

    QUEUED = "queued"  # in the ledger, not yet given to a provider
    UNKNOWN = "unknown"  # given to a provider, its answer is not known (crash, timeout)
    SENT = "sent"  # the provider took it
    DELIVERED = "delivered"  # it reached the device or mailbox
    OPENED = "opened"
    CLICKED = "clicked"
    REPLIED = "replied"
    BOUNCED = "bounced"  # the address does not take it
    REJECTED = "rejected"  # the provider refused it, or could not deliver it
    COMPLAINED = "complained"  # marked as spam
    UNSUBSCRIBED = "unsubscribed"
    CANCELLED = "cancelled"  # taken back before it was sent


class Fallback(Wire):
    """Try the next channel unless the message got at least this far within `within` of its sending."""

    unless: Literal[Status.SENT, Status.DELIVERED, Status.OPENED, Status.CLICKED, Status.REPLIED]
    within: timedelta


class SendRequest(Wire):
    """One message to one person. `key` is the idempotency key: the same key is the same message, for ever.

    `context` holds what templates may use beside the profile: `entry`, `event`, `results`. `journey`, `step` and
    `enrolment` say where the message comes from; receipts carry them. `zone` is the time zone of people who have none,
    before the workspace's.
    """

    key: str
    profile_id: UUID
    template: str
    channels: tuple[Channel, ...] = Field(min_length=1)
    purpose: str = Field(min_length=1)
    fallback: Fallback | None = None
    valid_until: datetime | None = None
    zone: str | None = None
    context: dict[str, JsonValue] = Field(default_factory=dict)
    enrolment: UUID | None = None
    journey: str = ""
    step: str = ""
    visit: int = 1


class SendRequests(Wire):
    """`POST /v1/messages`, up to 200 at once; each is decided on its own."""

    messages: tuple[SendRequest, ...] = Field(max_length=200)


class SendResult(Wire):
    """`accepted`: in the ledger, will be sent; `deferred`: ask again at `until` (virtual instant);
    `skipped`: will not be sent, because of `reason` (no_consent, suppressed,
    unreachable, expired, template_error, unknown_profile, …)."""

    status: Literal["accepted", "deferred", "skipped"]
    message_id: UUID | None = None
    channel: Channel | None = None
    until: datetime | None = None
    reason: str = ""
    detail: str = ""


class SendResults(Wire):
    results: tuple[SendResult, ...]


class CancelMessages(Wire):
    """`POST /v1/messages/cancel`: takes back what these enrolments have not yet sent, fallbacks included."""

    enrolments: tuple[UUID, ...] = Field(max_length=500)


class ReceiptFilter(Wire):
    """Receipts of one step's message in one enrolment."""

    enrolment: UUID
    step: str
    visit: int | None = None


class ReceiptSearch(Wire):
    """`POST /v1/receipts/search`: the look-back of waits for message outcomes."""

    filters: tuple[ReceiptFilter, ...] = Field(max_length=200)


MESSAGE_RECEIPT = "message.receipt"


class Receipt(Wire):
    """What became of a message: `data` of `message.receipt`. `text` is a reply's, `url` a click's.

    `attempt_number` counts the channels tried, from 1.
    """

    id: str
    message_id: UUID
    status: Status
    channel: Channel
    attempt_number: int
    at: datetime
    enrolment: UUID | None = None
    journey: str = ""
    step: str = ""
    visit: int = 1
    text: str | None = None
    url: str | None = None
    reason: str = ""


class ReceiptsFound(Wire):
    """One list per filter, in its order; each in order of time."""

    receipts: tuple[tuple[Receipt, ...], ...]


class KnownTemplate(Wire):
    """A template's key, what it is made for, the channels it has parts for, and per channel the dotted names it uses and cannot
    do without."""

    key: str
    purpose: str | None = None
    channels: tuple[Channel, ...] = ()
    variables: dict[Channel, tuple[str, ...]] = Field(default_factory=dict)
    required: dict[Channel, tuple[str, ...]] = Field(default_factory=dict)


class KnownTemplates(Wire):
    """What `GET /v1/templates` says, as far as a journey needs it."""

    templates: tuple[KnownTemplate, ...]
