"""Bringing people elsewhere: migrations of many, and what a person does with one enrolment by hand."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from infra.auth import Caller, Scope, requires
from services.journeys.moves.by_hand import ByHand, Done
from services.journeys.moves.migration_plans import MigrationRequest
from services.journeys.moves.migrations_desk import MigrationsDesk, MigrationView
from services.journeys.moves.previewing import Preview

_WRITE = requires(Scope.JOURNEYS_WRITE)
_READ = requires(Scope.JOURNEYS_READ)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MoveRequest(_Body):
    """To which step, and why."""

    step: str
    why: str = Field(default="", max_length=1000)


class EndRequest(_Body):
    """Why it ends: shown in statistics and in the story."""

    reason: str = Field(min_length=1, max_length=1000)


class RestartRequest(_Body):
    """In which version, and why."""

    version: Literal["same", "current"] = "current"
    why: str = Field(default="", max_length=1000)


def move_routes(desk: MigrationsDesk, by_hand: ByHand) -> APIRouter:
    """All of it is written to the audit log."""
    router = APIRouter(tags=["migrations"])

    @router.post("/v1/journeys/{key}/migrations/preview", summary="What a migration would do")
    async def preview(caller: Annotated[Caller, _READ], key: str, body: MigrationRequest) -> Preview:
        """Who stands where, where they would go, which waits would end when. Nothing changes."""
        return await desk.preview(key, body)

    @router.post("/v1/journeys/{key}/migrations", summary="Migrate people to another version", status_code=202)
    async def start(caller: Annotated[Caller, _WRITE], key: str, body: MigrationRequest) -> MigrationView:
        """In the background, at a pace. Refused while a step that people stand at leads nowhere."""
        return await desk.start(key, body, by=caller.name)

    @router.get("/v1/journeys/{key}/migrations/{migration_id}", summary="How far a migration is")
    async def progress(caller: Annotated[Caller, _READ], key: str, migration_id: UUID) -> MigrationView:
        """`moved`, `stayed` and `ended` people so far; `on_their_way` are those who go when their workflow asks next."""
        return await desk.progress(key, migration_id)

    @router.post("/v1/journeys/{key}/migrations/{migration_id}/cancel", summary="Stop a migration")
    async def cancel(caller: Annotated[Caller, _WRITE], key: str, migration_id: UUID) -> MigrationView:
        """Who has moved has moved, the others stay; one that is over stays as it is."""
        return await desk.cancel(key, migration_id, by=caller.name)

    @router.post("/v1/enrolments/{enrolment_id}/move", summary="Move one enrolment to a step", tags=["enrolments"])
    async def move(caller: Annotated[Caller, _WRITE], enrolment_id: UUID, body: MoveRequest) -> Done:
        """Of its version. What it waits for is over; what was sent stays sent, and comes again if the way leads there again."""
        return await by_hand.move(enrolment_id, body.step, who=caller.name, why=body.why)

    @router.post("/v1/enrolments/{enrolment_id}/end", summary="End one enrolment", tags=["enrolments"])
    async def end(caller: Annotated[Caller, _WRITE], enrolment_id: UUID, body: EndRequest) -> Done:
        """What was not sent yet is taken back."""
        return await by_hand.end(enrolment_id, body.reason, who=caller.name)

    @router.post("/v1/enrolments/{enrolment_id}/restart", summary="Restart one enrolment", tags=["enrolments"])
    async def restart(caller: Annotated[Caller, _WRITE], enrolment_id: UUID, body: RestartRequest | None = None) -> Done:
        """Ends it and enters the person anew with the same entry and key, whatever the rule of re-entry says."""
        wanted = body or RestartRequest()
        return await by_hand.restart(enrolment_id, version=wanted.version, who=caller.name, why=wanted.why)

    return router
