"""Deciding waits: until when somebody sleeps, and what they wait for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from conditions import filter_references, references
from infra.clock import Clock
from journeys import draw
from journeys.model import ConditionPath, DateRef, EventPath, Timeout, Wait, WaitFor
from journeys.timing import Past, resolve_timeout, resolve_wait
from services.journeys.steps.cases import Case, FactFinder
from services.journeys.steps.rulings import Ruling, decision_of
from services.journeys.waits import watches
from services.journeys.waits.following import ENTERED_AT, follow
from services.journeys.waits.listeners import for_wait


class WaitDecider:
    """Decides `wait` and `wait_for`. May raise `Unavailable`: then nothing was decided."""

    def __init__(self, *, finder: FactFinder, clock: Clock) -> None:
        self._finder = finder
        self._clock = clock

    async def wait(self, case: Case, step: Wait, *, entered_at: datetime | None = None) -> Ruling:
        """Asleep until its instant, or what its policy says where that is past. `entered_at`: now, where left out."""
        dated = await self._finder.dated(case, step.until, clock_bound=_moves_on_the_wall_clock(step))
        seen = dated.seen
        now = self._clock.now()
        anchor = dated.anchor(step.until)
        if anchor is None and isinstance(step.until, DateRef) and step.until.default is not None:
            seen["default"] = str(step.until.default.after)
        drawn = draw(case.enrolment.id, step.id, case.visit) if step.between is not None else 0.0
        found = resolve_wait(step, entered_at=entered_at or now, now=now, anchor=anchor, zone=dated.zone, drawn=drawn)
        if isinstance(found, Past):
            seen["due"] = found.due.isoformat() if found.due else None
            outcome = {"kind": "past_due", "action": found.action, "target": found.target}
            return Ruling(decision_of(case, "past_due", outcome, seen, now))
        watch = follow(case, step, seen, found.at, _since(seen, entered_at, now))
        decision = decision_of(case, "sleep", {"kind": "sleep"}, seen, now, found.at)
        return Ruling(decision, watches=[watch] if watch else [])

    async def wait_for(self, case: Case, step: WaitFor, *, entered_at: datetime | None = None) -> Ruling:
        """Waiting, with a listener per path, until its timeout where it has one. `entered_at`: now, where left out."""
        now = self._clock.now()
        timeout = step.timeout
        until = timeout.until if timeout else None
        bound = timeout is not None and _timeout_on_the_wall_clock(timeout)
        dated = await self._finder.dated(case, until, clock_bound=bound, refs=_path_refs(step))
        deadline = None
        if timeout is not None:
            end = resolve_timeout(timeout, entered_at=entered_at or now, anchor=dated.anchor(until), zone=dated.zone)
            deadline = end.at if end else None
        since = case.enrolment.entered_at if step.since == "entry" else case.arrived_at or case.enrolment.entered_at
        whose = (case.visit, case.enrolment.id, case.enrolment.profile_id)
        context = dated.facts.context()
        watched = watches.for_wait(step, *whose, context, now)
        date = follow(case, step, dated.seen, deadline, _since(dated.seen, entered_at, now))
        return Ruling(
            decision_of(case, "waiting", {"kind": "waiting"}, dated.seen, now, deadline),
            for_wait(step, *whose, context, since),
            watches=[*watched, date] if date else watched,
        )


def _since(seen: dict[str, Any], entered_at: datetime | None, now: datetime) -> datetime:
    """When the wait began; seen where that is not when it was decided."""
    if entered_at is not None and entered_at != now:
        seen[ENTERED_AT] = entered_at.isoformat()
    return entered_at or now


def _path_refs(step: WaitFor) -> list[str]:
    return [
        ref
        for path in step.paths
        if isinstance(path, EventPath | ConditionPath)
        for ref in (filter_references(path.where) if isinstance(path, EventPath) else references(path.if_)).refs
    ]


def _moves_on_the_wall_clock(step: Wait) -> bool:
    counted = (step.for_, step.late_by)
    days = any(duration is not None and duration.counts_days for duration in counted)
    return days or step.window is not None or step.at is not None or step.for_ is None


def _timeout_on_the_wall_clock(timeout: Timeout) -> bool:
    duration = timeout.after
    return duration is None or timeout.at is not None or duration.counts_days
