"""A journey's life: drafts, publishing them, canaries, pause, resume, drain, archive; and who did what."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from infra.auth import Caller, Scope, requires
from infra.db import Database
from services.journeys.lifecycle import auditing, listing
from services.journeys.lifecycle.auditing import AuditEntry
from services.journeys.lifecycle.drafting import Draft, Drafts
from services.journeys.lifecycle.listing import VersionSummary
from services.journeys.lifecycle.states import Change, States, StateView
from services.journeys.lifecycle.versions import Version

_WRITE = requires(Scope.JOURNEYS_WRITE)
_READ = requires(Scope.JOURNEYS_READ)


class PublishDraft(BaseModel):
    """`canary`: give the version to that percentage of new people only, always the same ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    canary: int | None = Field(default=None, ge=1, le=99)


class Archive(BaseModel):
    """`end`: end the people who are under way, instead of refusing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    end: bool = False


class CanaryEnded(BaseModel):
    """The version that was the canary."""

    key: str
    version: str


def lifecycle_routes(states: States, drafts: Drafts, database: Database) -> APIRouter:
    """Each change is checked against the state the journey is in, and written to the audit log."""
    router = APIRouter(tags=["journeys"])

    @router.put("/v1/journeys/{key}/draft", summary="Save a draft")
    async def draft(
        caller: Annotated[Caller, _WRITE], key: str, definition: Annotated[dict[str, Any], Body(description="See GET /v1/schema")]
    ) -> Draft:
        """Stored whatever it is like; the answer has everything that is wrong with it."""
        return await drafts.save(key, definition, by=caller.name)

    @router.get("/v1/journeys/{key}/draft", summary="The draft of a journey")
    async def read_draft(caller: Annotated[Caller, _READ], key: str) -> Draft:
        """As it was saved last, and everything that is wrong with it by now; 404 where nothing waits to be published."""
        return await drafts.read(key)

    @router.post("/v1/journeys/{key}/publish", summary="Publish the draft")
    async def publish(caller: Annotated[Caller, _WRITE], key: str, body: PublishDraft | None = None) -> Version:
        """Without a draft, a draining or archived journey is opened again with its newest version."""
        return await drafts.publish(key, by=caller.name, canary=body.canary if body else None)

    @router.post("/v1/journeys/{key}/canary/promote", summary="Give the canary version to everybody new")
    async def promote(caller: Annotated[Caller, _WRITE], key: str) -> CanaryEnded:
        """It becomes the current version; who is in the one before goes on there, unless they are migrated."""
        return CanaryEnded(key=key, version=await drafts.end_canary(key, promote=True, by=caller.name))

    @router.post("/v1/journeys/{key}/canary/abort", summary="Give the canary version to nobody new")
    async def abort(caller: Annotated[Caller, _WRITE], key: str) -> CanaryEnded:
        """Who is in it goes on in it, unless they are migrated."""
        return CanaryEnded(key=key, version=await drafts.end_canary(key, promote=False, by=caller.name))

    def change_route(change: Change, summary: str, why: str) -> None:
        async def changed(caller: Annotated[Caller, _WRITE], key: str) -> StateView:
            return await states.change(key, change, by=caller.name)

        router.add_api_route(
            f"/v1/journeys/{{key}}/{change}", changed, methods=["POST"], name=change, summary=summary, description=why
        )

    change_route("pause", "Pause", "Nobody is started, steps that act wait. Waits run on, exits and goals count.")
    change_route("resume", "Resume", "Who was held or parked goes on, at a pace; who came too late goes as their wait says.")
    change_route("drain", "Drain", "Nobody enters any more; when the last one has gone, the journey is archived.")

    @router.post("/v1/journeys/{key}/archive", summary="Archive")
    async def archive(caller: Annotated[Caller, _WRITE], key: str, body: Archive | None = None) -> StateView:
        """Refused while people are under way, unless they are to be ended: then what they were not yet sent is taken back."""
        return await states.change(key, "archive", by=caller.name, end=bool(body and body.end))

    @router.get("/v1/journeys/{key}/state", summary="The state, and who is held")
    async def state(caller: Annotated[Caller, _READ], key: str) -> StateView:
        """And how many are under way, held and parked."""
        return await states.view(key)

    @router.get("/v1/journeys/{key}/versions", summary="All versions, and who is in them")
    async def versions(caller: Annotated[Caller, _READ], key: str) -> list[VersionSummary]:
        """Newest first."""
        async with database.read() as session:
            return await listing.versions(session, key)

    @router.get("/v1/audit", summary="Who changed what", tags=["audit"])
    async def audit(
        caller: Annotated[Caller, _READ],
        journey: str | None = None,
        enrolment: UUID | None = None,
        before: Annotated[int | None, Query(description="Id of the last one seen")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[AuditEntry]:
        """Newest first."""
        async with database.read() as session:
            return await auditing.entries(session, journey=journey, enrolment_id=enrolment, before=before, limit=limit)

    return router
