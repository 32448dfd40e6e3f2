"""How well people are kept going: wake-up lateness, and what had to be mended."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from services.journeys.lateness import Lateness, recent_lateness
from services.journeys.reconciling.counting import Repairs, repairs


def health_routes(database: Database, clock: Clock) -> APIRouter:
    """For dashboards and alerts."""
    router = APIRouter(tags=["health"])

    @router.get("/v1/health/lateness", summary="How late waits end")
    async def how_late(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)],
        journey: str | None = None,
        minutes: Annotated[float, Query(gt=0, le=10_080, description="The window, real time")] = 60,
    ) -> Lateness:
        """Seconds by the clock that customers live by; on a system that runs `factor` times as fast, divide by that."""
        async with database.read() as session:
            return await recent_lateness(session, clock, timedelta(minutes=minutes), journey)

    @router.get("/v1/health/repairs", summary="What was found amiss and mended")
    async def mended(caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)]) -> list[Repairs]:
        """Counts since ever, by kind; in a healthy system none grows."""
        async with database.read() as session:
            return await repairs(session)

    return router
