"""Deciding steps that act on the person: traits written, events told of, other journeys started."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from conditions.model import Ref
from contracts.profiles import EmittedEvent, ProfileUpdate
from infra.clock import Clock
from infra.errors import Rejected
from journeys import MISSING, resolve
from journeys.model import EmitEvent, StartJourney, UpdateProfile
from journeys.step_actions import Value
from services.journeys.entry.entering import Entrant
from services.journeys.lifecycle.versions import Versions
from services.journeys.steps.awaiting import PARENT, Parent
from services.journeys.steps.cases import Case, FactFinder
from services.journeys.steps.facts import DEPTH, bare_fact
from services.journeys.steps.results import Answer
from services.journeys.steps.rulings import Ruling, decision_of
from services.journeys.world import World

MOST_LINKS = 10
"""How many journeys may lead to each other in a row, by events and starts, before the chain is taken for a circle."""
TIGHT = timedelta(hours=1)
"""Links further apart than this are a rhythm, not a circle: the count begins anew."""


class ActDecider:
    """Decides `update_profile`, `emit_event` and `start_journey`. May raise `Unavailable`: then nothing was decided."""

    def __init__(self, *, finder: FactFinder, world: World, versions: Versions, clock: Clock) -> None:
        self._finder = finder
        self._world = world
        self._versions = versions
        self._clock = clock

    async def update(self, case: Case, step: UpdateProfile) -> Ruling:
        """Writes the traits whose values are there."""
        values = await self._values(case, step.set)
        now = self._clock.now()
        if values:
            update = ProfileUpdate(profile_id=case.enrolment.profile_id, message_id=_key(case), set=values, timestamp=now)
            await self._world.update(update)
        return Ruling(decision_of(case, "updated", {"kind": "done"}, {"set": values}, now))

    async def emit(self, case: Case, step: EmitEvent) -> Ruling:
        """Tells profiles of the event, unless journeys have been telling each other of events in a circle."""
        now = self._clock.now()
        depth = _depth(case, now) + 1
        if depth > MOST_LINKS:
            return _skipped(case, {"event": step.event, "reason": _circle("emitting events")}, now)
        values = await self._values(case, step.properties)
        event = EmittedEvent(
            profile_id=case.enrolment.profile_id,
            message_id=_key(case),
            event=step.event,
            properties=values,
            timestamp=now,  # the decision's own: so it counts for a wait that follows at once
            depth=depth,
        )
        try:
            await self._world.emit(event)
        except Rejected as error:
            return _skipped(case, {"event": step.event, "reason": f"refused: {error}"}, now)
        return Ruling(decision_of(case, "emitted", {"kind": "done"}, {"event": step.event, "properties": values}, now))

    async def start(self, case: Case, step: StartJourney, current: Mapping[str, str]) -> Ruling:
        """Enrols in the other journey along with the decision; who waits for its end hears of a refusal as well."""
        now = self._clock.now()
        depth = _depth(case, now, always=step.wait) + 1
        version = current.get(step.journey)
        if version is None:
            return self._not_started(case, step, "unknown", f"there is no journey {step.journey!r} to enter", now)
        if depth > MOST_LINKS:
            return self._not_started(case, step, "circle", _circle("starting each other"), now)
        journey = await self._versions.journey(version)
        properties = dict(case.entry["properties"]) if step.properties is None else await self._values(case, step.properties)
        entry = bare_fact(_key(case), "journey.started", now, properties) | {DEPTH: depth}
        if step.wait:
            entry[PARENT] = Parent(case.enrolment.id, step.id, case.visit).named()
        entrant = Entrant(journey, version, case.enrolment.profile_id, entry, now, {}, look_back=True)
        outcome = {"kind": "waiting"} if step.wait else {"kind": "done"}
        seen = {"journey": step.journey, "version": version, "properties": properties}
        return Ruling(decision_of(case, "started", outcome, seen, now), entrants=[entrant])

    def _not_started(self, case: Case, step: StartJourney, detail: str, why: str, now: datetime) -> Ruling:
        seen = {"journey": step.journey, "reason": why}
        if not step.wait:
            return Ruling(decision_of(case, "not_started", {"kind": "done", "detail": detail}, seen, now))
        body = {"reason": f"refused: {why}", "goal_reached": False}
        heard = Answer(case.enrolment.id, step.id, case.visit, "ended", _key(case), body, now)
        return Ruling(decision_of(case, "not_started", {"kind": "waiting"}, seen, now), answers=[heard])

    async def _values(self, case: Case, given: Mapping[str, Value]) -> dict[str, JsonValue]:
        """Constants, and what references lead to; those that lead nowhere are left out."""
        facts = await self._finder.facts(case, [value.ref for value in given.values() if isinstance(value, Ref)])
        context = facts.context()
        found = {name: resolve(value.ref, context) if isinstance(value, Ref) else value for name, value in given.items()}
        return {name: value for name, value in found.items() if value is not MISSING}  # type: ignore[misc]


def _depth(case: Case, now: datetime, *, always: bool = False) -> int:
    """How many links led here: by the entry, or by the event that woke the last path. `always`: however long ago."""
    facts: list[dict[str, Any]] = [case.entry, case.event]
    return max(fact.get(DEPTH, 0) if always or now - datetime.fromisoformat(fact["timestamp"]) < TIGHT else 0 for fact in facts)


def _skipped(case: Case, seen: dict[str, Any], now: datetime) -> Ruling:
    return Ruling(decision_of(case, "skipped", {"kind": "done", "detail": "skipped"}, seen, now))


def _circle(what: str) -> str:
    return f"journeys have been {what} {MOST_LINKS} times in a row: this looks like a circle"


def _key(case: Case) -> str:
    return f"{case.enrolment.id}:{case.step.id}:{case.visit}"
