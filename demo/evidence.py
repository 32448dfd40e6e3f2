"""What the audit looks at: what should be, and what every part of the system says is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

WorkflowState = Literal["running", "closed", "failed", "missing"]


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody who must be in a journey."""

    journey: str
    user_id: str
    entry_key: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """As the journeys service tells it. `waits_until` is the virtual instant that its wait ends at, if it waits for one."""

    id: str
    journey: str
    user_id: str
    entry_key: str
    state: str
    reason: str | None = None
    step: str | None = None
    waits_until: datetime | None = None

    @property
    def running(self) -> bool:
        return self.state != "ended"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a message on one channel, as the ledger has it. `held_until`: it waits until then for quiet hours to end."""

    id: str
    channel: str
    status: str
    number: int = 1
    because: str = ""
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerMessage:
    """A message as the channels service has it; `reason` says why it never left, if it did not."""

    id: str
    user_id: str
    enrolment: str
    journey: str
    step: str
    visit: int
    purpose: str
    attempts: tuple[Attempt, ...]
    reason: str = ""

    @property
    def fell_back(self) -> bool:
        """Whether a further channel was tried."""
        return any(attempt.number > 1 for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that reached the sandbox's phone or inbox, at a real instant."""

    id: str
    attempt: str | None
    channel: str
    user_id: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Somebody said stop on a channel, at a real instant."""

    user_id: str
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything, gathered at the virtual instant `now`."""

    now: datetime
    entrants: tuple[Entrant, ...]
    enrolments: tuple[Enrolment, ...]
    workflows: Mapping[str, WorkflowState]
    ledger: tuple[LedgerMessage, ...]
    letters: tuple[Letter, ...]
    consents: Mapping[str, frozenset[str]]
    accepted: Mapping[str, str] = field(default_factory=dict)
    """Ids of the messages that journeys were told are accepted, each with whose and which it is."""
    withdrawals: tuple[Withdrawal, ...] = ()
    duplicates: tuple[str, ...] = ()
    unsettled: Mapping[str, int] = field(default_factory=dict)
    """Work that had not settled in time, such as callbacks lost or workflows still to start: what, and how much."""
    paths: Mapping[str, int] = field(default_factory=dict)
    """Every way through the journeys, and how many people went there."""
