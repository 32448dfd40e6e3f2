"""Cohorts: back-fill, and looking at, pausing, resuming and cancelling what enters together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from contracts.journeys import BackfillRequest, CohortProgress
from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from services.journeys.cohorts import store as cohorts
from services.journeys.cohorts.backfilling import Backfill, Backfiller
from services.journeys.cohorts.gathering import Gatherer
from services.journeys.cohorts.store import Cohort, State
from services.journeys.lifecycle.auditing import note


def cohort_routes(
    *, database: Database, backfiller: Backfiller, gatherer: Gatherer, clock: Clock, wake: Callable[[], None]
) -> APIRouter:
    """`wake` is called when a cohort has something to do."""
    router = APIRouter(tags=["cohorts"])

    async def move(cohort_id: UUID, to: State, who: str) -> Cohort:
        async with database.begin() as session:
            await cohorts.move(session, cohort_id, to, clock.now())
            cohort = await cohorts.load(session, cohort_id)
            detail = {"cohort": str(cohort_id), "occasion": cohort.occasion, "taken": cohort.taken}
            await note(session, at=clock.now(), who=who, action=f"cohort {to}", journey=cohort.journey, detail=detail)
        return cohort

    @router.post("/v1/journeys/{key}/backfill", summary="Everybody who matches now enters", status_code=201)
    async def backfill(caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)], key: str, body: BackfillRequest) -> Backfill:
        """The members of the entry's segment, or of another, enter under the journey's own rules, at `per_hour` at most.

        The same idempotency key is the same back-fill. With `dry_run` it is only said how many there are.
        """
        made = await backfiller.backfill(key, body, caller.name)
        wake()
        return made

    @router.get("/v1/journeys/{key}/cohorts", summary="The cohorts of a journey")
    async def of_journey(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], key: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[Cohort]:
        """Newest first: occurrences of its schedule, missed ones too, and back-fills."""
        async with database.read() as session:
            return await cohorts.of_journey(session, key, limit)

    @router.get("/v1/cohorts/{cohort_id}", summary="How far a cohort is")
    async def one(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], cohort_id: UUID) -> Cohort:
        """`taken` members were looked at; `entered` and `refused` of them, or another service is being asked about them."""
        async with database.read() as session:
            return await cohorts.load(session, cohort_id)

    @router.post("/v1/cohorts/{cohort_id}/pause", summary="Take no further members for now")
    async def pause(caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)], cohort_id: UUID) -> Cohort:
        """Those who have entered go on."""
        return await move(cohort_id, "paused", caller.name)

    @router.post("/v1/cohorts/{cohort_id}/resume", summary="Go on after the last member taken")
    async def resume(caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)], cohort_id: UUID) -> Cohort:
        """One that was paused; at its pace."""
        cohort = await move(cohort_id, "running", caller.name)
        wake()
        return cohort

    @router.post("/v1/cohorts/{cohort_id}/cancel", summary="Take no further members at all")
    async def cancel(caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)], cohort_id: UUID) -> Cohort:
        """Those who have entered go on, the rest do not enter."""
        return await move(cohort_id, "cancelled", caller.name)

    @router.post("/v1/cohorts/{cohort_id}/advance", summary="One batch further")
    async def advance(caller: Annotated[Caller, requires(Scope.JOURNEYS_RUN)], cohort_id: UUID) -> CohortProgress:
        """What the worker asks, again and again; repeating is harmless."""
        return await gatherer.advance(cohort_id)

    return router
