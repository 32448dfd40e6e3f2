"""A registered wait looks at what it may have missed, and asks its conditions: the other half of the rendezvous."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions import Person, evaluate, parse_condition, references
from contracts.segments import EvaluatedItem, EvaluateItem
from infra.clock import Clock
from infra.db import Database
from journeys.model import ConditionPath, WaitFor
from services.journeys.enrolments import newest_visits
from services.journeys.outgoing import Outgoing
from services.journeys.steps.facts import bare_fact
from services.journeys.waits import readiness, watches
from services.journeys.waits.listeners import Kind, Listener, waits_of
from services.journeys.waits.looking_back import Taken, WaitLookBack
from services.journeys.waits.matching import Fact, Met, record, taken_events
from services.journeys.waits.readiness import Key
from services.journeys.waits.rounds import Round, rounds_before
from services.journeys.waits.watches import Watch
from services.journeys.world import World


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait that nothing has met yet. `since` is the step's, `ranks` its paths in order of precedence.

    `before` is how its visit before ended, where that bears on what counts.
    """

    key: Key
    since: Literal["entry", "step"]
    ranks: Mapping[str, int]
    listeners: Sequence[Listener] = ()
    watches: Sequence[Watch] = ()
    before: Round | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of looking at a watch: when to look again, and what to keep of it where that has become another."""

    watch: Watch
    next_look: datetime | None
    condition: dict[str, Any] | None = None
    mentions: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking came to. `guards` are the watches of which one must still be there for `met` to count; none: nothing must.

    `first` is the wait whose first look this was.
    """

    met: Met | None = None
    answers: list[Answer] = field(default_factory=list)
    guards: list[int] = field(default_factory=list)
    first: Key | None = None


class Rendezvous:
    """Looks at waits and single conditions. May raise `Unavailable`: then nothing is known."""

    def __init__(self, *, database: Database, world: World, clock: Clock) -> None:
        self._database = database
        self._world = world
        self._clock = clock
        self._look_back = WaitLookBack(world)

    async def open_waits(self, session: AsyncSession, steps: Mapping[Key, WaitFor]) -> list[OpenWait]:
        """These waits with what is registered for them; one for which nothing is left out."""
        listeners = {(each[0].enrolment_id, each[0].step, each[0].visit): each for each in await waits_of(session, list(steps))}
        before = await rounds_before(session, [key for key, step in steps.items() if step.since == "step"])
        asking = [key for key, step in steps.items() if any(isinstance(path, ConditionPath) for path in step.paths)]
        conditions = await watches.of_waits(session, asking) if asking else {}
        return [
            OpenWait(
                key,
                step.since,
                {path.id: rank for rank, path in enumerate(step.paths)},
                listeners.get(key, ()),
                conditions.get(key, ()),
                before.get(key),
            )
            for key, step in steps.items()
            if key in listeners or key in conditions
        ]

    async def position(self) -> str | None:
        """Up to where conditions must know the profiles feed, so that nothing that stirred nobody's watch is missed.

        The lock waits for the page that is being applied just now: it may have begun before a watch was registered.
        """
        async with self._database.begin() as session:
            found = await session.execute(text("SELECT cursor FROM feed_cursor WHERE feed = 'profiles' FOR SHARE"))
            position: str | None = found.scalar()
            return position

    async def look(self, wait: OpenWait, position: str | None, at: datetime) -> Looked:
        """The path that is taken: of what happened the earliest, of that and the conditions that hold now the first in order."""
        asked = await asyncio.gather(*(self.ask(watch, position) for watch in wait.watches))
        back = None
        if wait.listeners:
            back = await self._look_back(wait.listeners, self._taken(wait), await self._visits(wait), wait.before)
        candidates = [Met(*back)] if back is not None else []
        candidates += [met_by(watch, answer, at) for watch, answer in zip(wait.watches, asked, strict=True) if answer.matches]
        answers = [Answer(watch, self.again(answer.next_change)) for watch, answer in zip(wait.watches, asked, strict=True)]
        first = min(candidates, key=lambda met: wait.ranks.get(met.listener.path, len(wait.ranks)), default=None)
        unready = wait.key if any(not listener.ready for listener in wait.listeners) else None
        return Looked(first, answers, [watch.id for watch in wait.watches], unready)

    async def ask(self, watch: Watch, position: str | None) -> EvaluatedItem:
        """Whether its condition holds, as segments knows the person up to `position`."""
        assert watch.condition is not None
        condition = parse_condition(watch.condition)
        if not references(condition).of_a_person:
            found = evaluate(condition, Person(), self._clock.now())
            return EvaluatedItem(matches=found.matches, seen=found.seen, next_change=found.next_change)
        item = EvaluateItem(profile_id=watch.profile_id, condition=watch.condition, position=position)
        return await self._world.evaluate(item)

    def again(self, next_change: datetime | None) -> datetime | None:
        """When to look again by time alone; a little later where a neighbour's clock is behind ours."""
        if next_change is None:
            return None
        return max(next_change, self._clock.to_virtual(self._clock.real_now() + watches.SHORTLY))

    async def _visits(self, wait: OpenWait) -> dict[str, int]:
        """The newest visits of the steps whose messages are waited for."""
        messages = [(each.enrolment_id, each.name) for each in wait.listeners if each.source == "receipt"]
        if not messages:
            return {}
        async with self._database.read() as session:
            return {step: visit for (_, step), visit in (await newest_visits(session, messages)).items()}

    def _taken(self, wait: OpenWait) -> Taken:
        async def taken(listener: Listener, events: Sequence[str]) -> set[str]:
            """A wait may not take the entering event, nor again events of its own earlier visits and, unless it counts from
            entry, of any wait."""
            async with self._database.read() as session:
                known = await taken_events(session, listener.enrolment_id, events)
            return {event for event, step in known if wait.since == "step" or step in ("", listener.step)}

        return taken


