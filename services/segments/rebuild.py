"""A new definition asked of the whole population, in short transactions that survive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import text

from infra.clock import Clock
from infra.db import Database
from services.segments.definitions import DefinitionCache
from services.segments.membership import Memberships

_CHUNK = 1000
_LONGEST_SLEEP = 30.0  # real seconds: work that another process left is seen after this at the latest
_FIRST = UUID(int=0)

_OPEN = text("SELECT key, coalesce(computed_to, :first) AS computed_to FROM segment WHERE NOT computed")
_CHUNK_OF = text("SELECT profile_id FROM person WHERE profile_id > :after ORDER BY profile_id LIMIT :limit")
_ADVANCE = text("UPDATE segment SET computed_to = :computed_to, computed = :computed WHERE key = ANY(:keys)")
_STATE = text("SELECT computed FROM segment WHERE key = :key")


class Rebuilder:
    """Computes the memberships of segments whose definition is new. Runs in the background; `finished` waits for it."""

    def __init__(
        self,
        *,
        database: Database,
        definitions: DefinitionCache,
        memberships: Memberships,
        clock: Clock,
        wake: Callable[[], None],
        chunk: int = _CHUNK,
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._memberships = memberships
        self._clock = clock
        self._wake_timer = wake
        self._chunk = chunk
        self._woken = asyncio.Event()
        self._progress = asyncio.Condition()

    def wake(self) -> None:
        """To be called when a definition was committed."""
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            while await self.step():
                pass
            async with self._progress:
                self._progress.notify_all()
            try:
                await asyncio.wait_for(self._woken.wait(), _LONGEST_SLEEP)
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Computes one chunk of people for the segments that have got equally far; False when all is computed."""
        async with self._database.begin() as session:
            definitions = await self._definitions.locked(session)
            open_ones = (await session.execute(_OPEN, {"first": _FIRST})).all()
            if not open_ones:
                return False
            after = min(row.computed_to for row in open_ones)
            keys = [row.key for row in open_ones if row.computed_to == after]
            people = list((await session.execute(_CHUNK_OF, {"after": after, "limit": self._chunk})).scalars())
            now = self._clock.now()
            await self._memberships.refresh(session, definitions, {key: dict.fromkeys(people, now) for key in keys})
            done = len(people) < self._chunk
            await session.execute(_ADVANCE, {"keys": keys, "computed": done, "computed_to": None if done else people[-1]})
        self._memberships.committed()
        self._wake_timer()
        return True

    async def finished(self, key: str, *, patience: float) -> bool:
        """Waits up to `patience` real seconds until the segment is computed; returns whether it is."""
        try:
            async with asyncio.timeout(patience), self._progress:
                while not await self._is_computed(key):
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    async def _is_computed(self, key: str) -> bool:
        async with self._database.read() as session:
            return bool((await session.execute(_STATE, {"key": key})).scalar_one())
