"""The lines of the journal: everything that happened in the sandbox, in order."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from sandbox.messages import Frozen, Message


class MessageAccepted(Frozen):
    kind: Literal["message"] = "message"
    message: Message
    status: str


class MessageMoved(Frozen):
    """A message changed: a delivery status, or an act of the customer (then ``status`` is none)."""

    kind: Literal["moved"] = "moved"
    id: str
    name: str
    status: str | None = None
    error_code: int | None = None
    detail: str | None = None
    at: datetime


class CustomerSaved(Frozen):
    kind: Literal["customer"] = "customer"
    id: str
    name: str
    phone: str | None = None
    email: str | None = None


class SubscriptionMade(Frozen):
    kind: Literal["subscription"] = "subscription"
    id: str
    customer: str
    private_key: str
    """Private scalar on P-256, base64url; the sandbox plays the browser too."""
    public_key: str
    auth: str
    application_server_key: str | None = None
    at: datetime


class SubscriptionDropped(Frozen):
    kind: Literal["subscription_dropped"] = "subscription_dropped"
    id: str


class SuppressionChanged(Frozen):
    """The provider's own list: after STOP (``pair`` is "to from") or a bounce, complaint or unsubscribe."""

    kind: Literal["suppression"] = "suppression"
    pair: str
    reason: str | None


class ContentSaved(Frozen):
    """A WhatsApp template, so that the page can show what ``ContentSid`` stands for."""

    kind: Literal["content"] = "content"
    sid: str
    body: str


class Callback(Frozen):
    """One request the sandbox owes to somebody: a status, an event, a reply or a customer's click."""

    kind: Literal["callback"] = "callback"
    id: str
    lane: Literal["twilio", "sendgrid", "browser"]
    url: str
    method: Literal["GET", "POST"] = "POST"
    params: dict[str, str] = Field(default_factory=dict)
    event: dict[str, JsonValue] = Field(default_factory=dict)
    due_at: datetime


class CallbackSettled(Frozen):
    kind: Literal["settled"] = "settled"
    ids: tuple[str, ...]
    outcome: Literal["delivered", "refused", "lost"]


Record = (
    MessageAccepted
    | MessageMoved
    | CustomerSaved
    | SubscriptionMade
    | SubscriptionDropped
    | SuppressionChanged
    | ContentSaved
    | Callback
    | CallbackSettled
)
RECORDS: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])
