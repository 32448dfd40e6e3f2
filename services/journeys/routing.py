"""Following the feeds: who enters, whose wait is over, who leaves. Effects and cursor share one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import matches_filter
from contracts.channels import MESSAGE_RECEIPT, Receipt
from contracts.feed import FeedItem
from contracts.profiles import EVENT_TRACKED, PROFILE_CHANGED, PROFILES_MERGED, ProfileChanged, ProfilesMerged, TrackedEvent
from contracts.segments import (
    COMPUTED_TRAIT_CHANGED,
    SEGMENT_ENTERED,
    SEGMENT_LEFT,
    ComputedTraitChanged,
    MembershipChanged,
)
from infra.clock import Clock
from journeys import Journey
from journeys.model import EntryByEvent, EntryBySegment
from services.journeys.enrolments import newest_visits
from services.journeys.entry.entering import Entrant, enter
from services.journeys.lifecycle.versions import Versions
from services.journeys.merging import merge, survivors
from services.journeys.outgoing import Outgoing
from services.journeys.steps.facts import bare_fact, event_fact, receipt_fact
from services.journeys.waits.listeners import Source
from services.journeys.waits.matching import Fact, Matcher, Met, record
from services.journeys.waits.precedence import undoubted
from services.journeys.waits.readiness import left_to_look_back
from services.journeys.waits.watches import ANYTHING, TRAITS, stir, stir_all

Write = Callable[[AsyncSession], Awaitable[None]]
Deliver = Callable[[Sequence[Outgoing]], None]


class _Route:
    """What the three feeds' effects share: after the commit, what was written goes to the deliverer."""

    def __init__(self, deliver: Deliver, clock: Clock, wake: Callable[[], None] = lambda: None) -> None:
        self._deliver = deliver
        self._clock = clock
        self._wake = wake
        self._written: list[Outgoing] = []
        self._stirred = False

    def committed(self) -> None:
        written, self._written = self._written, []
        if written:
            self._deliver(written)
        if self._stirred:
            self._wake()

    async def _stir(
        self, session: AsyncSession, versions: Versions, happened: Sequence[tuple[UUID, str]], met: Sequence[Met]
    ) -> list[Met]:
        """Has what mentions this looked at again; answers what was met for certain."""
        stirred = await stir(session, happened, self._clock.now())
        if stirred is None:
            return await left_to_look_back(session, met)
        self._stirred = True
        return await left_to_look_back(session, await undoubted(session, versions, met, stirred))


