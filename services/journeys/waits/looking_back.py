"""Register, then look back: what happened before a listener was in place is found in the services that keep it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import text

from contracts.channels import ReceiptFilter
from contracts.profiles import EventFilter
from contracts.segments import SEGMENT_ENTERED, SEGMENT_LEFT, MembershipFilter
from infra.clock import Clock
from infra.db import Database
from services.journeys.outgoing import Outgoing
from services.journeys.steps.facts import bare_fact, event_fact, receipt_fact
from services.journeys.waits.listeners import Listener, Source, reached
from services.journeys.waits.matching import Fact, Matcher, record
from services.journeys.waits.rounds import Round
from services.journeys.world import World

# The first page is small: what ends a wait is mostly among the next few events, and somebody may have thousands.
FIRST_PAGE = 20
PAGE = 500
# What a start carries where only memberships may have been met before they were listened for.
SEGMENTS_ONLY = "segments"
TRAITS_ONLY = "traits"
# Where the entry came in the feed's own order: what happened since the feed tells, but not what was so already.
STANDING_ONLY = "standing"
_SCOPES: dict[object, frozenset[Source]] = {
    SEGMENTS_ONLY: frozenset({"segment_entered", "segment_left"}),
    TRAITS_ONLY: frozenset({"profile"}),
    STANDING_ONLY: frozenset({"profile", "segment_entered", "segment_left"}),
}
Taken = Callable[[Listener, Sequence[str]], Awaitable[Collection[str]]]


class WaitLookBack:
    """Finds what a wait's paths have missed: events in profiles, message outcomes in channels, memberships in segments."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(
        self, listeners: Sequence[Listener], taken: Taken, visits: Mapping[str, int], before: Round | None = None
    ) -> tuple[Listener, Fact] | None:
        """The earliest fact that meets one of these listeners of one wait; the first path wins a tie.

        `taken` says which of these events it may not take again, `visits` which message of each step it waits for, `before`
        how its visit before ended. Events are looked through a page at a time: somebody may have had thousands.
        """
        pool = _meeting(listeners, [*await self._receipts(listeners, visits), *await memberships(self._world, listeners)])
        since, most, seen = listeners[0].since, FIRST_PAGE, None
        while True:
            page = await self._events(listeners, since, most, before)
            seen = seen or (page[0].seen if page else None)  # what came since the first page may lie before the next
            pool += _meeting(listeners, page)
            whole = len(page) < most
            pool.sort(key=lambda met: met[1].at)  # what happened at the same time stays as it came
            known = [met for met in pool if whole or met[1].at <= page[-1].at]
            if known:
                gone = await taken(listeners[0], [fact.id for _, fact in known])
                if left := next((met for met in known if met[1].id not in gone), None):
                    return left[0], replace(left[1], seen=seen if left[1].source == "event" else None)
            if whole:
                return None
            pool = pool[len(known) :]
            since, most = page[-1].at, min(most * 4, PAGE) if page[-1].at > since else most * 4

    async def _events(self, listeners: Sequence[Listener], since: datetime, most: int, before: Round | None) -> list[Fact]:
        names = tuple(dict.fromkeys(each.name for each in listeners if each.source == "event"))
        if not names:
            return []
        first = listeners[0]
        asked = EventFilter(profile_id=first.profile_id, names=names, since=since, most=most)
        if before is not None:
            asked = asked.model_copy(update={"after": before.event_id, "seen": before.seen})
        found = await self._world.events(asked)
        return [
            Fact(
                event.id,
                first.profile_id,
                "event",
                event.name,
                event_fact(event),
                event.timestamp,
                position=event.cursor,
                seen=event.seen,
            )
            for event in found
        ]

    async def _receipts(self, listeners: Sequence[Listener], visits: Mapping[str, int]) -> list[Fact]:
        first = listeners[0]
        facts: list[Fact] = []
        for step in dict.fromkeys(each.name for each in listeners if each.source == "receipt"):
            receipts = await self._world.receipts(ReceiptFilter(enrolment=first.enrolment_id, step=step))
            newest = max((visits.get(step, 1), *(receipt.visit for receipt in receipts)))
            facts += [
                Fact(receipt.id, first.profile_id, "receipt", receipt.step, receipt_fact(receipt), receipt.at)
                for receipt in receipts
                if receipt.visit == newest and reached(receipt.status)
            ]
        return facts


