"""What an explanation says: `GET /v1/explain`. Every part has a sentence (`text`) beside its data."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

FindingKind = Literal[
    "refused",
    "being_asked",
    "not_published",
    "did_not_exist_yet",
    "draining",
    "archived",
    "event_never_seen",
    "where_failed",
    "should_have_entered",
    "no_such_segment",
    "not_in_segment",
    "in_segment_before",
    "only_if",
    "full",
    "no_occasion_yet",
    "occasions_passed",
    "never_asked_for",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attempt(_Part):
    """One try of a message on one channel. `because`: why this channel's turn came."""

    channel: str
    status: str
    because: str = ""
    reason: str = ""
    at: datetime | None = None


class MessageFate(_Part):
    """What became of a message, as the channels service knows it; `status` is the furthest that any attempt got."""

    id: UUID
    template: str
    status: str
    channel: str | None = None
    reason: str = ""
    attempts: list[Attempt] = []


class WaitEnd(_Part):
    """What ended a wait: its time, an event (path and id), a criterion or a person; `at` when. None of a wait under way."""

    by: Literal["time", "event", "exit", "move"]
    at: datetime | None = None
    path: str | None = None
    event: str | None = None


class Line(_Part):
    """One thing that happened. `what`: entered, held, a decision's kind (sent, sleep, waiting, chose, …), an audit entry's
    action, or ended. `seen` are the values that it rested on, `late_seconds` how long after a wait's end it came."""

    at: datetime
    what: str
    text: str
    step: str | None = None
    visit: int | None = None
    outcome: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    until: datetime | None = None
    ended: WaitEnd | None = None
    late_seconds: float | None = None
    message: MessageFate | None = None
    who: str | None = None


class EnrolmentStory(_Part):
    """One life in the journey, from entry to end or to now. `version_number` is None for a version that is gone."""

    id: UUID
    version: str
    version_number: int | None
    entry_key: str
    number: int
    state: str
    reason: str | None
    entered_at: datetime
    ended_at: datetime | None
    goal_at: datetime | None
    held_until: datetime | None
    step: str | None
    due: datetime | None
    text: str
    entry: dict[str, Any]
    lines: list[Line]


class Finding(_Part):
    """One reason why the person did not enter, with the values it rests on."""

    kind: FindingKind
    text: str
    at: datetime | None = None
    seen: dict[str, Any] = {}


class Explanation(_Part):
    """All of somebody's enrolments in a journey, oldest first; `why_not` where there is none, and refusals in any case.

    `notes` name what could not be looked at: a service that does not answer takes its part only.
    """

    journey: str
    profile_id: UUID
    user_id: str | None = None
    entered: bool
    summary: str
    enrolments: list[EnrolmentStory]
    why_not: list[Finding]
    notes: list[str] = []
