"""Suppressions: list, add, remove."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from channels.receipts import Suppress
from contracts.base import Wire
from contracts.channels import Channel
from infra.auth import Caller, Scope, requires
from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Flaw, NotFound
from services.channels import suppressions
from services.channels.address import hashed, normal
from services.channels.suppressions import Suppressed


class Suppressions(Wire):
    """`next` goes into `after` for the page behind this one; none: that was all."""

    suppressions: tuple[Suppressed, ...]
    next: str | None


class SuppressRequest(Wire):
    """An address in clear: E.164, an e-mail address, or a push endpoint. Only its hash is stored."""

    channel: Channel
    address: str
    reason: str = Suppress.MANUAL.value


def router(database: Database, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["suppressions"])

    @routes.get("/v1/suppressions", summary="Suppressed addresses, by hash")
    async def page(
        caller: Annotated[Caller, requires(Scope.CHANNELS_READ)],
        channel: Channel | None = None,
        address: Annotated[str | None, Query(description="Only this address (with `channel`)")] = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Suppressions:
        async with database.read() as session:
            if channel is not None and address is not None:
                hash_ = _hash(channel, address)
                return Suppressions(suppressions=tuple(await suppressions.page(session, channel, "", 1, hash_)), next=None)
            found = await suppressions.page(session, channel, after, limit)
        return Suppressions(suppressions=tuple(found), next=suppressions.cursor(found[-1]) if len(found) == limit else None)

    @routes.post("/v1/suppressions", summary="Suppress an address", status_code=201)
    async def add(body: SuppressRequest, caller: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]) -> Suppressed:
        """An address that is suppressed already keeps its first reason."""
        entry = Suppressed(
            channel=body.channel,
            address_hash=_hash(body.channel, body.address),
            reason=body.reason,
            source=f"key {caller.name}",
            created_at=clock.now(),
        )
        async with database.begin() as session:
            await suppressions.add(session, [entry])
        return entry

    @routes.post("/v1/suppressions/remove", summary="Let an address be written to again", status_code=204)
    async def remove(body: SuppressRequest, caller: Annotated[Caller, requires(Scope.CHANNELS_WRITE)]) -> None:
        """Whatever its reason; `reason` is not looked at. Consent that was taken back stays so."""
        async with database.begin() as session:
            if not await suppressions.remove(session, body.channel, _hash(body.channel, body.address)):
                raise NotFound("suppression", body.channel.value)

    return routes


def _hash(channel: Channel, address: str) -> str:
    value = normal(channel, address)
    if not value:
        flaw = Flaw(
            path="$.address",
            message=f"this is no {channel.value} address",
            remedy="write E.164, an e-mail address or an endpoint",
        )
        raise BadInput([flaw], "the suppression")
    return hashed(channel, value)
