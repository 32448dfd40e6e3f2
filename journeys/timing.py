"""When a wait ends: pure resolution of durations, dates, times of day and windows, in the person's zone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from conditions.problems import Problem
from pydantic import JsonValue

from journeys.model import Timeout, Wait


@dataclass(frozen=True, slots=True)
class Instant:
    """The wait ends at this instant (UTC); one that is not after now ends at once."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """The instant lies too far in the past, or there is none (`due` None); the step's policy, ready for a PastDue outcome."""

    due: datetime | None
    action: Literal["continue", "exit", "goto"]
    target: str | None = None


def zone_of(profile_zone: str | None, journey_zone: str | None, workspace_zone: str) -> tuple[ZoneInfo, Problem | None]:
    """The first valid zone of profile, journey, workspace (else UTC), and a warning where one was invalid and passed over."""
    raise NotImplementedError


def parse_anchor(value: JsonValue, zone: ZoneInfo) -> datetime | None:
    """A date value as an instant: dates and datetimes without offset are on the wall clock of `zone`; None where unreadable."""
    raise NotImplementedError


def resolve_wait(step: Wait, *, entered_at: datetime, now: datetime, anchor: datetime | None, zone: str) -> Instant | Past:
    """When a wait entered at `entered_at` ends. `anchor` is the value of `until`, by `parse_anchor` (None: missing)."""
    raise NotImplementedError


def past_due(step: Wait, due: datetime | None, now: datetime) -> Past | None:
    """The step's policy where `due` lies more than `late_by` before now, or there is no date."""
    raise NotImplementedError


def resolve_timeout(timeout: Timeout, *, entered_at: datetime, anchor: datetime | None, zone: str) -> Instant | None:
    """When a `wait_for` times out (perhaps already); None where its date is missing and it has no default: it waits on."""
    raise NotImplementedError
