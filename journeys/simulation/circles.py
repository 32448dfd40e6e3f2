"""Circles in which somebody never rests: coming to one wait, or being written to by one step, again and again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from journeys.model import Send, Step, Wait, WaitFor
from journeys.moving import AT_ONCE, MOST_ROUNDS, MOST_WRITTEN, ROUNDS_WITHIN
from journeys.outcome import Outcome, PastDue, Waiting
from journeys.resting import COME_BY_THEMSELVES

CONDITION_MET = "condition.met"


@dataclass(slots=True)
class Rests:
    """How one enrolment's waits went."""

    _hasty: dict[str, list[datetime]] = field(default_factory=dict)
    """Arrivals at a wait, by step, since somebody last had to wait there."""
    _written: dict[str, list[datetime]] = field(default_factory=dict)
    """Messages in a row, by step, since somebody last rested anywhere."""

    def turns(self, step: Step, now: datetime) -> bool:
        """Whether somebody who comes to this step now turns in a circle."""
        rounds, most = (self._written, MOST_WRITTEN) if isinstance(step, Send) else (self._hasty, MOST_ROUNDS)
        past = rounds.get(step.id)
        return past is not None and len(past) >= most and past[-most] >= now - ROUNDS_WITHIN

    def wrote(self, step: Send, now: datetime) -> None:
        """A message went out."""
        self._written.setdefault(step.id, []).append(now)

    def skipped(self, step: Send) -> None:
        """No message went out."""
        self._written.pop(step.id, None)

    def rested(self) -> None:
        """Time passed."""
        self._written.clear()

    def answered(self, arrived: datetime, now: datetime) -> None:
        """A call or another journey is over."""
        if now > arrived + AT_ONCE:
            self.rested()

    def passed(self, step: Step, now: datetime, outcome: Outcome, events: Mapping[str, Mapping[str, Any]]) -> None:
        """A step was left as soon as it came."""
        if isinstance(outcome, PastDue):
            self.left(step, now, now, None)
        elif isinstance(outcome, Waiting) and outcome.matched is not None:
            event = events[outcome.matched.event_id]
            self.left(step, now, None, now if event["event"] == CONDITION_MET else None, by_itself=comes_by_itself(event))

    def left(
        self, step: Step, arrived: datetime, until: datetime | None, met_at: datetime | None, *, by_itself: bool = False
    ) -> None:
        """A wait that was to last `until` is over; `met_at`: when a condition ended it; `by_itself`: by a message's outcome."""
        if not isinstance(step, Wait | WaitFor):
            return
        if (until is not None and until <= arrived) or (met_at is not None and met_at <= arrived + AT_ONCE):
            self._hasty.setdefault(step.id, []).append(arrived)
            return
        self._hasty.pop(step.id, None)
        if not by_itself:
            self.rested()


def comes_by_itself(event: Mapping[str, Any]) -> bool:
    """Whether this is an outcome that a message has whatever the person does."""
    return event["event"] in COME_BY_THEMSELVES and "message" in event["properties"]