class ProfileRoute(_Route):
    """Events, changed traits and merges from the profiles feed."""

    def __init__(self, versions: Versions, deliver: Deliver, clock: Clock, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(deliver, clock, wake)
        self._versions = versions

    async def prepare(self, items: Sequence[FeedItem]) -> Write:
        async def write(session: AsyncSession) -> None:
            self._written, self._stirred = [], False
            survivors = await self._merge(session, items)
            facts = [fact for item in items if (fact := _profile_fact(item, survivors)) is not None]
            matcher = await Matcher.of(session, facts)
            entries = await _entries_by_event(session, self._versions)
            pending: list[Entrant] = []
            entering: set[UUID] = set()
            for fact in facts:
                if fact.profile_id in entering:
                    await self._enter(session, pending, matcher)
                    entering.clear()
                matcher.offer(fact)
                if fact.source == "event" and fact.name in entries:
                    pending += _entrants(entries[fact.name], fact)
                    entering.add(fact.profile_id)
            await self._enter(session, pending, matcher)
            happened = [
                *((fact.profile_id, TRAITS if fact.source == "profile" else f"event:{fact.name}") for fact in facts),
                *((_survivor(profile_id, survivors), ANYTHING) for profile_id in survivors),
            ]
            met = await self._stir(session, self._versions, happened, matcher.met)
            self._written += await record(session, met)

        return write

    async def _enter(self, session: AsyncSession, pending: list[Entrant], matcher: Matcher) -> None:
        """Enrols all pending at once: before the next fact about one of them, so that it can meet their criteria."""
        if pending:
            entered = await enter(session, pending, self._clock.now())
            pending.clear()
            matcher.add(entered.listeners)
            self._written += entered.outgoing
            self._stirred |= entered.watched or bool(entered.asked)

    async def _merge(self, session: AsyncSession, items: Sequence[FeedItem]) -> dict[UUID, UUID]:
        survivors: dict[UUID, UUID] = {}
        for item in items:
            if item.type == PROFILES_MERGED:
                merged = ProfilesMerged.model_validate(item.data).merged
                survivors[merged] = UUID(item.subject)
                self._written += await merge(session, merged, UUID(item.subject), item.id)
        return survivors


class SegmentRoute(_Route):
    """Memberships from the segments feed."""

    def __init__(self, versions: Versions, deliver: Deliver, clock: Clock, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(deliver, clock, wake)
        self._versions = versions

    async def prepare(self, items: Sequence[FeedItem]) -> Write:
        async def write(session: AsyncSession) -> None:
            self._written, self._stirred = [], False
            changes = [
                (item, MembershipChanged.model_validate(item.data))
                for item in items
                if item.type in (SEGMENT_ENTERED, SEGMENT_LEFT)
            ]
            now = await survivors(session, [UUID(item.subject) for item, _ in changes])
            facts = [_membership_fact(item, change, now) for item, change in changes]
            matcher = await Matcher.of(session, facts)
            entries = await _entries_by_segment(session, self._versions)
            for fact, (item, change) in zip(facts, changes, strict=True):
                matcher.offer(fact)
                if item.type == SEGMENT_ENTERED and change.segment in entries:
                    entrants = [
                        Entrant(
                            journey,
                            version,
                            fact.profile_id,
                            fact.body,
                            change.at,
                            change.traits,
                            look_back=True,
                            traits_known=True,
                        )
                        for journey, version in entries[change.segment]
                    ]
                    entered = await enter(session, entrants, self._clock.now())
                    matcher.add(entered.listeners)
                    self._written += entered.outgoing
                    self._stirred |= entered.watched or bool(entered.asked)
            happened = [(fact.profile_id, f"segment:{fact.name}") for fact in facts]
            met = await self._stir(session, self._versions, happened, matcher.met)
            self._written += await record(session, met)
            for item in items:
                if item.type == COMPUTED_TRAIT_CHANGED:
                    key = ComputedTraitChanged.model_validate(item.data).key
                    await stir_all(session, f"computed:{key}", self._clock.now())
                    self._stirred = True

        return write


class ReceiptRoute(_Route):
    """What became of messages, from the channels feed."""

    async def prepare(self, items: Sequence[FeedItem]) -> Write:
        async def write(session: AsyncSession) -> None:
            self._written = []
            now = await survivors(session, [UUID(item.subject) for item in items])
            receipts = [(item, Receipt.model_validate(item.data)) for item in items if item.type == MESSAGE_RECEIPT]
            steps = [(receipt.enrolment, receipt.step) for _, receipt in receipts if receipt.enrolment is not None]
            newest = await newest_visits(session, steps)
            # In a loop, what becomes of an earlier round's message is no answer to this one's.
            facts = [
                _receipt_fact(item, receipt, now)
                for item, receipt in receipts
                if receipt.step
                and (receipt.enrolment is None or receipt.visit >= newest.get((receipt.enrolment, receipt.step), 1))
            ]
            matcher = await Matcher.of(session, facts)
            for fact in facts:
                matcher.offer(fact)
            self._written += await record(session, await left_to_look_back(session, matcher.met))

        return write


def _profile_fact(item: FeedItem, survivors: dict[UUID, UUID]) -> Fact | None:
    profile_id = _survivor(UUID(item.subject), survivors)
    match item.type:
        case t if t == EVENT_TRACKED:
            event = TrackedEvent.model_validate(item.data)
            return Fact(event.id, profile_id, "event", event.name, event_fact(event), event.timestamp, item.cursor)
        case t if t == PROFILE_CHANGED:
            change = ProfileChanged.model_validate(item.data)
            body = bare_fact(item.id, "profile.changed", item.time, change.traits)
            return Fact(item.id, profile_id, "profile", "", body, item.time, item.cursor)
        case _:
            return None


def _survivor(profile_id: UUID, survivors: Mapping[UUID, UUID]) -> UUID:
    while profile_id in survivors:
        profile_id = survivors[profile_id]
    return profile_id


def _membership_fact(item: FeedItem, change: MembershipChanged, survivors_now: Mapping[UUID, UUID]) -> Fact:
    source: Source = "segment_entered" if item.type == SEGMENT_ENTERED else "segment_left"
    body = bare_fact(item.id, item.type, change.at, {"segment": change.segment})
    return Fact(item.id, _now(item, survivors_now), source, change.segment, body, change.at)


def _receipt_fact(item: FeedItem, receipt: Receipt, survivors_now: Mapping[UUID, UUID]) -> Fact:
    fact = Fact(receipt.id, _now(item, survivors_now), "receipt", receipt.step, receipt_fact(receipt), receipt.at)
    if receipt.enrolment is not None:
        fact.body["properties"]["enrolment"] = str(receipt.enrolment)
    return fact


def _now(item: FeedItem, survivors_now: Mapping[UUID, UUID]) -> UUID:
    """The profile an item is about, as it is now."""
    profile_id = UUID(item.subject)
    return survivors_now.get(profile_id, profile_id)


def _entrants(journeys: Sequence[tuple[Journey, str]], fact: Fact) -> list[Entrant]:
    return [
        Entrant(journey, version, fact.profile_id, fact.body, fact.at, {}, fact.position)
        for journey, version in journeys
        if isinstance(journey.entry, EntryByEvent) and matches_filter(journey.entry.where, fact.body["properties"])
    ]


async def _published(session: AsyncSession, versions: Versions) -> list[tuple[Journey, str]]:
    return [(await versions.journey(version, session), version) for version in (await versions.current(session)).values()]


async def _entries_by_event(session: AsyncSession, versions: Versions) -> dict[str, list[tuple[Journey, str]]]:
    found: dict[str, list[tuple[Journey, str]]] = {}
    for journey, version in await _published(session, versions):
        if isinstance(journey.entry, EntryByEvent):
            found.setdefault(journey.entry.event, []).append((journey, version))
    return found


async def _entries_by_segment(session: AsyncSession, versions: Versions) -> dict[str, list[tuple[Journey, str]]]:
    found: dict[str, list[tuple[Journey, str]]] = {}
    for journey, version in await _published(session, versions):
        if isinstance(journey.entry, EntryBySegment):
            found.setdefault(journey.entry.segment_entered, []).append((journey, version))
    return found
