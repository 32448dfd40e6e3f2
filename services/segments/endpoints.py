"""The HTTP endpoints of the segments service, each with its scope in its signature."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from conditions.computed import ComputedDraft
from contracts.segments import (
    Computed,
    ComputedLookup,
    Evaluate,
    Evaluated,
    MemberQuery,
    MembersFound,
    MembershipSearch,
    MembershipsFound,
    MemberZones,
    SegmentDraft,
)
from infra.auth import Caller, Scope, requires
from services.segments.catalogue import Catalogue
from services.segments.census import Census
from services.segments.computed_traits import ComputedTraits
from services.segments.evaluator import Evaluator
from services.segments.schemas import (
    ComputedList,
    ComputedView,
    Count,
    Members,
    ProfileMemberships,
    QueryAnswer,
    SegmentKey,
    SegmentList,
    SegmentVersions,
    SegmentView,
    TraitKey,
)
from services.segments.schemas import Query as Question

Reader = Annotated[Caller, requires(Scope.SEGMENTS_READ)]
Writer = Annotated[Caller, requires(Scope.SEGMENTS_WRITE)]


def segment_routes(catalogue: Catalogue, census: Census) -> APIRouter:
    """Definitions and memberships."""
    router = APIRouter(tags=["segments"])

    @router.get("/v1/segments", summary="All segments")
    async def list_segments(caller: Reader) -> SegmentList:
        return await catalogue.all()

    @router.put("/v1/segments/{key}", summary="Define a segment; its members enter at once")
    async def put_segment(caller: Writer, key: SegmentKey, draft: SegmentDraft) -> SegmentView:
        """A change makes a new version. `computed` is false when asking the whole population takes longer than the answer."""
        return await catalogue.put(key, draft, caller.name)

    @router.get("/v1/segments/{key}", summary="One segment's newest version")
    async def get_segment(caller: Reader, key: SegmentKey) -> SegmentView:
        return await catalogue.get(key)

    @router.delete("/v1/segments/{key}", status_code=204, summary="Delete a segment; its members leave")
    async def delete_segment(caller: Writer, key: SegmentKey) -> None:
        """Refused while another segment uses it; journeys that use it are not looked at."""
        await catalogue.delete(key, caller.name)

    @router.get("/v1/segments/{key}/versions", summary="Every version, oldest first")
    async def list_versions(caller: Reader, key: SegmentKey) -> SegmentVersions:
        return await catalogue.versions(key)

    @router.get("/v1/segments/{key}/members", summary="Who is a member")
    async def list_members(
        caller: Reader, key: SegmentKey, after: UUID | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> Members:
        """In the order of profile ids; `after` is `next` of the page before."""
        return await census.members(key, after, limit)

    @router.post("/v1/segments/{key}/members", summary="Who is a member, with their traits")
    async def find_members(caller: Reader, key: SegmentKey, wanted: MemberQuery) -> MembersFound:
        """A page in the order of profile ids, perhaps of some time zones only."""
        return await census.found(key, wanted)

    @router.get("/v1/segments/{key}/zones", summary="Where members live")
    async def list_zones(caller: Reader, key: SegmentKey) -> MemberZones:
        """How many members have which trait `timezone`, as it was written: it need not exist."""
        return await census.zones(key)

    @router.get("/v1/segments/{key}/count", summary="How many are members, or would be at an instant")
    async def count_members(caller: Reader, key: SegmentKey, at: AwareDatetime | None = None) -> Count:
        """With `at`: those for whom today's condition holds as of then, with the traits of now."""
        return await census.count(key, at)

    @router.get("/v1/profiles/{profile_id}/memberships", summary="A person's memberships with their history")
    async def list_memberships(caller: Reader, profile_id: UUID) -> ProfileMemberships:
        return await census.memberships(profile_id)

    @router.post("/v1/memberships/search", summary="Who entered and left since when")
    async def search_memberships(caller: Reader, search: MembershipSearch) -> MembershipsFound:
        """One answer per filter, in order: changes since its instant, oldest first, and what the person is a member of now."""
        return await census.changes(search)

    return router


def condition_routes(evaluator: Evaluator, census: Census) -> APIRouter:
    """Conditions asked ad hoc."""
    router = APIRouter(tags=["conditions"])

    @router.post("/v1/evaluate", summary="Ask conditions of single people")
    async def evaluate(caller: Reader, batch: Evaluate) -> Evaluated:
        """One answer per item, in order. 503 while what is known here lies behind a `position` that was asked for."""
        return await evaluator.evaluate(batch)

    @router.post("/v1/query", summary="Ask a condition of the whole population")
    async def query(caller: Reader, question: Question) -> QueryAnswer:
        """Counts all who match and lists up to `limit`; the last id goes into `after` for more.

        Traits are those of now, also with `at`.
        """
        return await census.query(question)

    return router


def computed_routes(traits: ComputedTraits) -> APIRouter:
    """Computed traits."""
    router = APIRouter(tags=["computed traits"])

    @router.get("/v1/computed-traits", summary="All computed traits")
    async def list_traits(caller: Reader) -> ComputedList:
        return await traits.all()

    @router.put("/v1/computed-traits/{key}", summary="Define a computed trait")
    async def put_trait(caller: Writer, key: TraitKey, draft: ComputedDraft) -> ComputedView:
        return await traits.put(key, draft, caller.name)

    @router.get("/v1/computed-traits/{key}", summary="One computed trait")
    async def get_trait(caller: Reader, key: TraitKey) -> ComputedView:
        return await traits.get(key)

    @router.delete("/v1/computed-traits/{key}", status_code=204, summary="Delete a computed trait")
    async def delete_trait(caller: Writer, key: TraitKey) -> None:
        await traits.delete(key)

    @router.post("/v1/computed", summary="The computed traits of people")
    async def computed(caller: Reader, lookup: ComputedLookup) -> Computed:
        """Worked out from the events when asked, so that a new definition holds at once."""
        return await traits.values(lookup)

    return router
