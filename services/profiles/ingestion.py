"""Taking messages in: one short transaction a batch, again from the start when another batch was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import Unavailable
from infra.feed.outbox import Outbox
from infra.http import Coalescer
from services.profiles.messages import Message
from services.profiles.names_seen import NamesBook
from services.profiles.store import Collision, known_ids, load, lock, save

log = structlog.get_logger(__name__)

_TRIES = 5
_AGAIN = frozenset({"23505", "40001", "40P01"})  # unique violation, serialization failure, deadlock (PostgreSQL, appendix A)

Result = TypeVar("Result")


class Ingestion:
    """Applies messages to people: all of a batch or nothing, each message once."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, names: NamesBook) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._names = names
        self._one_by_one: Coalescer[Message, bool] = Coalescer(self._take_singles, most=200, lanes=2)

    async def take(self, messages: Sequence[Message]) -> int:
        """Takes `messages` in their order and returns how many were new. Raises `Unavailable` after too many collisions."""
        if not messages:
            return 0
        first: dict[str, Message] = {}
        for message in messages:
            first.setdefault(message.id, message)
        unique = list(first.values())
        accepted = await self.alone_if_needed(lambda session, alone: self._attempt(session, unique, alone=alone))
        self._outbox.notify()
        return accepted

    async def take_one(self, message: Message) -> None:
        """Takes one message; those that arrive at the same time share a transaction."""
        await self._one_by_one(message)

    async def alone_if_needed(self, work: Callable[[AsyncSession, bool], Awaitable[Result]]) -> Result:
        """Runs `work` in a transaction beside others; after a collision again, alone: then nobody can be faster."""
        alone = False
        for _ in range(_TRIES):
            try:
                async with self._database.begin() as session:
                    await lock(session, alone=alone)
                    return await work(session, alone)
            except Collision:
                alone = True
            except (IntegrityError, OperationalError) as error:
                if getattr(error.orig, "sqlstate", None) not in _AGAIN:
                    raise
                alone = True
            log.debug("ingestion.again")
        raise Unavailable("profiles", "too many batches write the same people at once")

    async def _attempt(self, session: AsyncSession, messages: Sequence[Message], *, alone: bool) -> int:
        if alone:
            known = await known_ids(session, messages)
            messages = [message for message in messages if message.id not in known]
            if not messages:
                return 0
        now = self._clock.now()
        people = await load(session, messages, now)
        people.apply(messages)
        if people.merges and not alone:
            raise Collision
        await save(session, people, now)
        await self._names.note(session, people)
        await self._outbox.append(session, people.happenings)
        return len(people.taken)

    async def _take_singles(self, messages: Sequence[Message]) -> Sequence[bool]:
        await self.take(messages)
        return [True] * len(messages)
