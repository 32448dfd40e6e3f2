"""The journeys service: what the worker asks of it. Answers to steps are `journeys.outcome.Outcome`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.base import Wire

# Names that the service and the workflow share: the service starts and signals by name only.
WORKFLOW = "Enrolment"
SIGNAL_MATCHED = "matched"
SIGNAL_INTERRUPT = "interrupt"
SIGNAL_REFRESH = "refresh"
SIGNAL_MOVE = "move"
TASK_QUEUE = "reis"


class EnrolmentInput(Wire):
    """What a workflow starts with: ids only. `journey` is the content hash of the pinned version.

    `carried` is the workflow's own state after a continue-as-new.
    """

    enrolment_id: UUID
    journey: str
    carried: dict[str, JsonValue] | None = None


class MatchedSignal(Wire):
    """An event, receipt or profile change met a registered wait."""

    step: str
    visit: int
    path: str
    event_id: str


class InterruptSignal(Wire):
    """An exit criterion was met, the goal ends the journey, or somebody ended the enrolment."""

    reason: Literal["exit", "goal", "ended"]
    event_id: str


class RefreshSignal(Wire):
    """What a wait rests on has changed (a date, the definition, the end of a pause): ask the service again."""

    step: str
    visit: int


class MoveSignal(Wire):
    """The enrolment goes on in the version of this content hash, at `step`; None: where it is.

    `offset` is the highest visit that was decided so far.
    """

    journey: str
    step: str | None = None
    offset: int = 0


class StepItem(Wire):
    """One step of one enrolment. `event_id` is the event that last woke a path (ref `event`), `journey` the content hash of the
    version that the workflow is in: one that has yet to hear of its move is told to wait for it.

    `confirm` asks whether a deadline that was answered before is really due: on an accelerated clock it may
    not be, and an event that came in time may still be on its way. `rounds` are those that were completed of the repetitions
    that the step lies in.
    """

    enrolment_id: UUID
    step: str
    visit: int
    event_id: str | None = None
    journey: str | None = None
    confirm: bool = False
    rounds: dict[str, int] = Field(default_factory=dict)


class StepItems(Wire):
    """`POST /v1/steps`, up to 200 at once. Each is decided once and kept under (enrolment, step, visit)."""

    items: tuple[StepItem, ...] = Field(max_length=200)


class FinishItem(Wire):
    """The workflow's last word on an enrolment."""

    enrolment_id: UUID
    reason: str
    event_id: str | None = None


class FinishItems(Wire):
    """`POST /v1/finishes`, up to 200 at once; repeating is harmless."""

    items: tuple[FinishItem, ...] = Field(max_length=200)


class EnrolRequest(Wire):
    """`POST /v1/journeys/{key}/enrolments`: entry by API. The same `idempotency_key` enters once."""

    profile_id: UUID
    idempotency_key: str
    entry_key: str = ""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    at: datetime | None = None


COHORT_WORKFLOW = "Cohort"


class CohortInput(Wire):
    """What a cohort's workflow starts with, and what its activity sends."""

    cohort_id: UUID


class CohortProgress(Wire):
    """`POST /v1/cohorts/{id}/advance`: one batch further. `wake_at` (real): when to ask again, none for at once.

    Only a cohort whose `state` is running is asked again.
    """

    state: Literal["running", "paused", "cancelled", "done", "missed"]
    taken: int
    wake_at: datetime | None = None


class BackfillRequest(Wire):
    """`POST /v1/journeys/{key}/backfill`: everybody who is a member of the segment now enters.

    `segment` is the entry's own where left out. The same `idempotency_key` is the same back-fill. `dry_run` only counts.
    """

    segment: str | None = None
    per_hour: int | None = Field(default=None, ge=1)
    dry_run: bool = False
    idempotency_key: str = Field("", max_length=200)