def met_by(watch: Watch, answer: EvaluatedItem, at: datetime) -> Met:
    """The match of a condition: its event id is the same for the same look, its body holds what was seen."""
    kind: Kind = "exit" if watch.kind == "exit" else "wait"
    listener = Listener(
        watch.enrolment_id, watch.profile_id, kind, "condition", "", watch.step, watch.visit, watch.path, watch.condition, at
    )
    identifier = f"watch:{watch.id}:{watch.look}"
    body = bare_fact(identifier, "condition.met", at) | {"seen": answer.seen}
    return Met(listener, Fact(identifier, watch.profile_id, "condition", "", body, at))


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written: the signals to deliver, what was met, and the waits that have to look back once more."""

    told: list[Outgoing]
    met: list[Met]
    again: set[Key]


async def settle(session: AsyncSession, looked: Sequence[Looked], *, signal: bool) -> Settled:
    """Writes what looking came to.

    What something else has met or ended meanwhile is dropped; a watch that was stirred meanwhile stays due. A wait that found
    nothing may be met by the feeds from now on, unless one has left it something since.
    """
    ids = {number for each in looked for number in (*each.guards, *(answer.watch.id for answer in each.answers))}
    left: set[int] = set()
    if ids:
        rows = await session.execute(
            text("SELECT id FROM watch WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": sorted(ids)}
        )
        left = {row[0] for row in rows.all()}
    met = [each.met for each in looked if each.met is not None and (not each.guards or left & set(each.guards))]
    await _answered(session, [answer for each in looked for answer in each.answers])
    told = await record(session, met, signal=signal)
    found = {each.first for each in looked if each.first is not None and each.met is not None}
    again = await readiness.looked(session, [each.first for each in looked if each.first is not None and each.met is None])
    return Settled(told, met, again | found)


async def _answered(session: AsyncSession, answers: Sequence[Answer]) -> None:
    if not answers:
        return
    await session.execute(
        text(
            "UPDATE watch w SET look_at = CASE WHEN w.look = k.look THEN k.next ELSE w.look_at END, leased_until = NULL, "
            "condition = coalesce(k.condition, w.condition), mentions = coalesce(k.mentions, w.mentions) "
            "FROM unnest(CAST(:ids AS bigint[]), CAST(:looks AS int[]), CAST(:nexts AS timestamptz[]), "
            "CAST(:conditions AS jsonb[]), CAST(:mentions AS jsonb[])) AS k(id, look, next, condition, mentions) "
            "WHERE w.id = k.id"
        ),
        {
            "ids": [each.watch.id for each in answers],
            "looks": [each.watch.look for each in answers],
            "nexts": [each.next_look for each in answers],
            "conditions": [None if each.condition is None else orjson.dumps(each.condition).decode() for each in answers],
            "mentions": [None if each.mentions is None else orjson.dumps(each.mentions).decode() for each in answers],
        },
    )
