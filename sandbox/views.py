"""What the page shows of a customer, worked out of the store."""

from datetime import datetime
from typing import NamedTuple

from sandbox.customers import Customer
from sandbox.messages import Channel, Direction, Message, Progress
from sandbox.store import Store

ROWS = 200
BUBBLES = 200
APPS = ("home", "whatsapp", "sms")
HUES = (210, 262, 330, 14, 36, 142, 174, 192)


class Row(NamedTuple):
    """One line of the list of customers."""

    customer: Customer
    last: Message | None
    unread: int


class Shown(NamedTuple):
    """A message with what became of it."""

    message: Message
    progress: Progress
    unread: bool


def initials(name: str) -> str:
    words = [w for w in name.replace("@", " ").replace(".", " ").split() if w[0].isalpha()]
    return "".join(w[0] for w in words[:2]).upper() or "#"


def hue(name: str) -> int:
    return HUES[sum(name.encode()) % len(HUES)]


def is_unread(message: Message, progress: Progress) -> bool:
    """Not looked at yet, as far as the channel knows such a thing."""
    if message.direction is Direction.INBOUND:
        return False
    match message.channel:
        case Channel.EMAIL:
            return progress.status not in ("bounce", "dropped") and not progress.has("open")
        case Channel.WHATSAPP:
            return progress.status not in ("read", "undelivered", "failed")
        case _:
            return False


def _of(store: Store, customer: Customer) -> list[Message]:
    found = [m for address in customer.addresses for m in store.with_address(address)]
    return sorted(found, key=lambda m: m.seq)


def customer_rows(store: Store, query: str) -> list[Row]:
    """Customers, the most recently written to first, by a part of name or address."""
    wanted = query.strip().lower()
    fitting = [
        c
        for c in store.customers.by_id.values()
        if not wanted or any(wanted in text.lower() for text in (c.name, c.phone or "", c.email or ""))
    ]
    fitting.sort(key=lambda c: (-c.last_seq, c.name))
    rows = []
    for customer in fitting[:ROWS]:
        messages = _of(store, customer)
        unread = sum(is_unread(m, store.progress[m.id]) for m in messages)
        rows.append(Row(customer, messages[-1] if messages else None, unread))
    return rows


class CustomerPage:
    """One customer's phone and inbox; ``app`` is the open app, ``mail`` the id of the open email."""

    def __init__(self, store: Store, customer: Customer, app: str, mail: str | None) -> None:
        self.customer = customer
        self.app = app if app in APPS else "home"
        shown = [Shown(m, store.progress[m.id], is_unread(m, store.progress[m.id])) for m in _of(store, customer)]
        self.emails = [s for s in reversed(shown) if s.message.channel is Channel.EMAIL][:BUBBLES]
        self.whatsapp = [s for s in shown if s.message.channel is Channel.WHATSAPP][-BUBBLES:]
        self.sms = [s for s in shown if s.message.channel is Channel.SMS][-BUBBLES:]
        self.pushes = [s for s in reversed(shown) if s.message.channel is Channel.WEB_PUSH][:20]
        self.mail = next((s for s in self.emails if s.message.id == mail), None)

    @property
    def bubbles(self) -> list[Shown]:
        return self.whatsapp if self.app == "whatsapp" else self.sms

    @property
    def answerable(self) -> Message | None:
        """The message a reply typed into the open app belongs to: the last one that arrived."""
        for shown in reversed(self.bubbles):
            lost = shown.progress.status in ("undelivered", "failed")
            if shown.message.direction is Direction.OUTBOUND and not lost:
                return shown.message
        return None

    @property
    def unread_whatsapp(self) -> int:
        return sum(s.unread for s in self.whatsapp)

    @property
    def clock(self) -> datetime:
        return datetime.now().astimezone()
