"""The reconciler's rounds: doubts, second looks, repairs and sweeps; bounded, paced over all processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from temporalio.client import Client

from infra.clock import Clock
from infra.db import Database
from services.journeys.lifecycle.pacing import Pace
from services.journeys.outgoing import Outgoing
from services.journeys.reconciling import suspects
from services.journeys.reconciling.mending import Mender, overdue_before
from services.journeys.reconciling.runs import Runs
from services.journeys.reconciling.sweeping import Sweeper
from services.journeys.steps.performing import Steps

log = structlog.get_logger(__name__)

# Longer than a workflow's longest pause between two tries (a minute): who is being tried again is not stuck. Real time.
GRACE = timedelta(minutes=3)
EVERY_SECONDS = 5.0
MOST = 100
PAGE = 200


class Reconciler:
    """Runs in every process; the pace in the database lets one round begin per `every` seconds, whoever begins it.

    An enrolment is repaired when it looked stuck twice, a `grace` apart, is still as it was, and its workflow has nothing to do.
    """

    def __init__(
        self,
        *,
        database: Database,
        temporal: Client,
        clock: Clock,
        steps: Steps,
        deliver: Callable[[Sequence[Outgoing]], None],
        grace: timedelta = GRACE,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._runs = Runs(temporal)
        self._mender = Mender(database=database, clock=clock, steps=steps, deliver=deliver, grace=grace)
        self._sweeper = Sweeper(database=database, clock=clock, runs=self._runs, deliver=deliver, grace=grace, page=PAGE)
        self._pace = Pace("reconciler", 1 / every)
        self._grace = grace
        self._every = every

    async def run(self) -> None:
        """Rounds until cancelled; the first after a grace, since all who were waiting for this service come now."""
        await asyncio.sleep(self._grace.total_seconds())
        while True:
            try:
                if await self._my_turn():
                    await self.round()
            except Exception as error:  # noqa: BLE001  # Temporal or the database comes back
                log.warning("reconciler.later", why=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(self._every)

    async def round(self) -> Counter[str]:
        """One round; answers what it mended, by kind."""
        async with self._database.begin() as session:
            overdue = overdue_before(self._clock, self._grace)
            taken = await suspects.take(session, grace=self._grace, overdue=overdue, most=MOST)
            await suspects.mark(session, grace=self._grace, overdue=overdue, most=MOST)
        runs = await self._runs.describe({each.enrolment_id: each.journey for each in taken})
        done: Counter[str] = Counter()
        for suspect in taken:
            kind = await self._mender.mend(suspect, runs[suspect.enrolment_id])
            if kind is not None:
                done[kind] += 1
                log.warning("reconciler.repaired", kind=kind, journey=suspect.journey, enrolment=str(suspect.enrolment_id))
        for sweep in (self._sweeper.places, self._sweeper.workflows, self._sweeper.leftovers):
            done += await sweep()
        return done

    async def _my_turn(self) -> bool:
        async with self._database.begin() as session:
            allowed = await self._pace.allowed(session)
            await self._pace.took(session, allowed)
        return bool(allowed)
