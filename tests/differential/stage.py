"""The whole of Reis in this process, on a clock that the test sets and a Temporal that skips the time between.

The clock stands still while things happen and is moved to the next instant at which something is due: then every decision bears
exactly the instant that it was due at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import text
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from channels.receipts import ProviderReceipt
from conditions.computed import ComputedDraft, ComputedTrait
from contracts.channels import Status
from contracts.profiles import Accepted, ProfileUpdate, ProfileUpdates
from infra.clock import Clock
from infra.db import Database
from infra.feed.cursor import Cursor
from infra.http import ServiceClient
from tests.differential.postal import Postal

KEY = "differential"
ZONE = "Europe/Berlin"
"""The workspace's."""
_PATIENCE = 90.0
_READERS = {"segments": ("profiles",), "journeys": ("profiles", "segments", "channels")}
_NEWEST = text("SELECT xid::text, position FROM outbox ORDER BY xid DESC, position DESC LIMIT 1")
_AT_WORK = (
    "SELECT EXISTS (SELECT FROM outgoing) AS outgoing, EXISTS (SELECT FROM watch WHERE look_at <= :now) AS watch, "
    "EXISTS (SELECT FROM candidate) AS candidate, EXISTS (SELECT FROM call) AS call"
)


class SteppedClock(Clock):
    """Shows the instant that it was set to."""

    def __init__(self, begins: datetime) -> None:
        super().__init__(1.0, datetime.now(UTC), begins)
        object.__setattr__(self, "_instant", begins)

    def real_now(self) -> datetime:
        return self.to_real(self._instant)  # type: ignore[attr-defined]

    def set(self, instant: datetime) -> None:
        object.__setattr__(self, "_instant", max(instant, self.now()))


