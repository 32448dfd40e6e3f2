"""The HTTP interface of the journeys service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel
from sqlalchemy import text

from contracts.journeys import EnrolRequest, FinishItems, StepItems
from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from journeys import journey_schema
from journeys.outcome import StepResults
from services.journeys import reporting
from services.journeys.enrolling import Enrolled, Enroller
from services.journeys.reporting import EnrolmentView, Refusal, Stats, Story
from services.journeys.steps import Steps
from services.journeys.versions import Version, Versions
from services.journeys.world import World


class JourneySummary(BaseModel):
    """A journey, its current version, and how many people are under way."""

    key: str
    version: str
    number: int
    name: str
    published_at: datetime
    running: int


def worker_routes(steps: Steps) -> APIRouter:
    """What the worker asks."""
    router = APIRouter(tags=["worker"])

    @router.post("/v1/steps", summary="Perform steps")
    async def perform(caller: Annotated[Caller, requires(Scope.JOURNEYS_RUN)], body: StepItems) -> StepResults:
        """Decides each step once and keeps the decision; asked again, it answers the same."""
        return StepResults(results=tuple(await steps.perform(body.items)))

    @router.post("/v1/finishes", status_code=204, summary="End enrolments")
    async def finish(caller: Annotated[Caller, requires(Scope.JOURNEYS_RUN)], body: FinishItems) -> Response:
        """Takes back what those that a criterion ended have not yet sent; repeating is harmless."""
        await steps.finish(body.items)
        return Response(status_code=204)

    return router


def definition_routes(versions: Versions, world: World, clock: Clock, database: Database) -> APIRouter:
    """Publishing journeys and reading them back."""
    router = APIRouter(tags=["journeys"])

    @router.put("/v1/journeys/{key}", summary="Publish a journey")
    async def publish(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_WRITE)],
        key: str,
        definition: Annotated[dict[str, Any], Body(description="The definition, see GET /v1/schema")],
    ) -> Version:
        """Validates the definition and makes it the version that new people enter; people under way keep theirs."""
        return await versions.publish(definition, by=caller.name, now=clock.now(), world=world, key=key)

    @router.get("/v1/journeys", summary="All journeys")
    async def journeys(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)]) -> list[JourneySummary]:
        """In the order of their keys."""
        async with database.read() as session:
            rows = await session.execute(
                text(
                    "SELECT j.key, j.current AS version, v.number, v.definition->>'name' AS name, v.published_at, "
                    "(SELECT count(*) FROM enrolment e WHERE e.journey = j.key AND e.state <> 'ended') AS running "
                    "FROM journey j JOIN version v ON v.hash = j.current ORDER BY j.key"
                )
            )
            return [JourneySummary(**row) for row in rows.mappings().all()]

    @router.get("/v1/journeys/{key}", summary="The current definition of a journey")
    async def journey(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], key: str) -> dict[str, Any]:
        async with database.read() as session:
            current = (await versions.current(session)).get(key)
        if current is None:
            raise NotFound("journey", key)
        return await versions.definition(current)

    @router.get("/v1/versions/{version}", summary="The definition of a content hash")
    async def version(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], version: str) -> dict[str, Any]:
        return await versions.definition(version)

    @router.get("/v1/schema", summary="JSON Schema of a journey")
    async def schema() -> dict[str, Any]:
        """Needs no key: editors complete journeys with it."""
        return dict(journey_schema())

    return router


def reading_routes(database: Database, enroller: Enroller) -> APIRouter:
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
            return await reporting.stats(session, key)

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
