"""Everybody with what they did, page by page: what simulations and back-tests are drawn from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from sqlalchemy import text

from contracts.profiles import PersonWithPast, PopulationPage, TrackedEvent
from infra.auth import Caller, Scope, requires
from infra.db import Database
from services.profiles.queries import profiles_of

_IDS = text("SELECT id FROM profile WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid) ORDER BY id LIMIT :limit")
_EVENTS = text(
    "SELECT profile_id, id, name, properties, timestamp FROM event WHERE name IS NOT NULL "
    "AND profile_id = ANY(CAST(:ids AS uuid[])) AND timestamp >= :since AND timestamp < :until ORDER BY timestamp, position"
)
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Population:
    """Reads people in pages. A page is one snapshot; people who come while pages are read are found if their id lies ahead."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, after: UUID | None, limit: int, since: datetime | None, until: datetime | None) -> PopulationPage:
        """Up to `limit` people behind `after`, each with the events of a span (`since` inclusive, `until` exclusive)."""
        async with self._database.read() as session:
            ids = list((await session.execute(_IDS, {"after": after, "limit": limit})).scalars())
            profiles = await profiles_of(session, ids)
            events: dict[UUID, list[TrackedEvent]] = {identity: [] for identity in ids}
            span = {"ids": [str(identity) for identity in ids], "since": since or _FIRST, "until": until or _LAST}
            for row in await session.execute(_EVENTS, span):
                event = TrackedEvent(id=row.id, name=row.name, properties=row.properties, timestamp=row.timestamp)
                events[row.profile_id].append(event)
        people = tuple(
            PersonWithPast(profile=profiles[identity], events=tuple(events[identity])) for identity in ids if identity in profiles
        )
        return PopulationPage(people=people, next=ids[-1] if len(ids) == limit else None)


def population_router(population: Population) -> APIRouter:
    """`GET /v1/population`."""
    router = APIRouter(prefix="/v1", tags=["profiles"])

    @router.get("/population", summary="Everybody with what they did, page by page")
    async def page(
        caller: Annotated[Caller, requires(Scope.PROFILES_READ)],
        after: Annotated[UUID | None, Query(description="`next` of the previous page")] = None,
        since: Annotated[AwareDatetime | None, Query(description="Events from then on; all where left out")] = None,
        until: Annotated[AwareDatetime | None, Query(description="Events before then")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> PopulationPage:
        """In the order of profile ids; events in order of time. For simulations and back-tests."""
        return await population.page(after=after, limit=limit, since=since, until=until)

    return router