def _meeting(listeners: Sequence[Listener], facts: Sequence[Fact]) -> list[tuple[Listener, Fact]]:
    """Each fact with the first listener that it meets; an outcome with all of them, since it is taken as each for itself."""
    met: list[tuple[Listener, Fact]] = []
    for fact in facts:
        for listener in listeners:
            if (
                listener.source == fact.source
                and listener.name == fact.name
                and (fact.at >= listener.since or listener.source == "receipt")
                and listener.met_by(fact.body, fact.at)
            ):
                met.append((listener, fact.as_met(listener)))
                if fact.source != "receipt":
                    break
    return met


async def memberships(world: World, listeners: Sequence[Listener], *, also_members: datetime | None = None) -> list[Fact]:
    """What segments remember since the first listener's `since`, as their feed told it.

    With `also_members` (now), whoever is a member already enters then: an exit criterion is met by them too.
    """
    keys = tuple(dict.fromkeys(each.name for each in listeners if each.source in ("segment_entered", "segment_left")))
    if not keys:
        return []
    first = listeners[0]
    found = await world.memberships(MembershipFilter(profile_id=first.profile_id, segments=keys, since=first.since))
    facts: list[Fact] = []
    for change in found.changes:
        source: Source = "segment_entered" if change.member else "segment_left"
        kind = SEGMENT_ENTERED if change.member else SEGMENT_LEFT
        body = bare_fact(change.id, kind, change.at, {"segment": change.segment})
        facts.append(Fact(change.id, first.profile_id, source, change.segment, body, change.at))
    if also_members is not None:
        for key, since in found.member_of.items():
            identifier = f"{first.enrolment_id}:member:{key}"
            body = bare_fact(identifier, SEGMENT_ENTERED, since, {"segment": key})
            facts.append(Fact(identifier, first.profile_id, "segment_entered", key, body, also_members))
    return facts


class CriteriaLookBack:
    """For people whose entry another feed caused: were exit criteria or the goal met before they were registered?"""

    def __init__(self, *, database: Database, world: World, clock: Clock) -> None:
        self._database = database
        self._world = world
        self._clock = clock

    async def __call__(self, enrolment_id: UUID, scope: object = None) -> list[Outgoing]:
        """Records what is found; returns the signals to deliver. Looks at memberships or traits alone where `scope` says so.

        The event that somebody entered by meets no criterion: it was before.
        """
        async with self._database.read() as session:
            rows = await session.execute(
                text(
                    "SELECT l.enrolment_id, l.profile_id, l.kind, l.source, l.name, l.step, l.visit, l.path, l.condition, "
                    "l.since, l.until, e.entry->>'id' AS entered_by FROM listener l JOIN enrolment e ON e.id = l.enrolment_id "
                    "WHERE l.enrolment_id = :id AND l.kind <> 'wait' ORDER BY l.kind, l.id"
                ),
                {"id": enrolment_id},
            )
            found = rows.all()
        listeners = [Listener(*row[:11]) for row in found]
        if (sources := _SCOPES.get(scope)) is not None:
            listeners = [each for each in listeners if each.source in sources]
        if not listeners:
            return []
        facts = [fact for fact in await self._facts(listeners) if fact.id != found[0].entered_by]
        matcher = Matcher({})
        matcher.add(listeners)
        for fact in facts:
            matcher.offer(fact)
        if not matcher.met:
            return []
        async with self._database.begin() as session:
            return await record(session, matcher.met)

    async def _facts(self, listeners: Sequence[Listener]) -> list[Fact]:
        first = listeners[0]
        facts = await memberships(self._world, listeners, also_members=self._clock.now())
        names = tuple(dict.fromkeys(each.name for each in listeners if each.source == "event"))
        if names:
            found = await self._world.events(EventFilter(profile_id=first.profile_id, names=names, since=first.since))
            facts += [
                Fact(event.id, first.profile_id, "event", event.name, event_fact(event), event.timestamp) for event in found
            ]
        if any(each.source == "profile" for each in listeners):
            profile = await self._world.profile(first.profile_id)
            traits: dict[str, JsonValue] = profile.traits if profile else {}
            now = self._clock.now()
            identifier = f"{first.enrolment_id}:entry"
            facts.append(
                Fact(identifier, first.profile_id, "profile", "", bare_fact(identifier, "profile.changed", now, traits), now)
            )
        return facts
