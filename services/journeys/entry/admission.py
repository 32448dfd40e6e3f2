"""Who may enter: a journey's rules held against what is known of somebody. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, assert_never
from uuid import UUID

from pydantic import JsonValue

from journeys import MISSING, Journey, resolve
from journeys.model import ReentryAfter
from journeys.reentry import again_from, asks_for_zone
from journeys.timing import find_zone
from services.journeys.steps.facts import traits_context
from services.journeys.waits.clocks import days_differ
from services.journeys.waits.criteria import criteria_refs, names_computed, profile_refs

LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What other services said about somebody who met a trigger: whether `only_if` holds, the values seen, their zone."""

    matches: bool
    seen: dict[str, Any]
    zone: str


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody who met a journey's entry trigger. `look_back`: criteria may have been met before they are registered.

    `asked` is None while nobody was asked (see `needs_asking`); `traits_known`: `traits` are theirs, and not merely none yet. One
    of a cohort is taken through the first steps by it. `version_chosen`: by a person, so that a canary changes nothing.
    """

    journey: Journey
    version: str
    profile_id: UUID
    entry: dict[str, Any]
    at: datetime
    traits: dict[str, JsonValue]
    position: str | None = None
    look_back: bool = False
    key: str | None = None
    asked: Asked | None = None
    cohort_id: UUID | None = None
    computed: dict[str, JsonValue] = field(default_factory=dict)
    traits_known: bool = False
    version_chosen: bool = False

    @property
    def event_id(self) -> str:
        """What the trigger is known by: the same one enters a journey once."""
        return str(self.entry["id"])

    @property
    def zone(self) -> tzinfo:
        """Where days are counted; UTC where nobody was asked because it is the same everywhere."""
        return (find_zone(self.asked.zone) if self.asked is not None else None) or UTC

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """What references see at entry."""
        return traits_context(self.profile_id, self.entry, self.traits, self.computed)


@dataclass(slots=True)
class Past:
    """What a person went through under one key: how often, and the newest run's instants. `entries` are ids of triggers."""

    number: int = 0
    running: bool = False
    entries: set[str] = field(default_factory=set)
    entered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody does not enter, with the values that it rests on."""

    entrant: Entrant
    reason: str
    seen: dict[str, Any] = field(default_factory=dict)


def needs_asking(entrant: Entrant) -> bool:
    """Whether other services know what an entry rests on: a condition, the zone that days are counted in, or what the key, an
    exit criterion or the goal names of the profile."""
    journey = entrant.journey
    if journey.entry.only_if is not None or asks_for_zone(journey.entry):
        return True
    refs = fixed_refs(journey)
    if names_computed(refs) or (refs and not entrant.traits_known):
        return True
    within = journey.goal.within if journey.goal is not None else None
    return within is not None and days_differ(entrant.at, within)


def fixed_refs(journey: Journey) -> frozenset[str]:
    """What is named of the profile and fixed on entry: by the key, the exit criteria and the goal."""
    return criteria_refs(journey) | profile_refs([journey.entry.key] if journey.entry.key else [])


def entry_key(entrant: Entrant) -> str | None:
    """What tells two runs of one person apart: `""` without an entry key, None where its value is missing."""
    if entrant.key is not None:
        return entrant.key
    ref = entrant.journey.entry.key
    if ref is None:
        return ""
    found = resolve(ref, entrant.context)
    return None if found is MISSING else str(found)


def refusal_of_key(entrant: Entrant, key: str | None) -> Refused | None:
    """Why there is no such run, by its key alone."""
    name = entrant.journey.entry.key
    if key is None:
        return Refused(entrant, f"there is no {name}, the entry key")
    if len(key) > LONGEST_KEY:
        return Refused(entrant, f"{name}, the entry key, is longer than {LONGEST_KEY} characters")
    return None


def refusal(entrant: Entrant, past: Past) -> Refused | None:
    """Why somebody with this past does not enter; None: they do."""
    if entrant.asked is not None and not entrant.asked.matches:
        return Refused(entrant, "only_if does not hold", entrant.asked.seen)
    rule = entrant.journey.entry.reentry
    match rule:
        case "never":
            return Refused(entrant, "entered before, and re-entry is 'never'") if past.number else None
        case "when-finished":
            return Refused(entrant, "is still under way, and re-entry is 'when-finished'") if past.running else None
        case "always":
            return None
        case ReentryAfter():
            return _too_soon(entrant, rule, past)
        case _:
            assert_never(rule)


def _too_soon(entrant: Entrant, rule: ReentryAfter, past: Past) -> Refused | None:
    if past.running:
        return Refused(entrant, f"is still under way, and re-entry is after {rule.after.text}")
    if past.entered_at is None:
        return None
    ended_at = past.ended_at or entrant.at
    again = again_from(rule, entered_at=past.entered_at, ended_at=ended_at, zone=entrant.zone)
    if entrant.at >= again:
        return None
    since = past.entered_at if rule.since == "entry" else ended_at
    seen = {f"last_{rule.since}": since.isoformat(), "again_from": again.isoformat(), "zone": str(entrant.zone)}
    return Refused(entrant, f"re-entry is after {rule.after.text}, counted from the last {rule.since}", seen)
