"""A message as a provider accepted it, and what became of it since."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Channel(StrEnum):
    """The four ways a customer can be written to."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    WEB_PUSH = "web_push"


class Direction(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Frozen):
    """One message to (or, inbound, from) one address; never changes after it was accepted."""

    id: str
    """The provider's id: ``SM…``, an ``sg_message_id`` or a push message id."""
    seq: int
    channel: Channel
    direction: Direction = Direction.OUTBOUND
    to: str
    """E.164 number without a ``whatsapp:`` prefix, e-mail address in lower case, or push subscription id."""
    sender: str | None = None
    sender_name: str | None = None
    subject: str | None = None
    """Subject of an email, title of a notification."""
    body: str = ""
    html: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    attempt: str | None = None
    """Our client's message id, by which a message accepted twice is found."""
    custom_args: dict[str, str] = Field(default_factory=dict)
    categories: tuple[str, ...] = ()
    request_id: str
    """Equal for all messages that one request of a client made."""
    received_at: datetime
    status_callback: str | None = None
    messaging_service_sid: str | None = None
    content_sid: str | None = None
    payload: JsonValue = None
    """Decrypted JSON of a web push message."""
    reply_to: str | None = None
    """For an inbound message: id of the message it answers."""

    @property
    def customer_address(self) -> str:
        """The address on the customer's side."""
        return (self.sender or "") if self.direction is Direction.INBOUND else self.to


class Happening(Frozen):
    """One thing that became of a message: a delivery status or an act of the customer."""

    at: datetime
    name: str
    detail: str | None = None


class Progress:
    """What became of a message so far; the only mutable part of it."""

    __slots__ = ("error_code", "happenings", "status", "updated_at")

    def __init__(self, status: str, at: datetime) -> None:
        self.status = status
        self.error_code: int | None = None
        self.updated_at = at
        self.happenings: list[Happening] = []

    def has(self, name: str) -> bool:
        return any(h.name == name for h in self.happenings)


class MessageView(Frozen):
    """A message with its progress, as the control API shows it."""

    id: str
    seq: int
    channel: Channel
    direction: Direction
    to: str
    from_: str | None = Field(serialization_alias="from")
    customer: str | None
    subject: str | None
    body: str
    html: str | None
    headers: dict[str, str]
    attempt: str | None
    custom_args: dict[str, str]
    content_sid: str | None
    payload: JsonValue
    received_at: datetime
    status: str
    error_code: int | None
    happenings: tuple[Happening, ...]
