"""Publishing journeys and reading them back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from journeys import journey_schema
from services.journeys.lifecycle import listing
from services.journeys.lifecycle.listing import JourneySummary
from services.journeys.lifecycle.versions import Version, Versions
from services.journeys.world import World


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
            return await listing.journeys(session)

    @router.get("/v1/journeys/{key}", summary="The current definition of a journey")
    async def journey(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], key: str) -> dict[str, Any]:
        """As it was published; 404 for a journey that is only a draft."""
        async with database.read() as session:
            current = (await versions.current(session)).get(key)
        if current is None:
            raise NotFound("journey", key)
        return await versions.definition(current)

    @router.get("/v1/versions/{version}", summary="The definition of a content hash")
    async def version(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)], version: str) -> dict[str, Any]:
        """As it was published: a version never changes, so that it can be kept for ever."""
        return await versions.definition(version)

    @router.get("/v1/schema", summary="JSON Schema of a journey")
    async def schema() -> dict[str, Any]:
        """Needs no key: editors complete journeys with it."""
        return dict(journey_schema())

    return router
