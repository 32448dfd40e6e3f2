"""Messages: send, take back, read back, count."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from contracts.base import Wire
from contracts.channels import CancelMessages, ReceiptSearch, ReceiptsFound, SendRequests, SendResults
from infra.auth import Caller, Scope, requires
from services.channels.sending import Sending
from services.channels.story import Stats, Stories, Story


class Cancelled(Wire):
    """How many attempts were taken back."""

    cancelled: int


def router(sending: Sending, story: Story) -> APIRouter:
    routes = APIRouter(tags=["messages"])

    @routes.post("/v1/messages", summary="Send messages, each under its idempotency key")
    async def send(body: SendRequests, caller: Annotated[Caller, requires(Scope.CHANNELS_SEND)]) -> SendResults:
        """One result per message, in order. The same key is the same message for ever; a deferred one is not kept: ask again."""
        return SendResults(results=tuple(await sending.send(body.messages)))

    @routes.post("/v1/messages/cancel", summary="Take back what enrolments have not yet sent")
    async def cancel(body: CancelMessages, caller: Annotated[Caller, requires(Scope.CHANNELS_SEND)]) -> Cancelled:
        """Fallbacks to come included. What is at a provider already stays sent."""
        return Cancelled(cancelled=await story.cancel(body))

    @routes.get("/v1/messages", summary="What became of messages, and why")
    async def messages(
        caller: Annotated[Caller, requires(Scope.CHANNELS_READ)],
        enrolment: UUID | None = None,
        profile_id: UUID | None = None,
        journey: str | None = None,
        before: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        body: Annotated[bool, Query(description="With addresses and rendered content")] = False,  # noqa: FBT002
    ) -> Stories:
        """Newest first, with every attempt and receipt; those that all given filters fit."""
        return await story.messages(
            enrolment=enrolment, profile_id=profile_id, journey=journey, before=before, limit=limit, body=body
        )

    @routes.post("/v1/receipts/search", summary="Receipts of steps of enrolments")
    async def search(body: ReceiptSearch, caller: Annotated[Caller, requires(Scope.CHANNELS_READ)]) -> ReceiptsFound:
        """One list per filter, each in order of time."""
        return ReceiptsFound(receipts=await story.receipts(body.filters))

    @routes.get("/v1/stats", summary="Counts of a journey, per step and channel")
    async def stats(journey: str, caller: Annotated[Caller, requires(Scope.CHANNELS_READ)]) -> Stats:
        return await story.stats(journey)

    return routes
