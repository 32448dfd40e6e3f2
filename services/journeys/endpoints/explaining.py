"""Why, and why not: the whole story of one person in one journey."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from infra.auth import Caller, Scope, requires
from services.journeys.explaining import Explainer, Explanation


def explaining_routes(explainer: Explainer) -> APIRouter:
    """`reis explain` asks here."""
    router = APIRouter(tags=["explanations"])

    @router.get("/v1/explain", summary="Why somebody did or did not get something")
    async def explain(
        caller: Annotated[Caller, requires(Scope.JOURNEYS_READ)],
        journey: str,
        profile_id: Annotated[UUID | None, Query(description="Either this")] = None,
        user_id: Annotated[str | None, Query(description="Or this")] = None,
    ) -> Explanation:
        """All enrolments with every decision, wait and message, long after Temporal has forgotten them; or why there is none."""
        return await explainer.explain(journey, profile_id=profile_id, user_id=user_id)

    return router
