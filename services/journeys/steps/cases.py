"""One step to decide, and finding what it looks at: the profile, computed traits, dates and the person's zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from journeys import MISSING, Journey, parse_ref, resolve
from journeys.model import DateRef, Step, Until
from journeys.timing import parse_anchor
from services.journeys.enrolments import Enrolment
from services.journeys.steps.facts import Facts
from services.journeys.steps.results import Results
from services.journeys.waits.clocks import lives_in
from services.journeys.world import World


@dataclass(frozen=True, slots=True)
class Case:
    """One step to decide: whose, at which visit, and what references can see of entry and event.

    `arrived_at` is when the step before was left, for steps that ask for it; None where there was none.
    """

    enrolment: Enrolment
    journey: Journey
    step: Step
    visit: int
    entry: dict[str, Any]
    event: dict[str, Any]
    position: str | None
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dated:
    """Facts with the zone that their dates are read in, and the values seen on the way."""

    facts: Facts
    zone: str
    seen: dict[str, Any]

    def anchor(self, until: Until | None) -> datetime | None:
        """The date that `until` leads to, as an instant; None where there is none. It is seen."""
        if isinstance(until, DateRef):
            found = resolve(until.ref, self.facts.context())
            self.seen[until.ref] = None if found is MISSING else found
            return None if found is MISSING else parse_anchor(found, ZoneInfo(self.zone))  # type: ignore[arg-type]
        return parse_anchor(until, ZoneInfo(self.zone)) if until is not None else None


class FactFinder:
    """Asks the neighbours for no more than a step needs. May raise `Unavailable`."""

    def __init__(self, world: World, workspace_zone: str, results: Results) -> None:
        self._world = world
        self._zone = workspace_zone
        self._results = results

    async def facts(self, case: Case, refs: Sequence[str], *, always: bool = False) -> Facts:
        """Facts with the profile where `refs` (or `always`) ask for it; computed traits and earlier results where `refs` do."""
        named = [found for ref in refs if (found := parse_ref(ref)) is not None]
        results = await self._results.of(case.enrolment.id) if any(ref.root == "results" for ref in named) else None
        parsed = [ref for ref in named if ref.root == "profile"]
        if not parsed and not always:
            return Facts(case.entry, case.event, results=results)
        profile = await self._world.profile(case.enrolment.profile_id)
        computed: dict[str, JsonValue] = {}
        if any(ref.path[0] == "computed" for ref in parsed):
            computed = await self._world.computed(case.enrolment.profile_id, case.position)
        return Facts(case.entry, case.event, profile, computed, results)

    async def dated(self, case: Case, until: Until | None, *, clock_bound: bool = True, refs: Sequence[str] = ()) -> Dated:
        """Facts and the person's zone. `clock_bound`: a duration moves on the person's wall clock, so their zone matters."""
        dates = [until.ref] if isinstance(until, DateRef) else []
        facts = await self.facts(case, [*refs, *dates], always=clock_bound)
        zone, problem = lives_in(facts.profile.traits if facts.profile else {}, case.journey, self._zone)
        seen: dict[str, Any] = {"zone": zone.key}
        if problem is not None:
            seen["zone_problem"] = problem.message
        return Dated(facts, zone.key, seen)
