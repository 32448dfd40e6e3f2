"""The activity of a cohort: advances it batch by batch, remotely and with a heartbeat."""

import asyncio
from contextlib import suppress

from temporalio import activity

from activities.verdicts import verdict
from contracts.journeys import CohortInput, CohortProgress
from infra.http import ServiceClient
from journeys.outcome import Ended

AT_ONCE = 40
"""Batches in one activity; then the workflow asks anew, so that a deployment waits for no long ones."""
BATCH_SECONDS = 120.0
HEARTBEAT_SECONDS = 2.0


class CohortActivities:
    """Calls the journeys service, which keeps how far the cohort is: repeating is harmless."""

    def __init__(self, journeys: ServiceClient, *, at_once: int = AT_ONCE) -> None:
        self._journeys = journeys
        self._at_once = at_once

    @activity.defn
    async def advance_cohort(self, cohort: CohortInput) -> CohortProgress:
        """Some batches further. Raises ApplicationError when it is to be asked again."""
        beating = asyncio.create_task(_beat())
        try:
            progress = await self._advance(cohort)
            for _ in range(self._at_once - 1):
                if progress.state != "running" or progress.wake_at is not None:
                    break
                progress = await self._advance(cohort)
            return progress
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    async def _advance(self, cohort: CohortInput) -> CohortProgress:
        try:
            return await self._journeys.post(f"/v1/cohorts/{cohort.cohort_id}/advance", {}, CohortProgress, timeout=BATCH_SECONDS)
        except Exception as error:  # noqa: BLE001  # every error gets its verdict, in one place
            judged = verdict(error)
        if isinstance(judged, Ended):
            return CohortProgress(state="cancelled", taken=0)
        raise judged from None


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)
