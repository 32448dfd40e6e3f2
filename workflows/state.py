"""Everything an enrolment's workflow remembers: ids, positions, instants and choices."""

from datetime import datetime
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from contracts.journeys import InterruptSignal, MatchedSignal, MoveSignal, RefreshSignal
from journeys.cursor import Cursor
from journeys.outcome import Deferred, Matched, Outcome, Sleep, TimedOut, Waiting

KEPT_SIGNALS = 256
"""Signals that no wait has asked for yet; the oldest is forgotten beyond."""


class Pending(BaseModel):
    """The wait that the cursor's step has already registered. `wake_at` is a real instant (UTC), None: no end."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["sleep", "wait_for", "deferred"]
    wake_at: AwareDatetime | None = None
    confirm: bool = False

    @classmethod
    def of(cls, outcome: Outcome) -> Self | None:
        """The wait that an outcome asks for, if it asks for one."""
        match outcome:
            case Sleep():
                return cls(kind="sleep", wake_at=outcome.wake_at, confirm=outcome.confirm)
            case Waiting(matched=None):
                return cls(kind="wait_for", wake_at=outcome.wake_at, confirm=outcome.confirm)
            case Deferred():
                return cls(kind="deferred", wake_at=outcome.wake_at, confirm=outcome.confirm)
            case _:
                return None

    def seconds_left(self, now: datetime) -> float | None:
        """Real seconds until `wake_at`, below 0 when it has passed; None: no end."""
        return None if self.wake_at is None else (self.wake_at - now).total_seconds()


class EnrolmentState(BaseModel):
    """The one thing in a workflow that changes; carried over whole when the workflow continues as new.

    A wait takes the first signal that names its step and visit. What comes for a wait that is over is dropped by
    its number, not by a list of ids: visits of a step only grow, so `passed` never outgrows the journey.
    """

    cursor: Cursor
    pending: Pending | None = None
    matched: list[MatchedSignal] = []
    passed: dict[str, int] = {}
    interrupt: InterruptSignal | None = None
    refreshed: RefreshSignal | None = None
    move_to: MoveSignal | None = None

    def carried(self) -> dict[str, JsonValue]:
        """As plain JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def take(self, signal: MatchedSignal) -> None:
        """Keeps a signal until its wait asks for it; drops repetitions and those of waits that are over."""
        if signal.visit <= self.passed.get(signal.step, 0) or self._kept(signal.step, signal.visit):
            return
        self.matched = [*self.matched, signal][-KEPT_SIGNALS:]

    def stop(self, signal: InterruptSignal) -> None:
        """The first reason to stop is the reason."""
        self.interrupt = self.interrupt or signal

    def refresh(self, signal: RefreshSignal) -> None:
        """The newest counts; one for another step or visit is for a wait that is over or not yet begun."""
        self.refreshed = signal

    @property
    def must_ask(self) -> bool:
        """Whether what the wait at the cursor rests on has changed since it was asked about."""
        signal = self.refreshed
        return signal is not None and (signal.step, signal.visit) == (self.cursor.step, self.cursor.visit)

    @property
    def match(self) -> MatchedSignal | None:
        """The signal that ends the wait at the cursor, if it came."""
        if self.cursor.step is None or self.pending is None or self.pending.kind != "wait_for":
            return None
        return self._kept(self.cursor.step, self.cursor.visit)

    def moved(self, cursor: Cursor) -> None:
        """In another version or at another step from here on; a wait that stays is asked about again."""
        self.cursor, self.pending, self.refreshed, self.move_to = cursor, None, None, None

    def move(self, cursor: Cursor, outcome: Outcome) -> None:
        """On to another position; a `wait_for` that ends with this outcome takes no more signals."""
        step, visit = self.cursor.step, self.cursor.visit
        if step is not None and isinstance(outcome, Waiting | Matched | TimedOut):
            self.passed = {**self.passed, step: visit}
            self.matched = [signal for signal in self.matched if signal.step != step or signal.visit > visit]
        self.pending, self.cursor = None, cursor

    def _kept(self, step: str, visit: int) -> MatchedSignal | None:
        return next((signal for signal in self.matched if (signal.step, signal.visit) == (step, visit)), None)
