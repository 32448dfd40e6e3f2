"""Everything the sandbox knows, in memory: built from the journal, changed only by appending to it."""

from collections.abc import Iterator
from itertools import islice
from typing import assert_never

from sandbox.customers import CustomerBook
from sandbox.errors import UnknownMessageError
from sandbox.journal import Storage
from sandbox.messages import Channel, Direction, Happening, Message, MessageView, Progress
from sandbox.records import (
    Callback,
    CallbackSettled,
    ContentSaved,
    CustomerSaved,
    MessageAccepted,
    MessageMoved,
    Record,
    SubscriptionDropped,
    SubscriptionMade,
    SuppressionChanged,
)


class Store:
    """The indices over all records. ``record`` is the only way to change anything."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.customers = CustomerBook()
        self.messages: list[Message] = []
        self.progress: dict[str, Progress] = {}
        self.subscriptions: dict[str, SubscriptionMade] = {}
        self.dropped_subscriptions: set[str] = set()
        self.suppressions: dict[str, str] = {}
        self.contents: dict[str, str] = {}
        self.callbacks: dict[str, Callback] = {}
        self.callback_outcomes = {"delivered": 0, "refused": 0, "lost": 0}
        self._by_id: dict[str, Message] = {}
        self._by_address: dict[str, list[Message]] = {}
        self._by_attempt: dict[str, list[Message]] = {}
        self.version = 0
        for record in storage.load():
            self._apply(record)

    def record(self, record: Record) -> None:
        """Writes a record down, then makes it true."""
        self._storage.append(record)
        self._apply(record)

    def next_seq(self) -> int:
        return len(self.messages) + 1

    def message(self, message_id: str) -> Message:
        """The message with this provider id. Raises ``UnknownMessageError``."""
        found = self._by_id.get(message_id)
        if found is None:
            raise UnknownMessageError(message_id)
        return found

    def with_address(self, address: str) -> list[Message]:
        """All messages to or from one address, oldest first."""
        return self._by_address.get(address, [])

    def find(
        self,
        *,
        to: str | None = None,
        channel: Channel | None = None,
        attempt: str | None = None,
        direction: Direction | None = None,
        after: int = 0,
    ) -> Iterator[Message]:
        """Messages that fit, oldest first; ``after`` is the ``seq`` of the last one already seen."""
        pool: Iterator[Message]
        if attempt is not None:
            pool = iter(self._by_attempt.get(attempt, []))
        elif to is not None:
            customer = self.customers.find(to)
            addresses = customer.addresses if customer else [to]
            pool = iter(sorted((m for a in addresses for m in self.with_address(a)), key=lambda m: m.seq))
        else:
            pool = islice(self.messages, after, None)
        for message in pool:
            if message.seq <= after:
                continue
            if channel is not None and message.channel is not channel:
                continue
            if direction is not None and message.direction is not direction:
                continue
            yield message

    def duplicates(self) -> Iterator[tuple[str, list[Message]]]:
        """Client message ids that more than one request was accepted under."""
        for attempt, messages in self._by_attempt.items():
            if len({m.request_id for m in messages}) > 1:
                yield attempt, messages

    def view(self, message: Message) -> MessageView:
        progress = self.progress[message.id]
        owner = self.customers.owner(message.customer_address)
        return MessageView(
            id=message.id,
            seq=message.seq,
            channel=message.channel,
            direction=message.direction,
            to=message.to,
            from_=message.sender,
            customer=owner.id if owner else None,
            subject=message.subject,
            body=message.body,
            html=message.html,
            headers=message.headers,
            attempt=message.attempt,
            custom_args=message.custom_args,
            content_sid=message.content_sid,
            payload=message.payload,
            received_at=message.received_at,
            status=progress.status,
            error_code=progress.error_code,
            happenings=tuple(progress.happenings),
        )

    def close(self) -> None:
        self._storage.close()

    def _apply(self, record: Record) -> None:
        self.version += 1
        match record:
            case MessageAccepted():
                self._accept(record)
            case MessageMoved():
                self._move(record)
            case CustomerSaved():
                self.customers.save(record)
            case SubscriptionMade():
                self.subscriptions[record.id] = record
                self.customers.subscribe(record)
            case SubscriptionDropped():
                self.dropped_subscriptions.add(record.id)
            case SuppressionChanged():
                if record.reason is None:
                    self.suppressions.pop(record.pair, None)
                else:
                    self.suppressions[record.pair] = record.reason
            case ContentSaved():
                self.contents[record.sid] = record.body
            case Callback():
                self.callbacks[record.id] = record
            case CallbackSettled():
                self.callback_outcomes[record.outcome] += len(record.ids)
                for callback_id in record.ids:
                    self.callbacks.pop(callback_id, None)
            case _:
                assert_never(record)

    def _accept(self, record: MessageAccepted) -> None:
        message = record.message
        self.messages.append(message)
        self._by_id[message.id] = message
        self.progress[message.id] = Progress(record.status, message.received_at)
        self._by_address.setdefault(message.customer_address, []).append(message)
        if message.attempt is not None:
            self._by_attempt.setdefault(message.attempt, []).append(message)
        self.customers.owner_or_stranger(message.customer_address).last_seq = message.seq

    def _move(self, record: MessageMoved) -> None:
        progress = self.progress[record.id]
        progress.updated_at = record.at
        progress.happenings.append(Happening(at=record.at, name=record.name, detail=record.detail))
        if record.status is not None:
            progress.status = record.status
            progress.error_code = record.error_code
