"""What the worker asks of the journeys service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from contracts.journeys import FinishItems, StepItems
from infra.auth import Caller, Scope, requires
from journeys.outcome import StepResults
from services.journeys.steps.performing import Steps


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
