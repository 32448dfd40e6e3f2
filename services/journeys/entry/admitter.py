"""Admits candidates: asks the other services about them, and lets in those who may, in order per person and journey."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed
from services.journeys.entry import candidates
from services.journeys.entry.admission import Entrant
from services.journeys.entry.asking import Asker
from services.journeys.entry.candidates import Candidate
from services.journeys.entry.entering import enter
from services.journeys.lifecycle.versions import Versions
from services.journeys.merging import survivors
from services.journeys.outgoing import Outgoing

log = structlog.get_logger(__name__)

_BATCH = 200
_LEASE = timedelta(seconds=60)
_IDLE_SECONDS = 2.0  # candidates that another process wrote, and those whose pause is over, are seen after this at the latest
_AFTER_FAILURE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0


class Admitter:
    """A loop in the journeys service. Nobody is lost: who cannot be asked about now is asked about later.

    Any number of processes may run it; candidates are leased, and decided about once, in the transaction that enrols.
    """

    def __init__(
        self, *, database: Database, versions: Versions, asker: Asker, clock: Clock, deliver: Callable[[Sequence[Outgoing]], None]
    ) -> None:
        self._database = database
        self._versions = versions
        self._asker = asker
        self._clock = clock
        self._deliver = deliver
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """To be called when candidates were written."""
        self._woken.set()

    async def run(self) -> None:
        """Admits until cancelled."""
        while True:
            self._woken.clear()
            try:
                if await self.step():
                    continue
            except Exception as error:  # noqa: BLE001  # whatever it is, the leases run out and they are taken again
                log.warning("admitter.failed", why=f"{type(error).__name__}: {error}".splitlines()[0])
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _IDLE_SECONDS)

    async def step(self) -> int:
        """Takes those who are due, once; returns how many."""
        async with self._database.begin() as session:
            taken = await candidates.claim(session, self._versions, _BATCH, _LEASE)
            now = await survivors(session, [each.entrant.profile_id for each in taken]) if taken else {}
        entrants = [replace(each.entrant, profile_id=now.get(each.entrant.profile_id, each.entrant.profile_id)) for each in taken]
        answers = await asyncio.gather(*(self._asker.ask(each) for each in entrants), return_exceptions=True)
        ready: list[tuple[Candidate, Entrant]] = []
        for candidate, answer in zip(taken, answers, strict=True):
            if isinstance(answer, Entrant):
                ready.append((candidate, answer))
            else:
                await self._later(candidate, answer)
        if ready:
            await self._admit(ready)
        return len(taken)

    async def _admit(self, ready: Sequence[tuple[Candidate, Entrant]]) -> None:
        """All at once; where that fails one by one, so that nobody waits for another's fault."""
        try:
            async with self._database.begin() as session:
                held = await candidates.hold(session, [candidate.id for candidate, _ in ready])
                mine = [entrant for candidate, entrant in ready if candidate.id in held]
                entered = await enter(session, mine, self._clock.now())
                await candidates.done(session, list(held))
        except Exception as error:  # noqa: BLE001  # told apart by trying each alone
            if len(ready) == 1:
                await self._later(ready[0][0], error)
                return
            for each in ready:
                await self._admit([each])
            return
        self._deliver(entered.outgoing)

    async def _later(self, candidate: Candidate, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        seconds = min(0.5 * 2.0 ** min(candidate.attempts, 10), _LONGEST_PAUSE_SECONDS)
        why = str(error).splitlines()[0] if isinstance(error, CallFailed) else type(error).__name__
        log.warning("admitter.later", journey=candidate.entrant.journey.key, seconds=seconds, why=why)
        async with self._database.begin() as session:
            await candidates.later(session, [candidate.id], seconds)
