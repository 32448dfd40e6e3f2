"""The profiles API that services and people use."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query

from contracts.profiles import (
    Accepted,
    ConsentEntries,
    EmittedEvents,
    EventSearch,
    EventsFound,
    NamesSeen,
    Profile,
    ProfileLookup,
    ProfilesFound,
    ProfileUpdates,
)
from infra.auth import Caller, Scope, requires
from infra.errors import BadInput, Flaw
from services.profiles.answers import ConsentLedger, Counts, EventPage
from services.profiles.consents import Consents
from services.profiles.ingestion import Ingestion
from services.profiles.messages import DEEPEST, EARLIEST, LARGEST_EVENT, LATEST, Message, flaws_of_nul, too_deep
from services.profiles.names_seen import NamesBook
from services.profiles.queries import Queries

Reader = Annotated[Caller, requires(Scope.PROFILES_READ)]
Writer = Annotated[Caller, requires(Scope.PROFILES_WRITE)]


def profiles_router(queries: Queries, ingestion: Ingestion, consents: Consents, names: NamesBook) -> APIRouter:
    """Look-ups, updates, consents, events."""
    router = APIRouter(prefix="/v1", tags=["profiles"])

    @router.post("/profiles/lookup", summary="Profiles by id")
    async def lookup(caller: Reader, asked: ProfileLookup) -> ProfilesFound:
        """An id that was merged answers with the survivor; unknown ones are missing."""
        return ProfilesFound(profiles=await queries.lookup(asked.ids))

    @router.post("/profiles/update", summary="Set traits")
    async def update(caller: Writer, asked: ProfileUpdates) -> Accepted:
        """Dotted paths reach into objects, null removes.

        Each update is applied once by its `message_id`; one for a profile that does not exist is left out.
        """
        _refuse_odd_paths(asked)
        messages = [
            Message("update", one.message_id, None, None, None, dict(one.set), one.timestamp, profile_id=one.profile_id)
            for one in asked.updates
        ]
        return Accepted(accepted=await ingestion.take(messages))

    @router.post("/consents", summary="Add to the consent ledger")
    async def add_consents(caller: Writer, asked: ConsentEntries) -> Accepted:
        """Writes all entries or none; a `user_id` that nobody has yet makes a profile. Sent twice, an entry is written twice."""
        return Accepted(accepted=await consents.add(asked.entries, by=caller.name))

    @router.post("/events/emit", summary="Events that journeys tell about people")
    async def emit(caller: Writer, asked: EmittedEvents) -> Accepted:
        """Taken in as a client's `track` is: stored, told in the feed, seen by segments, waits and entries.

        Each event is taken once by its `message_id`; one for a profile that does not exist is left out.
        """
        _refuse_odd_events(asked)
        messages = [
            Message(
                "track",
                one.message_id,
                None,
                None,
                one.event,
                dict(one.properties),
                one.timestamp,
                profile_id=one.profile_id,
                depth=one.depth,
            )
            for one in asked.events
        ]
        return Accepted(accepted=await ingestion.take(messages))

    @router.post("/events/search", summary="Events by person, name and time")
    async def search(caller: Reader, asked: EventSearch) -> EventsFound:
        """One list per filter, each in order of event time."""
        return EventsFound(events=await queries.search(asked.filters))

    @router.get("/profiles", summary="The profile that goes by an id")
    async def named(caller: Reader, user_id: str | None = None, anonymous_id: str | None = None) -> Profile:
        """By `user_id` or by `anonymous_id`, not both."""
        match user_id, anonymous_id:
            case str(value), None:
                return await queries.named("user_id", value)
            case None, str(value):
                return await queries.named("anonymous_id", value)
            case _:
                flaw = Flaw(
                    path="user_id", message="or anonymous_id must be given, not both", remedy="add ?user_id=… or ?anonymous_id=…"
                )
                raise BadInput([flaw], "the query")

    @router.get("/profiles/{profile_id}", summary="One profile")
    async def profile(caller: Reader, profile_id: UUID) -> Profile:
        return await queries.profile(profile_id)

    @router.get("/profiles/{profile_id}/events", summary="A person's events, newest first")
    async def events(
        caller: Reader,
        profile_id: UUID,
        before: Annotated[str | None, Query(description="`before` of the previous page")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> EventPage:
        return await queries.events(profile_id, before=before, limit=limit)

    @router.get("/profiles/{profile_id}/consents", summary="A person's consent ledger")
    async def ledger(caller: Reader, profile_id: UUID) -> ConsentLedger:
        return await queries.consents(profile_id)

    @router.get("/names", summary="What events and traits that anybody has sent are called")
    async def names_seen(caller: Reader) -> NamesSeen:
        """Traits by their dotted names. Publishing a journey warns of names that are not among them."""
        return await names.all()

    @router.get("/counts", summary="How many profiles and events there are")
    async def counts(caller: Reader) -> Counts:
        return await queries.counts()

    return router


def _refuse_odd_events(asked: EmittedEvents) -> None:
    """The rules that a client's events are held to."""
    flaws: list[Flaw] = []
    for number, one in enumerate(asked.events):
        path = f"$.events[{number}]"
        if one.timestamp.tzinfo is None or not EARLIEST <= one.timestamp < LATEST:
            remedy = "end it with Z or an offset, and keep to the years 1970 to 2099"
            flaws.append(Flaw(path=f"{path}.timestamp", message="is no instant that an event can have", remedy=remedy))
        if too_deep(one.properties):
            message = f"is nested more than {DEEPEST} levels deep"
            flaws.append(Flaw(path=f"{path}.properties", message=message, remedy="flatten it"))
        elif len(orjson.dumps(one.properties)) > LARGEST_EVENT:
            flaws.append(Flaw(path=f"{path}.properties", message="is larger than 32 KB", remedy="send large values by reference"))
        else:
            flaws += flaws_of_nul(one.properties, f"{path}.properties") + flaws_of_nul(one.event, f"{path}.event")
    if flaws:
        raise BadInput(flaws, "the events")


def _refuse_odd_paths(asked: ProfileUpdates) -> None:
    flaws = [
        Flaw(path=f"$.updates[{number}].set", message=f"{path!r} is no trait's path", remedy="write names joined by dots")
        for number, one in enumerate(asked.updates)
        for path in one.set
        if not all(path.split("."))
    ]
    flaws += [
        Flaw(path=f"$.updates[{number}].timestamp", message="has no time zone", remedy="end it with Z or an offset")
        for number, one in enumerate(asked.updates)
        if one.timestamp.tzinfo is None
    ]
    if flaws:
        raise BadInput(flaws, "the updates")
