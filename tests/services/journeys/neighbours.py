"""The services around journeys, scripted: they speak the wire contracts over HTTP, in process."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI, HTTPException, Response

from conditions import EventFact, Person, evaluate, parse_condition
from contracts.channels import (
    CancelMessages,
    Receipt,
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
    TrackedEvent,
)
from contracts.segments import (
    Computed,
    ComputedLookup,
    Evaluate,
    Evaluated,
    EvaluatedItem,
    EvaluateItem,
    MemberFound,
    MemberQuery,
    MembersFound,
    MembershipChange,
    MembershipFilter,
    MembershipSearch,
    MembershipsFound,
    MembershipsOfPerson,
    MemberZones,
)
from infra.clock import Clock
from infra.http import ServiceClient
from services.journeys.world import World


@dataclass
class Neighbours:
    """What the scripted services know and were asked."""

    traits: dict[UUID, dict[str, object]] = field(default_factory=dict)
    events: dict[UUID, list[TrackedEvent]] = field(default_factory=lambda: defaultdict(list))
    receipts: dict[UUID, list[Receipt]] = field(default_factory=lambda: defaultdict(list))
    holds: bool = False
    clock: Clock | None = None
    """With it conditions are really asked, of what is known here; without it `holds` is the answer to all."""
    meanwhile: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    """What happens while an answer of segments, or the events that were searched for, are on their way."""
    changes: dict[UUID, list[MembershipChange]] = field(default_factory=lambda: defaultdict(list))
    computed: dict[str, object] = field(default_factory=dict)
    rests_on: dict[str, str] = field(default_factory=dict)
    result: SendResult = field(default_factory=lambda: SendResult(status="accepted", message_id=uuid4(), channel=None))
    down: set[str] = field(default_factory=set)
    sent: list[SendRequest] = field(default_factory=list)
    updates: list[ProfileUpdate] = field(default_factory=list)
    emitted: list[EmittedEvent] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    templates: list[dict[str, object]] = field(default_factory=list)
    segments: list[dict[str, object]] = field(default_factory=list)
    names: NamesSeen = field(default_factory=lambda: NamesSeen(events=(), traits=()))
    messages: list[dict[str, object]] = field(default_factory=list)
    memberships: dict[UUID, list[dict[str, object]]] = field(default_factory=dict)
    users: dict[str, UUID] = field(default_factory=dict)
    members: dict[str, list[UUID]] = field(default_factory=dict)
    asked: list[EvaluateItem] = field(default_factory=list)

    def client(self, service: str) -> ServiceClient:
        return ServiceClient(service, "http://neighbours", transport=httpx.ASGITransport(app=self.app()))

    def world(self) -> World:
        return World(profiles=self.client("profiles"), segments=self.client("segments"), channels=self.client("channels"))

    def track(self, profile_id: UUID, event: TrackedEvent) -> None:
        self.events[profile_id].append(event)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.post("/v1/events/emit")(self._emit)
        app.get("/v1/names")(self._names)
        app.get("/v1/computed-traits")(self._computed_traits)
        app.post("/v1/memberships/search")(self._search)
        app.post("/v1/computed")(self._compute)
        app.post("/v1/evaluate")(self._ask)
        app.post("/v1/events/search")(self._find_events)

        def up(service: str) -> None:
            if service in self.down:
                raise HTTPException(503, "down")

        @app.post("/v1/profiles/lookup")
        async def lookup(body: ProfileLookup) -> ProfilesFound:
            up("profiles")
            return ProfilesFound(profiles={each: self._profile(each) for each in body.ids if each in self.traits})

        @app.post("/v1/profiles/update")
        async def update(body: ProfileUpdates) -> Accepted:
            up("profiles")
            self.updates += body.updates
            return Accepted(accepted=len(body.updates))

        @app.post("/v1/messages")
        async def send(body: SendRequests) -> SendResults:
            up("channels")
            self.sent += body.messages
            return SendResults(results=tuple(self.result for _ in body.messages))

        @app.post("/v1/messages/cancel", status_code=204)
        async def cancel(body: CancelMessages) -> Response:
            self.cancelled += body.enrolments
            return Response(status_code=204)

        @app.post("/v1/receipts/search")
        async def receipts(body: ReceiptSearch) -> ReceiptsFound:
            up("channels")
            found = [tuple(each for each in self.receipts[one.enrolment] if each.step == one.step) for one in body.filters]
            return ReceiptsFound(receipts=tuple(found))

        @app.get("/v1/messages")
        async def messages(enrolment: UUID) -> dict[str, object]:
            up("channels")
            return {"messages": [each for each in self.messages if each["enrolment"] == str(enrolment)], "next": None}

        @app.get("/v1/profiles")
        async def named(user_id: str) -> Profile:
            up("profiles")
            if user_id not in self.users:
                raise HTTPException(404, "nobody")
            return self._profile(self.users[user_id])

        @app.get("/v1/segments/{key}")
        async def segment(key: str) -> dict[str, object]:
            up("segments")
            found = next((each for each in self.segments if each["key"] == key), None)
            if found is None:
                raise HTTPException(404, "no such segment")
            return {"condition": {"trait": "kind", "eq": "puppy"}, **found}

        @app.post("/v1/segments/{key}/members")
        async def members(key: str, body: MemberQuery) -> MembersFound:
            up("segments")
            found = [each for each in sorted(self._members(key)) if body.after is None or each > body.after]
            if body.zones is not None:
                found = [each for each in found if (self.traits[each].get("timezone") in body.zones) is not body.others]
            page = [MemberFound.model_validate({"profile_id": each, "traits": self.traits[each]}) for each in found[: body.limit]]
            return MembersFound(members=tuple(page), next=page[-1].profile_id if len(found) > body.limit else None)

        @app.get("/v1/segments/{key}/zones")
        async def zones(key: str) -> MemberZones:
            up("segments")
            found = [self.traits[each].get("timezone") for each in self._members(key)]
            counts = Counter(str(each) for each in found if each is not None)
            return MemberZones(zones=dict(counts), without=found.count(None))

        @app.get("/v1/profiles/{profile_id}/memberships")
        async def memberships(profile_id: UUID) -> dict[str, object]:
            up("segments")
            return {"profile_id": str(profile_id), "memberships": self.memberships.get(profile_id, [])}

        @app.get("/v1/templates")
        async def templates() -> dict[str, object]:
            return {"templates": self.templates}

        @app.get("/v1/segments")
        async def segments() -> dict[str, object]:
            return {"segments": self.segments}

        return app

    async def _find_events(self, body: EventSearch) -> EventsFound:
        if "profiles" in self.down:
            raise HTTPException(503, "down")
        found = [tuple(self._events(one)[: one.most]) for one in body.filters]
        while self.meanwhile:
            await self.meanwhile.pop()()
        return EventsFound(events=tuple(found))

    def _events(self, asked: EventFilter) -> list[FoundEvent]:
        """In order of time, then of coming: each came in a transaction of its own."""
        known = self.events[asked.profile_id]
        came = {event.id: number for number, event in enumerate(known, 1)}
        order = {event.id: (event.timestamp, number) for number, event in enumerate(known, 1)}
        after, seen = order.get(asked.after or ""), int((asked.seen or "x.0.0").split(".")[1])
        return [
            FoundEvent(**each.model_dump(), cursor=f"x.{came[each.id]}.1", seen=f"x.{len(known) + 1}.0")
            for each in sorted(known, key=lambda event: order[event.id])
            if each.name in asked.names
            and each.timestamp >= asked.since
            and (asked.seen is None or after is None or order[each.id] > after or came[each.id] >= seen)
        ]

    async def _computed_traits(self) -> dict[str, object]:
        return {"computed_traits": [{"key": key} for key in self.computed]}

    async def _names(self) -> NamesSeen:
        if "profiles" in self.down:
            raise HTTPException(503, "down")
        return self.names

    def _members(self, key: str) -> list[UUID]:
        if key not in self.members:
            raise HTTPException(404, f"no segment {key!r}")
        return self.members[key]

    async def _search(self, body: MembershipSearch) -> MembershipsFound:
        if "segments" in self.down:
            raise HTTPException(503, "down")
        return MembershipsFound(memberships=tuple(self._changes(one) for one in body.filters))

    async def _ask(self, body: Evaluate) -> Evaluated:
        if "segments" in self.down:
            raise HTTPException(503, "down")
        self.asked += body.items
        answers = Evaluated(results=tuple(self.answer(item) for item in body.items))
        while self.meanwhile:
            await self.meanwhile.pop()()
        return answers

    async def _compute(self, body: ComputedLookup) -> Computed:
        if "segments" in self.down:
            raise HTTPException(503, "down")
        traits = dict.fromkeys(map(str, body.profile_ids), self.computed)
        return Computed.model_validate({"traits": traits, "events": self.rests_on})

    def member_of(self, profile_id: UUID) -> dict[str, datetime]:
        """The segments that somebody is in by the changes so far, and since when."""
        now: dict[str, datetime] = {}
        for change in self.changes[profile_id]:
            now.pop(change.segment, None)
            if change.member:
                now[change.segment] = change.at
        return now

    def _changes(self, asked: MembershipFilter) -> MembershipsOfPerson:
        found = [one for one in self.changes[asked.profile_id] if one.segment in asked.segments and one.at >= asked.since]
        now = self.member_of(asked.profile_id)
        return MembershipsOfPerson(changes=tuple(found), member_of={key: now[key] for key in asked.segments if key in now})

    def answer(self, item: EvaluateItem) -> EvaluatedItem:
        if self.clock is None:
            return EvaluatedItem(matches=self.holds, seen={"asked": True})
        events = [EventFact(one.id, one.name, one.timestamp, one.properties) for one in self.events[item.profile_id]]
        traits: Any = self.traits.get(item.profile_id, {})
        person = Person(traits, events, frozenset(self.member_of(item.profile_id)))
        found = evaluate(parse_condition(item.condition), person, self.clock.now())
        return EvaluatedItem(matches=found.matches, seen=found.seen, next_change=found.next_change)

    async def _emit(self, body: EmittedEvents) -> Accepted:
        if "profiles" in self.down:
            raise HTTPException(503, "down")
        fresh = [each for each in body.events if each.message_id not in {known.message_id for known in self.emitted}]
        self.emitted += fresh
        for each in fresh:
            event = TrackedEvent(
                id=each.message_id, name=each.event, properties=each.properties, timestamp=each.timestamp, depth=each.depth
            )
            self.track(each.profile_id, event)
        return Accepted(accepted=len(fresh))

    def _profile(self, profile_id: UUID) -> Profile:
        return Profile.model_validate(
            {
                "id": profile_id,
                "traits": self.traits[profile_id],
                "identities": {},
                "consents": (),
                "version": 1,
                "created_at": datetime.fromisoformat("2026-01-01T00:00:00Z"),
            }
        )
