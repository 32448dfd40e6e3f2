"""Entry by API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from contracts.journeys import EnrolRequest
from infra.clock import Clock
from infra.db import Database
from infra.errors import NotFound
from services.journeys.entry.asking import Asker
from services.journeys.entry.entering import Entrant, enter
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.steps.facts import bare_fact
from services.journeys.world import World


class Enrolled(BaseModel):
    """The enrolment, or the reason why there is none."""

    enrolment_id: UUID | None
    refused: str | None = None


class Enroller:
    """Enters one person into a journey on request."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        world: World,
        asker: Asker,
        clock: Clock,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._asker = asker
        self._clock = clock
        self._deliver = deliver

    async def enrol(self, key: str, request: EnrolRequest) -> Enrolled:
        """Raises `NotFound` for an unknown journey or profile."""
        async with self._database.read() as session:
            version = (await self._versions.current(session)).get(key)
        if version is None:
            raise NotFound("journey", key)
        journey = await self._versions.journey(version)
        profile = await self._world.profile(request.profile_id)
        if profile is None:
            raise NotFound("profile", request.profile_id)
        at = request.at or self._clock.now()
        entry = bare_fact(f"api:{profile.id}:{request.idempotency_key}", "api", at, request.properties)
        entrant = Entrant(
            journey,
            version,
            profile.id,
            entry,
            at,
            profile.traits,
            look_back=True,
            key=request.entry_key or None,
            traits_known=True,
        )
        entrant = await self._asker.ask(entrant)
        async with self._database.begin() as session:
            entered = await enter(session, [entrant], self._clock.now())
        self._deliver(entered.outgoing)
        if entered.enrolments:
            return Enrolled(enrolment_id=entered.enrolments[0])
        async with self._database.read() as session:
            before = (
                await session.execute(
                    text("SELECT id FROM enrolment WHERE journey = :key AND profile_id = :profile AND entry->>'id' = :entry"),
                    {"key": key, "profile": profile.id, "entry": entry["id"]},
                )
            ).first()
            refusal = (
                await session.execute(
                    text("SELECT reason FROM refusal WHERE journey = :key AND event_id = :entry"),
                    {"key": key, "entry": entry["id"]},
                )
            ).first()
        return Enrolled(enrolment_id=before[0] if before else None, refused=refusal[0] if refusal and not before else None)