@dataclass
class Stage:
    """The services, and what a script does to them."""

    clock: SteppedClock
    clients: Mapping[str, ServiceClient]
    databases: Mapping[str, Database]
    temporal: Client
    skipper: TimeSkipper
    postal: Postal
    skipped: dict[str, timedelta] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: iter(range(1, 10**9)))

    async def put(self, service: str, path: str, body: Mapping[str, JsonValue]) -> None:
        await self.clients[service].request("PUT", path, dict(body))

    async def publish(
        self,
        journeys: Sequence[Mapping[str, JsonValue]],
        *,
        segments: Sequence[Mapping[str, JsonValue]] = (),
        templates: Sequence[Mapping[str, JsonValue]] = (),
        computed: Sequence[Mapping[str, JsonValue]] = (),
    ) -> None:
        """Everything that the journeys need, then the journeys; a journey comes behind those that it starts."""
        for path, bodies in (("/v1/computed-traits", computed), ("/v1/segments", segments)):
            for body in bodies:
                await self.put("segments", f"{path}/{body['key']}", _without_key(body))
        for body in templates:
            await self.put("channels", f"/v1/templates/{body['key']}", _without_key(body))
        for body in journeys:
            await self.put("journeys", f"/v1/journeys/{body['key']}", body)
        await self.settle()

    async def identify(self, user: str, traits: Mapping[str, JsonValue]) -> None:
        await self._track({"type": "identify", "userId": user, "traits": dict(traits)})

    async def track(self, user: str, event: str, properties: Mapping[str, JsonValue]) -> None:
        await self._track({"type": "track", "userId": user, "event": event, "properties": dict(properties)})

    async def consent(self, user: str, channel: str, purpose: str, state: str) -> None:
        entry = {"user_id": user, "channel": channel, "purpose": purpose, "state": state, "source": "test"}
        await self.clients["profiles"].request("POST", "/v1/consents", {"entries": [entry]})

    async def change(self, profile_id: UUID, traits: Mapping[str, JsonValue]) -> None:
        """Dotted trait to value; a null removes."""
        update = ProfileUpdate(
            profile_id=profile_id, message_id=f"m{next(self.numbers)}", set=dict(traits), timestamp=self.clock.now()
        )
        await self.clients["profiles"].post("/v1/profiles/update", ProfileUpdates(updates=(update,)), Accepted)

    async def outcome(self, profile_id: UUID, step: str, status: str, reply: str | None = None) -> None:
        """What became of the newest message of this step: written as a provider's verified callback would write it.

        A message that was not sent has no outcome.
        """
        async with self.databases["channels"].read() as session:
            row = await session.execute(
                text(
                    "SELECT a.id FROM attempt a JOIN message m ON m.id = a.message_id WHERE m.step = :step "
                    "AND m.profile_id = :profile ORDER BY m.created_at DESC, a.number DESC LIMIT 1"
                ),
                {"step": step, "profile": profile_id},
            )
            attempt: UUID | None = row.scalar()
        if attempt is not None:
            receipt = ProviderReceipt(
                event_id=str(next(self.numbers)), status=Status(status), attempt=attempt, text=reply, raw={"by": "script"}
            )
            await self.postal.intake.reports([receipt])

    async def play(self, happenings: Sequence[tuple[datetime, Callable[[], Any]]], until: datetime) -> None:
        """Lets the time pass from one due instant to the next, and what the script says happen at its instants."""
        left = sorted(happenings, key=lambda each: each[0])
        await self.settle()
        while True:
            left = sorted((*left, *self.postal.later()), key=lambda each: each[0])
            due = [instant for instant in (await self._next_due(), left[0][0] if left else None) if instant]
            if not due or min(due) > until:
                break
            self.clock.set(min(due))
            while left and left[0][0] <= self.clock.now():
                await left.pop(0)[1]()
                await self.settle(timers=False)
            await self.settle()
        self.clock.set(until)

    async def settle(self, *, timers: bool = True) -> None:
        """Waits until everything has had its effect; with `timers`, workflows whose time has come are woken."""
        quiet, why = 0, ""
        try:
            async with asyncio.timeout(_PATIENCE):
                while quiet < 2:
                    if timers:
                        await self._wake()
                    if await self.postal.moving():
                        await self.postal.work()
                    why = await self._unsettled(timers=timers)
                    quiet = 0 if why else quiet + 1
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"at {self.clock.now()} it does not come to rest: {why}") from None

    async def _track(self, message: Mapping[str, JsonValue]) -> None:
        stamped = {**message, "messageId": f"m{next(self.numbers)}", "timestamp": self.clock.now().isoformat(), "writeKey": KEY}
        await self.clients["profiles"].request("POST", "/v1/batch", {"batch": [stamped], "writeKey": KEY})

    async def rows(self, statement: str, **parameters: object) -> Sequence[Any]:
        async with self.databases["journeys"].read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def profile(self, user: str) -> UUID:
        async with self.databases["profiles"].read() as session:
            statement = text("SELECT profile_id FROM identity WHERE kind = 'user_id' AND value = :user")
            found: UUID = (await session.execute(statement, {"user": user})).scalar_one()
            return found

    async def _pending(self) -> Sequence[Any]:
        """Where everybody who is under way stands; `moving` when something is still to come of it at this instant."""
        return await self.rows(
            "SELECT e.id, e.journey, e.state, d.deadline, (e.state = 'ending' OR d.kind IS NULL "
            "OR d.outcome->>'kind' NOT IN ('sleep', 'waiting', 'deferred') OR m.enrolment_id IS NOT NULL) AS moving "
            "FROM enrolment e LEFT JOIN place p ON p.enrolment_id = e.id "
            "LEFT JOIN decision d ON d.enrolment_id = e.id AND d.step = p.step AND d.visit = p.visit "
            "LEFT JOIN match m ON m.enrolment_id = e.id AND m.kind = 'wait' AND m.step = d.step AND m.visit = d.visit "
            "WHERE e.state <> 'ended' AND e.start_at IS NULL"
        )

    async def _next_due(self) -> datetime | None:
        instants = [row.deadline for row in await self._pending() if row.deadline is not None]
        looks = await self.rows("SELECT min(look_at) FROM watch")
        held = await self.rows("SELECT min(start_at) FROM enrolment WHERE state = 'running'")
        timed = await self._segment_timers()
        falls = await self.postal.next_due()
        found = [instant for instant in (*instants, looks[0][0], held[0][0], *timed, falls) if instant is not None]
        return min((instant for instant in found if instant > self.clock.now()), default=None)

    async def _segment_timers(self) -> list[datetime | None]:
        async with self.databases["segments"].read() as session:
            return [(await session.execute(text("SELECT min(recheck_at) FROM membership"))).scalar_one()]

    async def _wake(self) -> None:
        for row in await self._pending():
            if row.deadline is not None and row.deadline <= self.clock.now():
                name = f"{row.journey}/{row.id}"
                ahead = self.clock.to_real(row.deadline) - datetime.now(UTC) - self.skipped.get(name, timedelta())
                if ahead > timedelta():
                    await self.skipper.fast_forward(self.temporal.get_workflow_handle(name), ahead)
                    self.skipped[name] = self.skipped.get(name, timedelta()) + ahead

    async def _unsettled(self, *, timers: bool) -> str:
        """What is still to have its effect; nothing when all is at rest. What is mostly so is asked first."""
        now = self.clock.now()
        (at_work,) = await self.rows(_AT_WORK, now=now)
        if any(at_work):
            return f"at work: {at_work}"
        moving = [row for row in await self._pending() if row.moving or (timers and row.deadline and row.deadline <= now)]
        if moving:
            return f"{moving[0]} is moving"
        if await self.postal.moving():
            return "a message is on its way"
        if any(instant is not None and instant <= now for instant in await self._segment_timers()):
            return "a membership is due"
        return await self._unread()

    async def _unread(self) -> str:
        """A feed that a reader is behind of."""
        for reader, feeds in _READERS.items():
            async with self.databases[reader].read() as session:
                rows = (await session.execute(text("SELECT feed, cursor FROM feed_cursor"))).all()
            cursors = {row.feed: row.cursor for row in rows}
            for feed in feeds:
                async with self.databases[feed].read() as session:
                    newest = (await session.execute(_NEWEST)).first()
                if newest is not None and not _reached(cursors.get(feed), int(newest.xid), newest.position):
                    return f"{reader} has not read all of {feed}"
        return ""


def _reached(cursor: str | None, transaction: int, position: int) -> bool:
    return cursor is not None and Cursor.parse(cursor)[1:] >= (transaction, position)


def computed_traits(bodies: Iterable[Mapping[str, Any]]) -> dict[str, ComputedTrait]:
    """As the simulator takes them, by key."""
    return {body["key"]: ComputedTrait(body["key"], ComputedDraft.model_validate(_without_key(body))) for body in bodies}


def _without_key(body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in body.items() if name != "key"}
