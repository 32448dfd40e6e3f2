"""Entering a journey on the virtual clock: keys, re-entry, `only_if` and caps, with the reasons that the service gives."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from journeys.identity import enrolment_id
from journeys.model import Journey, ReentryAfter
from journeys.reentry import again_from, places
from journeys.refs import MISSING, resolve
from journeys.simulation.being import Being
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.facts import Body, Moment
from journeys.simulation.listening import exits_of, goal_of
from journeys.simulation.stage import Context, Stage

LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class Admitted:
    """An enrolment, and when it begins: later than now where the cap per hour has no place."""

    run: Enrolment
    begins: datetime


@dataclass(slots=True)
class Doors:
    """Who enters. Remembers across people only what caps count."""

    stage: Stage
    _entered: dict[str, int] = field(default_factory=dict)
    _places: dict[str, list[datetime]] = field(default_factory=dict)

    def admit(
        self, being: Being, journey: Journey, entry: Body, when: Moment, running: Collection[str] | None = None, key: str = ""
    ) -> Admitted | str | None:
        """The enrolment, or why there is none; None where this very trigger let them in before.

        `running`: ids of those that ran before what happened now; those that run where left out.
        """

        def sees(refs: Iterable[str]) -> Context:
            return {"entry": entry, "event": entry, "profile": being.seen_by(refs), "results": {}}

        if not key and journey.entry.key is not None:
            found = resolve(journey.entry.key, sees([journey.entry.key]))
            if found is MISSING:
                return f"there is no {journey.entry.key}, the entry key"
            key = str(found)
        if len(key) > LONGEST_KEY:
            return f"{journey.entry.key}, the entry key, is longer than {LONGEST_KEY} characters"
        past = being.past.setdefault((journey.key, key), [])
        if any(run.entry["id"] == entry["id"] for run in past):
            return None
        only_if = journey.entry.only_if
        if only_if is not None and not being.ask(self.stage.question(only_if, sees), when[0]).matches:
            return "only_if does not hold"
        refusal = self._refusal(being, journey, past, when[0], running)
        if refusal is not None:
            return refusal
        begins = self._place(journey, when[0])
        if begins is None:
            assert journey.entry.caps is not None
            return f"the journey is full: {journey.entry.caps.in_all} have entered, its cap in all"
        number = len(past) + 1
        identifier = enrolment_id(journey.key, being.id, key, number)
        run = Enrolment(identifier, journey, key, number, entry, when[0], when)
        run.exits = exits_of(journey, self.stage, sees)
        run.goal = goal_of(journey, self.stage, sees, when[0], being.zone(journey.zone)[0])
        past.append(run)
        return Admitted(run, begins)

    def _refusal(
        self, being: Being, journey: Journey, past: list[Enrolment], now: datetime, running: Collection[str] | None
    ) -> str | None:
        rule = journey.entry.reentry
        under_way = _any_runs(past, running)
        match rule:
            case "never":
                return "entered before, and re-entry is 'never'" if past else None
            case "when-finished":
                return "is still under way, and re-entry is 'when-finished'" if under_way else None
            case "always":
                return None
            case ReentryAfter():
                if under_way:
                    return f"is still under way, and re-entry is after {rule.after.text}"
                if not past:
                    return None
                last = past[-1]
                zone, _ = being.zone(journey.zone)
                again = again_from(rule, entered_at=last.entered_at, ended_at=last.ended_at or now, zone=zone)
                return None if now >= again else f"re-entry is after {rule.after.text}, counted from the last {rule.since}"
            case _:
                assert_never(rule)

    def _place(self, journey: Journey, now: datetime) -> datetime | None:
        """When somebody who enters now begins; None where nobody enters any more."""
        caps = journey.entry.caps
        if caps is None:
            return now
        entered = self._entered.get(journey.key, 0)
        if caps.in_all is not None and entered >= caps.in_all:
            return None
        self._entered[journey.key] = entered + 1
        if caps.per_hour is None:
            return now
        taken = self._places.setdefault(journey.key, [])
        begins = places(taken, 1, caps.per_hour, now)[0]
        taken.append(begins)
        return begins


def _any_runs(past: Iterable[Enrolment], running: Collection[str] | None) -> bool:
    return any(run.running if running is None else run.id in running for run in past)
