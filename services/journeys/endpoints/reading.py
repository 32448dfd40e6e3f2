"""Enrolments, numbers and reasons; entry by API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from contracts.journeys import EnrolRequest
from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from services.journeys import reporting
from services.journeys.entry.enrolling import Enrolled, Enroller
from services.journeys.reporting import EnrolmentView, Refusal, Stats, Story


def reading_routes(database: Database, enroller: Enroller, clock: Clock) -> APIRouter:
    """Enrolments, numbers and reasons; entry by API."""
    router = APIRouter(tags=["enrolments"])

    @router.post("/v1/journeys/{key}/enrolments", summary="Enrol somebody", status_code=201)
    async def enrol(caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)], key: str, body: EnrolRequest) -> Enrolled:
        """Enters one person by API, whatever the journey's entry is, under its own rules of re-entry.

        The same idempotency key enters once. `refused` says why there is no enrolment.
        """
        return await enroller.enrol(key, body)

    @router.get("/v1/journeys/{key}/stats", summary="A journey in numbers")
    async def stats(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], key: str) -> Stats:
        """All versions together; messages are counted by `GET /v1/stats` of the channels service."""
        async with database.read() as session:
            return await reporting.stats(session, key, clock)

    @router.get("/v1/enrolments", summary="Enrolments")
    async def enrolments(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)],
        journey: str | None = None,
        profile_id: UUID | None = None,
        state: Annotated[str | None, Query(description="running, ending or ended")] = None,
        after: Annotated[UUID | None, Query(description="Id of the last one seen")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[EnrolmentView]:
        """In the order of their ids, which is not that of entry."""
        async with database.read() as session:
            return await reporting.enrolments(
                session, journey=journey, profile_id=profile_id, state=state, after=after, limit=limit
            )

    @router.get("/v1/enrolments/{enrolment_id}/story", summary="Why: every decision with the values seen")
    async def story(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], enrolment_id: UUID) -> Story:
        """In order: the entry, decisions, what met waits and criteria, the end. `GET /v1/explain` says it in sentences."""
        async with database.read() as session:
            return await reporting.story(session, enrolment_id)

    @router.get("/v1/refusals", summary="Why not: who met a trigger and did not enter")
    async def refusals(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)],
        profile_id: UUID | None = None,
        journey: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[Refusal]:
        """Newest first."""
        async with database.read() as session:
            return await reporting.refusals(session, profile_id=profile_id, journey=journey, limit=limit)

    return router
