"""The people behind the addresses: who owns which phone number, email address and browser."""

import hashlib

from sandbox.records import CustomerSaved, SubscriptionMade


class Customer:
    """One person on the page. ``implicit``: nobody named them, a message to an unknown address made them."""

    __slots__ = ("email", "id", "implicit", "last_seq", "name", "phone", "subscriptions")

    def __init__(self, id_: str, name: str, *, implicit: bool) -> None:
        self.id = id_
        self.name = name
        self.phone: str | None = None
        self.email: str | None = None
        self.subscriptions: list[str] = []
        self.implicit = implicit
        self.last_seq = 0

    @property
    def addresses(self) -> list[str]:
        return [a for a in (self.phone, self.email, *self.subscriptions) if a]


def implicit_id(address: str) -> str:
    """A stable, URL-safe id for an address nobody has claimed yet."""
    return "unknown-" + hashlib.sha256(address.encode()).hexdigest()[:12]


class CustomerBook:
    """All customers, found by id, by address, or (if only one bears it) by name."""

    def __init__(self) -> None:
        self.by_id: dict[str, Customer] = {}
        self._owner: dict[str, Customer] = {}

    def owner(self, address: str) -> Customer | None:
        return self._owner.get(address)

    def find(self, key: str) -> Customer | None:
        """By id, phone number, email address or subscription id, else by a name that is unique."""
        found = self.by_id.get(key) or self._owner.get(key) or self._owner.get(key.lower())
        if found is None:
            named = [c for c in self.by_id.values() if c.name == key]
            found = named[0] if len(named) == 1 else None
        return found

    def owner_or_stranger(self, address: str) -> Customer:
        """The owner of an address; one made up for it when nobody claimed it."""
        owner = self._owner.get(address)
        if owner is None:
            owner = Customer(implicit_id(address), address, implicit=True)
            if "@" in address:
                owner.email = address
            else:
                owner.phone = address
            self.by_id[owner.id] = owner
            self._owner[address] = owner
        return owner

    def save(self, record: CustomerSaved) -> Customer:
        """Names a customer; addresses move here from whoever had them, strangers dissolve into this one."""
        customer = self.by_id.get(record.id)
        if customer is None:
            customer = self.by_id[record.id] = Customer(record.id, record.name, implicit=False)
        customer.name, customer.implicit = record.name, False
        for old, new in ((customer.phone, record.phone), (customer.email, record.email)):
            if new and old and old != new:
                self._owner.pop(old, None)
        customer.phone = record.phone or customer.phone
        customer.email = record.email or customer.email
        for address in (record.phone, record.email):
            if address:
                self._move(address, customer)
        return customer

    def subscribe(self, record: SubscriptionMade) -> None:
        customer = self.by_id[record.customer]
        if record.id not in customer.subscriptions:
            customer.subscriptions.append(record.id)
        self._owner[record.id] = customer

    def _move(self, address: str, customer: Customer) -> None:
        before = self._owner.get(address)
        self._owner[address] = customer
        if before is None or before is customer:
            return
        customer.last_seq = max(customer.last_seq, before.last_seq)
        if before.implicit:
            self.by_id.pop(before.id, None)
            customer.subscriptions += before.subscriptions
            self._owner |= dict.fromkeys(before.subscriptions, customer)
        elif before.phone == address:
            before.phone = None
        elif before.email == address:
            before.email = None
