"""Templates: put, list, read, preview."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import Field, JsonValue

from contracts.base import Wire
from contracts.channels import Channel
from infra.auth import Caller, Scope, requires
from infra.errors import BadInput, Flaw
from infra.liquid import RenderFailed
from services.channels.decision import render_context
from services.channels.links import Links, Unsubscribe
from services.channels.people import People
from services.channels.template_store import TemplateStore
from services.channels.templates import TemplateDetail, TemplateInput, TemplateSummary, compiled

Key = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$", description="Lower case letters, digits, - _ .")]


class Templates(Wire):
    templates: tuple[TemplateSummary, ...]


class PreviewRequest(Wire):
    """Whom to show it for: `profile_id`, or made-up `traits`; and what the journey would supply."""

    profile_id: UUID | None = None
    traits: dict[str, JsonValue] = Field(default_factory=dict)
    context: dict[str, JsonValue] = Field(default_factory=dict)
    journey: str = ""


class PreviewPart(Wire):
    """The rendered fields of a channel, or why it cannot be rendered."""

    content: dict[str, JsonValue] | None = None
    error: str = ""


class Preview(Wire):
    version: int
    channels: dict[Channel, PreviewPart]


_NOBODY = UUID(int=0)


def router(store: TemplateStore, people: People, links: Links) -> APIRouter:
    routes = APIRouter(tags=["templates"])

    @routes.put("/v1/templates/{key}", summary="Store a template; a change makes a new version")
    async def put(key: Key, body: TemplateInput, caller: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]) -> TemplateDetail:
        """The newest version is what is sent from now on, also to people under way."""
        return await store.put(key, body, caller.name)

    @routes.get("/v1/templates", summary="All templates, newest versions")
    async def all_(caller: Annotated[Caller, requires(Scope.CHANNELS_READ)]) -> Templates:
        return Templates(templates=tuple(await store.all()))

    @routes.get("/v1/templates/{key}", summary="One template and the variables it uses")
    async def get(key: Key, caller: Annotated[Caller, requires(Scope.CHANNELS_READ)]) -> TemplateDetail:
        return await store.get(key)

    @routes.post("/v1/templates/{key}/preview", summary="Render a template without sending it")
    async def preview(key: Key, body: PreviewRequest, caller: Annotated[Caller, requires(Scope.CHANNELS_READ)]) -> Preview:
        """`traits` go over those of the profile; `context` has `entry` and `event`."""
        found = await store.get(key)
        template = compiled(key, found.version, found.parts)
        traits = body.traits
        profile_id = body.profile_id or _NOBODY
        if body.profile_id is not None:
            known = await people.known([body.profile_id])
            if body.profile_id not in known:
                flaw = Flaw(
                    path="$.profile_id", message="there is no such profile", remedy="use a known profile's id, or `traits`"
                )
                raise BadInput([flaw], "the preview")
            traits = {**known[body.profile_id].profile.traits, **traits}
        parts: dict[Channel, PreviewPart] = {}
        for channel in template.sources:
            url = links.url(Unsubscribe(profile_id, _NOBODY, channel, found.purpose or "marketing"))
            try:
                context = render_context(profile_id, traits, body.context, body.journey, url)
                parts[channel] = PreviewPart(content=template.render(channel, context).model_dump())
            except RenderFailed as error:
                parts[channel] = PreviewPart(error=str(error))
        return Preview(version=found.version, channels=parts)

    return routes
