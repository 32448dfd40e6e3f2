"""The control API: looking at what arrived, breaking things, and acting as a customer."""

from itertools import islice
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query

from sandbox.actions import Act, ActDone, Actions
from sandbox.courier import Courier
from sandbox.customers import Customer
from sandbox.faults import Fault, FaultBoard, FaultRequest
from sandbox.messages import Channel, Direction, Frozen, MessageView
from sandbox.records import ContentSaved, CustomerSaved, SuppressionChanged
from sandbox.store import Store


class MessagePage(Frozen):
    messages: list[MessageView]
    next_after: int
    """Pass as ``after`` to get what comes later."""


class MessageCount(Frozen):
    total: int
    by_channel: dict[Channel, int]
    by_status: dict[str, int]


class Duplicate(Frozen):
    """A client message id that several requests were accepted under."""

    attempt: str
    messages: list[MessageView]


class Duplicates(Frozen):
    duplicates: list[Duplicate]


class CustomerRequest(Frozen):
    """Joins a phone number and an email address to one person. ``id`` keeps people of equal names apart."""

    name: str
    phone: str | None = None
    email: str | None = None
    id: str | None = None


class CustomerView(Frozen):
    id: str
    name: str
    phone: str | None
    email: str | None
    subscriptions: list[str]
    known: bool


class ContentRequest(Frozen):
    """A WhatsApp template; ``body`` holds ``{{1}}`` or ``{{name}}`` where ContentVariables go."""

    sid: str
    body: str


class Stats(Frozen):
    messages: int
    callbacks: dict[str, int]


class Removed(Frozen):
    removed: int


def customer_view(customer: Customer) -> CustomerView:
    return CustomerView(
        id=customer.id,
        name=customer.name,
        phone=customer.phone,
        email=customer.email,
        subscriptions=list(customer.subscriptions),
        known=not customer.implicit,
    )


def control_router(store: Store, faults: FaultBoard, actions: Actions, courier: Courier) -> APIRouter:
    """Endpoints under ``/api``; they ask for no credentials, since the server listens on loopback only."""
    router = APIRouter(prefix="/api", tags=["control"])

    @router.get("/messages")
    async def messages(
        to: str | None = None,
        channel: Channel | None = None,
        attempt: str | None = None,
        direction: Direction | None = None,
        after: int = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> MessagePage:
        """Messages in order of arrival. ``to`` is an address, or a customer's id or name."""
        found = list(
            islice(
                store.find(to=to, channel=channel, attempt=attempt, direction=direction, after=after),
                limit,
            )
        )
        return MessagePage(messages=[store.view(m) for m in found], next_after=found[-1].seq if found else after)

    @router.get("/messages/count")
    async def count(
        to: str | None = None, channel: Channel | None = None, direction: Direction | None = None, after: int = 0
    ) -> MessageCount:
        by_channel = dict.fromkeys(Channel, 0)
        by_status: dict[str, int] = {}
        for message in store.find(to=to, channel=channel, direction=direction, after=after):
            by_channel[message.channel] += 1
            status = store.progress[message.id].status
            by_status[status] = by_status.get(status, 0) + 1
        return MessageCount(total=sum(by_channel.values()), by_channel=by_channel, by_status=by_status)

    @router.get("/messages/duplicates")
    async def duplicates() -> Duplicates:
        found = store.duplicates()
        return Duplicates(duplicates=[Duplicate(attempt=a, messages=[store.view(m) for m in ms]) for a, ms in found])

    @router.get("/messages/{message_id}")
    async def message(message_id: str) -> MessageView:
        return store.view(store.message(message_id))

    @router.post("/act")
    async def act(wish: Act) -> ActDone:
        """What the buttons of the page do. 404 unknown message, 409 when a customer cannot do that."""
        return actions.act(wish)

    @router.get("/faults")
    async def list_faults() -> list[Fault]:
        return faults.in_force()

    @router.post("/faults", status_code=201)
    async def add_fault(wish: FaultRequest) -> Fault:
        return faults.add(wish)

    @router.delete("/faults")
    async def clear_faults() -> Removed:
        return Removed(removed=faults.clear())

    @router.delete("/faults/{fault_id}")
    async def clear_fault(fault_id: str) -> Removed:
        return Removed(removed=faults.clear(fault_id))

    @router.get("/customers")
    async def customers() -> list[CustomerView]:
        return [customer_view(c) for c in store.customers.by_id.values()]

    @router.post("/customers", status_code=201)
    async def save_customer(wish: CustomerRequest) -> CustomerView:
        """Creates or completes a customer, found by ``id``, else by phone, email or a unique name."""
        email = wish.email.lower() if wish.email else None
        customer_id = wish.id or _known_id(store, wish, email) or uuid4().hex
        store.record(CustomerSaved(id=customer_id, name=wish.name, phone=wish.phone, email=email))
        return customer_view(store.customers.by_id[customer_id])

    @router.post("/contents", status_code=201)
    async def save_content(wish: ContentRequest) -> ContentRequest:
        store.record(ContentSaved(sid=wish.sid, body=wish.body))
        return wish

    @router.get("/suppressions")
    async def suppressions() -> dict[str, str]:
        """Whom the providers themselves refuse to write to, and why."""
        return store.suppressions

    @router.delete("/suppressions")
    async def lift_suppressions(address: str | None = None) -> Removed:
        pairs = [p for p in store.suppressions if address is None or p.split(" ")[0] == address]
        for pair in pairs:
            store.record(SuppressionChanged(pair=pair, reason=None))
        return Removed(removed=len(pairs))

    @router.get("/stats")
    async def stats() -> Stats:
        """``lost`` callbacks were given up; ``refused`` ones were answered with 4xx."""
        waiting = {"pending": len(store.callbacks), "retries": courier.retries}
        return Stats(messages=len(store.messages), callbacks=store.callback_outcomes | waiting)

    return router


def _known_id(store: Store, wish: CustomerRequest, email: str | None) -> str | None:
    for address in (wish.phone, email):
        found = store.customers.find(address) if address else None
        if found is not None and not found.implicit:
            return found.id
    named = store.customers.find(wish.name)
    if named is not None and named.phone in (None, wish.phone) and named.email in (None, email):
        return named.id
    return None
