"""Rulings: a decision before it is written, with what is to be written along with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.journeys.enrolments import Decision
from services.journeys.entry.entering import Entrant
from services.journeys.steps.calls import NewCall
from services.journeys.steps.cases import Case
from services.journeys.steps.results import Answer
from services.journeys.waits.listeners import Listener
from services.journeys.waits.watches import Watch


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, what it registers to wait for, the people it enters elsewhere, the calls it asks for.

    `answers` are known at once: a call that cannot be made, a journey that cannot be entered.
    """

    decision: Decision
    listeners: list[Listener] = field(default_factory=list)
    entrants: list[Entrant] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    calls: list[NewCall] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def decision_of(
    case: Case, kind: str, outcome: dict[str, Any], seen: dict[str, Any], at: datetime, deadline: datetime | None = None
) -> Decision:
    """The decision of this case's step, made at `at`."""
    enrolment = case.enrolment
    return Decision(enrolment.id, enrolment.journey, case.step.id, case.visit, kind, outcome, seen, at, deadline, case.arrived_at)
