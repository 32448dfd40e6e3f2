"""Looking at a migration before it runs: who stands where, what is missing in its mapping, which waits end when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import Flaw
from journeys import Journey
from journeys.model import Wait, WaitFor
from services.journeys.enrolments import Enrolment
from services.journeys.lifecycle.versions import Versions
from services.journeys.moves.destinations import EXIT, same_place
from services.journeys.moves.migration_plans import Action, MigrationPlan
from services.journeys.steps.cases import Case
from services.journeys.waits.deciding import WaitDecider

# Waits of so many people are worked out again for a preview; the rest is like them.
EXAMINED = 1000
LOOKED_AT = 10_000
SAMPLE = 5

_WHERE = text(
    "SELECT e.id, e.version, e.entered_at, p.step FROM enrolment e LEFT JOIN place p ON p.enrolment_id = e.id "
    "WHERE e.journey = :journey AND e.version = ANY(:sources) AND e.state = 'running'"
)
_WAITING = text(
    "SELECT e.id, e.journey, e.version, e.profile_id, e.entry, e.position, e.entered_at, e.state, e.reason, "
    "d.step, d.visit, d.at, d.deadline, coalesce(w.body, e.entry) AS event, coalesce(w.position, e.position) AS as_of "
    "FROM enrolment e JOIN place p ON p.enrolment_id = e.id JOIN decision d "
    "ON d.enrolment_id = e.id AND d.step = p.step AND d.visit = p.visit "
    # What ended the wait before, as the workflow's cursor has it: not the answer of a call, which has no body.
    "LEFT JOIN LATERAL (SELECT m.body, m.position FROM match m JOIN decision b USING (enrolment_id, step, visit) "
    "WHERE m.enrolment_id = e.id AND m.kind = 'wait' AND m.body <> '{}' AND b.at <= d.at "
    "AND (m.step, m.visit) <> (d.step, d.visit) ORDER BY b.at DESC, m.at DESC LIMIT 1) w ON true "
    "WHERE e.id = ANY(:ids) AND d.kind IN ('sleep', 'waiting')"
)


class Standing(BaseModel):
    """People of one version at one step (None: they have not begun). `becomes` is where those who are mapped go; None: nowhere,
    so the mapping has to say. `actions` counts what happens to them; `people` are some of them."""

    version: str
    step: str | None
    count: int
    becomes: str | None
    actions: dict[Action, int]
    people: list[UUID]


class Retiming(BaseModel):
    """What becomes of the waits that people stay in: of `waiting` ones that were looked at, `examined` were worked out again."""

    waiting: int
    examined: int
    shorter: int = 0
    longer: int = 0
    same: int = 0
    due_now: int = 0


class Preview(BaseModel):
    """Nothing is changed by it. With `problems`, the migration would be refused."""

    to: str
    sources: list[str]
    positions: list[Standing]
    retiming: Retiming
    problems: list[Flaw]


@dataclass(slots=True)
class _Standings:
    """Who stands where, counted person by person. `staying` are some of those who stay at their step in the other version."""

    here: dict[str, Journey]
    there: Journey
    plan: MigrationPlan
    found: dict[tuple[str, str | None], Standing] = field(default_factory=dict)
    staying: list[UUID] = field(default_factory=list)

    def add(self, person: UUID, version: str, step: str | None, entered_at: datetime) -> None:
        standing = self.found.get((version, step))
        if standing is None:
            becomes = _becomes(self.here[version], self.there, self.plan.mapping, step)
            standing = Standing(version=version, step=step, count=0, becomes=becomes, actions={}, people=[])
            self.found[version, step] = standing
        action = self.plan.action(step, person, entered_at)
        standing.count += 1
        standing.actions[action] = standing.actions.get(action, 0) + 1
        if len(standing.people) < SAMPLE:
            standing.people.append(person)
        if action == "map" and step is not None and standing.becomes == step and len(self.staying) < LOOKED_AT:
            self.staying.append(person)

    def sorted(self) -> list[Standing]:
        """Most people first."""
        return sorted(self.found.values(), key=lambda standing: (-standing.count, standing.step or ""))


class Previewer:
    """Works a plan out on the people as they stand now. May raise `Unavailable`."""

    def __init__(self, *, database: Database, versions: Versions, waits: WaitDecider, clock: Clock) -> None:
        self._database = database
        self._versions = versions
        self._waits = waits
        self._clock = clock

    async def __call__(self, journey: str, target: str, plan: MigrationPlan) -> Preview:
        """Every position of everybody under way in the plan's versions."""
        there = await self._versions.journey(target)
        here = {source: await self._versions.journey(source) for source in plan.sources}
        standings = _Standings(here, there, plan)
        async with self._database.read() as session:
            async for row in await session.stream(_WHERE, {"journey": journey, "sources": list(plan.sources)}):
                standings.add(row.id, row.version, row.step, row.entered_at)
        return Preview(
            to=target,
            sources=list(plan.sources),
            positions=standings.sorted(),
            retiming=await self._retiming(standings.staying, there),
            problems=_problems(standings.sorted(), there),
        )

    async def _retiming(self, ids: list[UUID], there: Journey) -> Retiming:
        async with self._database.read() as session:
            waiting = await self._waiting(session, ids, there)
        found = Retiming(waiting=len(waiting), examined=min(len(waiting), EXAMINED))
        now = self._clock.now()
        for row in waiting[:EXAMINED]:
            step = there.index.steps[row.step]
            enrolment = Enrolment(*row[:9])
            case = Case(enrolment, there, step, row.visit, enrolment.entry, row.event, row.as_of, row.at)
            ends: datetime | None = now
            if isinstance(step, Wait):
                ends = (await self._waits.wait(case, step, entered_at=row.at)).decision.deadline or now
            elif isinstance(step, WaitFor):
                ends = (await self._waits.wait_for(case, step, entered_at=row.at)).decision.deadline
            if ends is not None and ends <= now:
                found.due_now += 1
            elif ends == row.deadline:
                found.same += 1
            elif ends is None or (row.deadline is not None and ends > row.deadline):
                found.longer += 1
            else:
                found.shorter += 1
        return found

    async def _waiting(self, session: AsyncSession, ids: list[UUID], there: Journey) -> list[Any]:
        rows = (await session.execute(_WAITING, {"ids": ids})).all()
        return [row for row in rows if isinstance(there.index.steps.get(row.step), Wait | WaitFor)]


def _becomes(here: Journey, there: Journey, mapping: dict[str, str], step: str | None) -> str | None:
    if step is None:
        return there.index.first or EXIT
    if step in mapping:
        return mapping[step]
    return step if same_place(here, there, step) else None


def _problems(positions: list[Standing], there: Journey) -> list[Flaw]:
    found: list[Flaw] = []
    for standing in positions:
        if standing.becomes is None and standing.actions.get("map"):
            missing = standing.step not in there.index.steps
            why = "is not in the other version" if missing else "is a step of another type there"
            found.append(
                Flaw(
                    path=f"$.mapping.{standing.step}",
                    message=f"{standing.actions['map']} people stand at {standing.step!r}, which {why}",
                    remedy=f'map it to one of {", ".join(there.index.steps)}, or to "exit", or let them stay by a cohort',
                )
            )
    return found
