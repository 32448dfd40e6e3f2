"""Circles in which somebody never rests: coming to one wait again and again without having to wait there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from journeys.model import Step, Wait, WaitFor
from journeys.moving import AT_ONCE, MOST_ROUNDS, ROUNDS_WITHIN
from journeys.outcome import Outcome, PastDue, Waiting

CONDITION_MET = "condition.met"
TOLD: Mapping[str, Any] = {"reason": f"came here {MOST_ROUNDS} times in a row without having to wait: the loop is a circle"}


@dataclass(slots=True)
class Rests:
    """How one enrolment's waits went."""

    _hasty: dict[str, list[datetime]] = field(default_factory=dict)
    """Arrivals at a wait, by step, since somebody last had to wait there."""

    def turns(self, step: Step, now: datetime) -> bool:
        """Whether somebody who comes to this step now turns in a circle."""
        last = self._hasty.get(step.id, [])[-MOST_ROUNDS:]
        return len(last) == MOST_ROUNDS and last[0] >= now - ROUNDS_WITHIN

    def passed(self, step: Step, now: datetime, outcome: Outcome, events: Mapping[str, Mapping[str, Any]]) -> None:
        """A step was left as soon as it came."""
        if isinstance(outcome, PastDue):
            self.left(step, now, now, None)
        elif isinstance(outcome, Waiting) and outcome.matched is not None:
            met = events[outcome.matched.event_id]["event"] == CONDITION_MET
            self.left(step, now, None, now if met else None)

    def left(self, step: Step, arrived: datetime, until: datetime | None, met_at: datetime | None) -> None:
        """A wait that was to last `until` is over; `met_at`: when a condition ended it."""
        if not isinstance(step, Wait | WaitFor):
            return
        if (until is not None and until <= arrived) or (met_at is not None and met_at <= arrived + AT_ONCE):
            self._hasty.setdefault(step.id, []).append(arrived)
        else:
            self._hasty.pop(step.id, None)
