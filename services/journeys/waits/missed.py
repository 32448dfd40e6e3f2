"""What a registered wait has missed: it looks back until nothing that came meanwhile can be overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from infra.clock import Clock
from infra.db import Database
from infra.errors import Unavailable
from journeys.model import WaitFor
from journeys.outcome import Match
from services.journeys.waits.matching import matched
from services.journeys.waits.readiness import Key
from services.journeys.waits.rendezvous import Looked, Rendezvous, settle

# Each is another event that came while the look was on its way: after so many the workflow asks again.
_LOOKS = 10


class Missed:
    """The look back of waits for the workflows that came to them. Called again, it answers the same."""

    def __init__(self, *, database: Database, rendezvous: Rendezvous, clock: Clock) -> None:
        self._database = database
        self._rendezvous = rendezvous
        self._clock = clock

    async def __call__(self, steps: Mapping[Key, WaitFor]) -> tuple[dict[Key, Match], dict[Key, BaseException]]:
        """What has met these waits, now or before, and for which of them it is not known."""
        if not steps:
            return {}, {}
        async with self._database.read() as session:
            met = await matched(session, list(steps))
        failed: dict[Key, BaseException] = {}
        left = {key: step for key, step in steps.items() if key not in met}
        for _ in range(_LOOKS):
            if not left:
                return met, failed
            left = await self._look(left, met, failed)
        overtaken = Unavailable("journeys", "events came faster than a wait could look back")
        return met, failed | dict.fromkeys(left, overtaken)

    async def _look(
        self, steps: Mapping[Key, WaitFor], met: dict[Key, Match], failed: dict[Key, BaseException]
    ) -> dict[Key, WaitFor]:
        """One look at each; answers those that have to look again."""
        async with self._database.read() as session:
            waits = await self._rendezvous.open_waits(session, steps)
        if not waits:
            return {}
        position = await self._rendezvous.position() if any(wait.watches for wait in waits) else None
        now = self._clock.now()
        found = await asyncio.gather(*(self._rendezvous.look(wait, position, now) for wait in waits), return_exceptions=True)
        failed |= {wait.key: each for wait, each in zip(waits, found, strict=True) if isinstance(each, BaseException)}
        looked = [each for each in found if isinstance(each, Looked)]
        if not any(each.met is not None or each.answers or each.first is not None for each in looked):
            return {}
        async with self._database.begin() as session:
            settled = await settle(session, looked, signal=False)
            # A feed may have been faster with something else: what was written is the answer.
            keys = {(each.listener.enrolment_id, each.listener.step, each.listener.visit) for each in settled.met}
            met |= await matched(session, list(keys | settled.again))
        return {key: step for key, step in steps.items() if key in settled.again and key not in met}
