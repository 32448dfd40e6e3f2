"""What the journeys service asks of the other services: single questions, gathered into batch calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import JsonValue

from contracts.channels import (
    CancelMessages,
    Channel,
    KnownTemplate,
    KnownTemplates,
    Receipt,
    ReceiptFilter,
    ReceiptSearch,
    ReceiptsFound,
    SendRequest,
    SendRequests,
    SendResult,
    SendResults,
)
from contracts.profiles import (
    Accepted,
    EmittedEvent,
    EmittedEvents,
    EventFilter,
    EventSearch,
    EventsFound,
    FoundEvent,
    NamesSeen,
    Profile,
    ProfileLookup,
    ProfilesFound,
    ProfileUpdate,
    ProfileUpdates,
)
from contracts.segments import (
    Computed,
    ComputedLookup,
    Evaluate,
    Evaluated,
    EvaluatedItem,
    EvaluateItem,
    KnownComputedTraits,
    KnownSegments,
    MemberQuery,
    MembersFound,
    MembershipFilter,
    MembershipSearch,
    MembershipsFound,
    MembershipsOfPerson,
    MemberZones,
)
from infra.errors import CallFailed
from infra.http import Coalescer, ServiceClient
from journeys.catalog import TemplateFacts

_BATCH = 200
_VARIABLES_FRESH_SECONDS = 5.0


class World:
    """The neighbours of the journeys service. Every method may raise `Unavailable` or `Rejected`."""

    def __init__(self, *, profiles: ServiceClient, segments: ServiceClient, channels: ServiceClient) -> None:
        self._profiles = profiles
        self._segments = segments
        self._channels = channels
        self._variables: dict[str, frozenset[str]] = {}
        self._variables_until = 0.0
        self.profile: Coalescer[UUID, Profile | None] = Coalescer(self._lookup, most=_BATCH)
        self._computed: Coalescer[tuple[UUID, str | None], Computed] = Coalescer(self._look_up_computed, most=_BATCH)
        self.memberships: Coalescer[MembershipFilter, MembershipsOfPerson] = Coalescer(self._search_memberships, most=_BATCH)
        self.update: Coalescer[ProfileUpdate, None] = Coalescer(self._update, most=_BATCH)
        self.emit: Coalescer[EmittedEvent, None] = Coalescer(self._emit, most=_BATCH)
        self.events: Coalescer[EventFilter, tuple[FoundEvent, ...]] = Coalescer(self._search, most=_BATCH)
        self.evaluate: Coalescer[EvaluateItem, EvaluatedItem] = Coalescer(self._evaluate, most=_BATCH)
        self.send: Coalescer[SendRequest, SendResult] = Coalescer(self._send, most=100)
        self.receipts: Coalescer[ReceiptFilter, tuple[Receipt, ...]] = Coalescer(self._receipts, most=_BATCH)

    async def computed(self, profile_id: UUID, position: str | None) -> dict[str, JsonValue]:
        """The computed traits of one person, as of a cursor of the profiles feed."""
        return (await self.computed_and_events(profile_id, position))[0]

    async def computed_and_events(self, profile_id: UUID, position: str | None) -> tuple[dict[str, JsonValue], dict[str, str]]:
        """The computed traits of one person, and the event that each computed trait there is rests on."""
        found = await self._computed((profile_id, position))
        return found.traits.get(profile_id, {}), found.events

    async def _look_up_computed(self, asked: Sequence[tuple[UUID, str | None]]) -> list[Computed]:
        found: dict[str | None, Computed] = {}
        for position in dict.fromkeys(position for _, position in asked):
            ids = tuple(dict.fromkeys(profile_id for profile_id, at in asked if at == position))
            found[position] = await self._segments.post(
                "/v1/computed", ComputedLookup(profile_ids=ids, position=position), Computed
            )
        return [found[position] for _, position in asked]

    async def cancel(self, enrolments: Sequence[UUID]) -> None:
        """Takes back what these enrolments have not yet sent."""
        for start in range(0, len(enrolments), 500):
            await self._channels.request(
                "POST", "/v1/messages/cancel", CancelMessages(enrolments=tuple(enrolments[start : start + 500]))
            )

    async def members(self, segment: str, query: MemberQuery) -> MembersFound:
        """A page of a segment's members."""
        return await self._segments.post(f"/v1/segments/{segment}/members", query, MembersFound)

    async def zones(self, segment: str) -> MemberZones:
        """Where a segment's members say they live."""
        return await self._segments.get(f"/v1/segments/{segment}/zones", MemberZones)

    async def names(self) -> tuple[dict[str, TemplateFacts], frozenset[str], frozenset[str]]:
        """What is known of the templates there are, the known segments, and the known computed traits."""
        templates = (await self._channels.get("/v1/templates", KnownTemplates)).templates
        segments = (await self._segments.get("/v1/segments", KnownSegments)).segments
        computed = (await self._segments.get("/v1/computed-traits", KnownComputedTraits)).computed_traits
        return (
            {each.key: _facts(each) for each in templates},
            frozenset(each.key for each in segments),
            frozenset(each.key for each in computed),
        )

    async def seen(self) -> NamesSeen:
        """What people have sent so far is called; null where profiles cannot say: that holds up no publishing."""
        try:
            return await self._profiles.get("/v1/names", NamesSeen)
        except CallFailed:
            return NamesSeen(events=None, traits=None)

    async def variables(self, template: str) -> frozenset[str]:
        """The dotted names that a template uses, as of a few seconds ago; none of an unknown one."""
        now = asyncio.get_running_loop().time()
        if now >= self._variables_until:
            found = (await self._channels.get("/v1/templates", KnownTemplates)).templates
            self._variables = {each.key: frozenset(n for names in each.variables.values() for n in names) for each in found}
            self._variables_until = now + _VARIABLES_FRESH_SECONDS
        return self._variables.get(template, frozenset())

    async def _lookup(self, ids: Sequence[UUID]) -> list[Profile | None]:
        found = await self._profiles.post("/v1/profiles/lookup", ProfileLookup(ids=tuple(dict.fromkeys(ids))), ProfilesFound)
        return [found.profiles.get(each) for each in ids]

    async def _update(self, updates: Sequence[ProfileUpdate]) -> list[None]:
        await self._profiles.post("/v1/profiles/update", ProfileUpdates(updates=tuple(updates)), Accepted)
        return [None] * len(updates)

    async def _emit(self, events: Sequence[EmittedEvent]) -> list[None]:
        await self._profiles.post("/v1/events/emit", EmittedEvents(events=tuple(events)), Accepted)
        return [None] * len(events)

    async def _search(self, filters: Sequence[EventFilter]) -> tuple[tuple[FoundEvent, ...], ...]:
        return (await self._profiles.post("/v1/events/search", EventSearch(filters=tuple(filters)), EventsFound)).events

    async def _search_memberships(self, filters: Sequence[MembershipFilter]) -> tuple[MembershipsOfPerson, ...]:
        search = MembershipSearch(filters=tuple(filters))
        return (await self._segments.post("/v1/memberships/search", search, MembershipsFound)).memberships

    async def _evaluate(self, items: Sequence[EvaluateItem]) -> tuple[EvaluatedItem, ...]:
        return (await self._segments.post("/v1/evaluate", Evaluate(items=tuple(items)), Evaluated)).results

    async def _send(self, requests: Sequence[SendRequest]) -> tuple[SendResult, ...]:
        return (await self._channels.post("/v1/messages", SendRequests(messages=tuple(requests)), SendResults)).results

    async def _receipts(self, filters: Sequence[ReceiptFilter]) -> tuple[tuple[Receipt, ...], ...]:
        return (await self._channels.post("/v1/receipts/search", ReceiptSearch(filters=tuple(filters)), ReceiptsFound)).receipts


def _facts(known: KnownTemplate) -> TemplateFacts:
    channels = frozenset(channel.value for channel in known.channels)
    return TemplateFacts(_by_channel(known.variables), _by_channel(known.required), channels or None, known.purpose)


def _by_channel(names: Mapping[Channel, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    return {channel.value: frozenset(each) for channel, each in names.items()}
