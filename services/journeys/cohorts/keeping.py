"""Keeps a workflow under every running cohort: started when it is made, resumed or found without one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts.journeys import COHORT_WORKFLOW, CohortInput
from infra.clock import Clock
from infra.db import Database
from services.journeys.cohorts import store as cohorts

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 5.0


def cohort_workflow_id(cohort_id: UUID) -> str:
    return f"cohort/{cohort_id}"


class CohortKeeper:
    """Starting a workflow that runs is refused by Temporal, so it is asked for again and again: none is ever missing for long."""

    def __init__(self, *, database: Database, temporal: Client, task_queue: str, clock: Clock) -> None:
        self._database = database
        self._temporal = temporal
        self._task_queue = task_queue
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """To be called when a cohort was made or resumed."""
        self._woken.set()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001  # Temporal or the database comes back
                log.warning("cohorts.later", why=f"{type(error).__name__}: {error}".splitlines()[0])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_SECONDS)

    async def step(self) -> None:
        """One look."""
        async with self._database.read() as session:
            found = await cohorts.running(session, self._clock.now())
        for cohort_id in found:
            with suppress(WorkflowAlreadyStartedError):
                await self._temporal.start_workflow(
                    COHORT_WORKFLOW,
                    CohortInput(cohort_id=cohort_id),
                    id=cohort_workflow_id(cohort_id),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    rpc_timeout=timedelta(seconds=10),
                )
