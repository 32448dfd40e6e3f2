"""The shop's side: what a real shop sends to Reis, through an unmodified Segment client and the consent API."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, assert_never

from segment.analytics.client import Client

from contracts.profiles import Accepted, ConsentEntries, ConsentEntry, ConsentState
from demo.actions import Identify, Scripted, Track
from demo.people import Person
from infra.http import ServiceClient

UPLOAD_SECONDS = 0.04
"""The client gathers for half a second by default: that is six hours on the demo's clock."""
SAID_YES_AGO = timedelta(days=800)
WORDING = "Yes, write to me about news and offers on this channel. I can stop it at any time."


class EventsRefusedError(Exception):
    """Reis did not take what the shop sent."""

    def __init__(self, count: int, why: object) -> None:
        super().__init__(f"{count} events could not be delivered: {why}")


class Shop:
    """`with Shop(…) as shop:`. Raises EventsRefusedError in `flush` when events were given up."""

    def __init__(self, *, write_key: str, host: str, profiles: ServiceClient) -> None:
        self._refused: list[tuple[int, object]] = []
        self._profiles = profiles
        self._client = Client(
            write_key, host=host, upload_interval=UPLOAD_SECONDS, upload_size=100, max_queue_size=100_000, on_error=self._on_error
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.join()

    def send(self, scripted: Scripted) -> None:
        """Hands an action to the Segment client, with its scripted instant as timestamp."""
        match scripted.action:
            case Identify(user_id, traits):
                self._client.identify(user_id, dict(traits), timestamp=scripted.at)
            case Track(user_id, event, properties, message_id):
                self._client.track(user_id, event, dict(properties), timestamp=scripted.at, message_id=message_id)
            case _:
                assert_never(scripted.action)

    async def flush(self) -> None:
        """Until Reis has taken everything sent so far."""
        await asyncio.to_thread(self._client.flush)
        if self._refused:
            raise EventsRefusedError(sum(count for count, _ in self._refused), self._refused[0][1])

    async def tell_consents(self, people: Iterable[Person], day_zero: datetime) -> None:
        """Who agreed to what when they signed up; whoever agreed to nothing is not mentioned."""
        entries = [
            ConsentEntry(
                user_id=person.id,
                channel=channel,
                purpose="marketing",
                state=ConsentState.GRANTED,
                source="sign-up form",
                wording=WORDING,
                at=day_zero - SAID_YES_AGO,
            )
            for person in people
            for channel in sorted(person.consents)
        ]
        for batch in _batches(entries, 500):
            await self._profiles.post("/v1/consents", ConsentEntries(entries=tuple(batch)), Accepted)

    def _on_error(self, error: object, batch: Sequence[object]) -> None:
        self._refused.append((len(batch), error))


def _batches(entries: Sequence[ConsentEntry], size: int) -> Iterable[Sequence[ConsentEntry]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
