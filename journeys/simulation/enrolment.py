"""One enrolment on the virtual clock: where it stands, what it waits for, what it has had."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from journeys.cursor import Cursor
from journeys.engine import start
from journeys.model import Journey
from journeys.simulation.circles import Rests
from journeys.simulation.facts import Body, Fact, Moment
from journeys.simulation.listening import Listener

PendingKind = Literal["sleep", "wait_for", "deferred", "call", "child"]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a call ends: when, which path, and what results keep."""

    at: datetime
    path: str
    result: dict[str, JsonValue]


@dataclass(slots=True)
class Pending:
    """The wait at the cursor's step. `entered_at`: when it began, for dates that change while it lasts."""

    kind: PendingKind
    entered_at: datetime
    until: datetime | None = None
    listeners: tuple[Listener, ...] = ()
    follows: bool = False
    """Whether its instant rests on a computed trait: then events move it, not only changed traits."""
    settled: Settled | None = None
    """How a call will end; None while its script has the word."""


@dataclass(slots=True, eq=False)
class Enrolment:
    """Mutable; one per person, journey, key and number."""

    id: str
    journey: Journey
    key: str
    number: int
    entry: Body
    entered_at: datetime
    since: Moment
    cursor: Cursor = field(init=False)
    passed: list[str] = field(default_factory=list)
    """Steps gone through without asking anybody, until they are told."""
    left: Moment = field(init=False)
    """When the last step was left: what happens from then on happens at the next one."""
    pending: Pending | None = None
    token: int = 0
    """Counts what it waited for: a timer of an earlier wait is no longer meant."""
    exits: tuple[Listener, ...] = ()
    goal: Listener | None = None
    goal_at: datetime | None = None
    begun: bool = False
    ended_at: datetime | None = None
    reason: str | None = None
    cancelled: bool = False
    """A criterion ended it: what is not yet sent is taken back."""
    taken: dict[str, set[str]] = field(default_factory=dict)
    """Event to the step whose wait had it."""
    events: dict[str, Body] = field(default_factory=dict)
    """Bodies of what woke its waits."""
    results: dict[str, JsonValue] = field(default_factory=dict)
    receipts: dict[str, list[Fact]] = field(default_factory=dict)
    """By send step."""
    newest: dict[str, int] = field(default_factory=dict)
    """The newest visit that was decided, by send step: what becomes of earlier messages meets no wait."""
    rests: Rests = field(default_factory=Rests)
    tries: dict[str, int] = field(default_factory=dict)
    parent: "Enrolment | None" = None
    """Who waits for its end."""
    child: "Enrolment | None" = None
    """The journey that it started last and waits for."""

    def __post_init__(self) -> None:
        self.cursor = start(self.journey, self.passed)
        self.left = self.since

    @property
    def running(self) -> bool:
        return self.ended_at is None

    @property
    def event(self) -> Body:
        """The event that woke the last path; the entry before."""
        return self.events.get(self.cursor.event_id, self.entry) if self.cursor.event_id is not None else self.entry

    def park(self, pending: Pending) -> None:
        self.token += 1
        self.pending = pending

    def unpark(self, left: Moment) -> None:
        """The step is left."""
        self.token += 1
        self.pending = None
        self.left = max(self.left, left)

    def stale(self, fact: Fact) -> bool:
        """Whether a fact is what became of an earlier round's message."""
        return fact.source == "receipt" and fact.visit < self.newest.get(fact.name, 1)

    def context(self, profile: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What references see."""
        return {"entry": self.entry, "event": self.event, "profile": profile, "results": self.results}
