"""Deciding waits on the virtual clock: until when, for what, and what of it has happened already."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from journeys.model import DateRef, Until, Wait, WaitFor
from journeys.outcome import Match, Outcome, PastDue, Waiting
from journeys.refs import MISSING, resolve
from journeys.simulation.being import Being
from journeys.simulation.circles import CONDITION_MET
from journeys.simulation.enrolment import Enrolment, Pending
from journeys.simulation.facts import Fact, Moment
from journeys.simulation.listening import Listener, paths_of
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Teller
from journeys.splitting import draw
from journeys.timing import Past, parse_anchor, resolve_timeout, resolve_wait


def anchor(until: Until | None, being: Being, run: Enrolment, zone: ZoneInfo, seen: dict[str, Any]) -> datetime | None:
    """The date that `until` leads to; None where there is none. It is seen."""
    if not isinstance(until, DateRef):
        return parse_anchor(until, zone) if until is not None else None
    found = resolve(until.ref, run.context(being.seen_by([until.ref])))
    seen[until.ref] = None if found is MISSING else found
    return None if found is MISSING else parse_anchor(found, zone)  # type: ignore[arg-type]


class Waits:
    """Decides `wait` and `wait_for`."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._teller = teller

    def wait(self, being: Being, run: Enrolment, step: Wait, visit: int, now: datetime) -> Outcome | Pending:
        """Asleep until its instant, or what its policy says where that is past."""
        found, seen = self._wait_ends(being, run, step, visit, now, now)
        if isinstance(found, Past):
            due = found.due.isoformat() if found.due else None
            self._teller.line(run, now, "past_due", step.id, visit, outcome_of(found), seen | {"due": due})
            return PastDue(action=found.action, target=found.target)
        self._teller.line(run, now, "sleep", step.id, visit, {"until": found}, seen)
        return Pending("sleep", now, found, (), _follows(step.until))

    def wait_for(self, being: Being, run: Enrolment, step: WaitFor, visit: int, when: Moment) -> Outcome | Pending:
        """Waiting, with a listener per path, unless what it waits for has happened."""
        now = when[0]
        deadline, seen = self._times_out(being, run, step, now)
        listeners = paths_of(step, self._stage, lambda refs: run.context(being.seen_by(refs)))
        until = {"until": deadline} if deadline is not None else {}
        self._teller.line(run, now, "waiting", step.id, visit, until, seen)
        hit = self._missed(being, run, step, listeners, now)
        if hit is None:
            follows = _follows(step.timeout.until if step.timeout is not None else None)
            return Pending("wait_for", now, deadline, listeners, follows)
        listener, fact = hit
        self.met(run, listener, fact, step.id, visit, now)
        return Waiting(matched=Match(path=listener.path, event_id=fact.id))

    def met(self, run: Enrolment, listener: Listener, fact: Fact, step: str, visit: int, now: datetime) -> None:
        """A path of a wait is taken."""
        run.taken.setdefault(listener.takes(fact), set()).add(step)
        run.events[fact.id] = told = fact.body
        self._teller.line(run, now, "wait met", step, visit, {"path": listener.path}, told)

    def again(
        self, being: Being, run: Enrolment, step: Wait | WaitFor, pending: Pending, now: datetime
    ) -> Past | datetime | None:
        """When a wait under way ends, now that what it rests on has changed."""
        if isinstance(step, WaitFor):
            return self._times_out(being, run, step, pending.entered_at)[0]
        return self._wait_ends(being, run, step, run.cursor.visit, pending.entered_at, now)[0]

    @staticmethod
    def holds(run: Enrolment, listener: Listener, when: Moment) -> Fact:
        """The fact that a condition was found to hold."""
        name = f"{run.id}:{run.cursor.step or ''}:{run.cursor.visit}:{listener.path}"
        return Fact(name, "profile", "", CONDITION_MET, {}, when)

    def _missed(
        self, being: Being, run: Enrolment, step: WaitFor, listeners: tuple[Listener, ...], now: datetime
    ) -> tuple[Listener, Fact] | None:
        """What happened the earliest, of that and the conditions that hold now the first in the paths' order."""
        since = run.since if step.since == "entry" else run.left
        taken = {event for event, by in run.taken.items() if step.since == "step" or step.id in by}
        facts: dict[str, Fact] = {}
        for listener in listeners:
            if listener.source == "receipt":
                sent = run.receipts.get(listener.name, ())
                facts |= {fact.id: fact for fact in sent if not run.stale(fact)}
            elif listener.source != "condition":
                known = being.facts.get(f"{listener.source}:{listener.name}", ())
                facts |= {fact.id: fact for fact in known if fact.when >= since}
        back = next(
            (
                (listener, fact)
                for fact in sorted(facts.values(), key=lambda each: each.when)
                for listener in listeners
                if listener.met_by(fact, run.id) and listener.takes(fact) not in taken
            ),
            None,
        )
        for listener in listeners:
            if back is not None and listener is back[0]:
                break
            if listener.question is not None:
                listener.answer = being.ask(listener.question, now)
                if listener.answer.matches:
                    return listener, self.holds(run, listener, (now, 0))
        return back

    def _wait_ends(
        self, being: Being, run: Enrolment, step: Wait, visit: int, entered_at: datetime, now: datetime
    ) -> tuple[datetime | Past, dict[str, Any]]:
        zone, seen = self._zone(being, run)
        date = anchor(step.until, being, run, zone, seen)
        if date is None and isinstance(step.until, DateRef) and step.until.default is not None:
            seen["default"] = str(step.until.default.after)
        drawn = draw(run.id, step.id, visit) if step.between is not None else 0.0
        found = resolve_wait(step, entered_at=entered_at, now=now, anchor=date, zone=zone, drawn=drawn)
        return (found if isinstance(found, Past) else found.at), seen

    def _times_out(
        self, being: Being, run: Enrolment, step: WaitFor, entered_at: datetime
    ) -> tuple[datetime | None, dict[str, Any]]:
        if step.timeout is None:
            return None, {}
        zone, seen = self._zone(being, run)
        date = anchor(step.timeout.until, being, run, zone, seen)
        end = resolve_timeout(step.timeout, entered_at=entered_at, anchor=date, zone=zone)
        return (None if end is None else end.at), seen

    @staticmethod
    def _zone(being: Being, run: Enrolment) -> tuple[ZoneInfo, dict[str, Any]]:
        zone, problem = being.zone(run.journey.zone)
        return zone, {"zone": zone.key} if problem is None else {"zone": zone.key, "zone_problem": problem}


def _follows(until: Until | None) -> bool:
    return isinstance(until, DateRef) and until.ref.startswith("profile.computed.")


def outcome_of(past: Past) -> dict[str, Any]:
    """What the policy says of a wait whose instant has passed."""
    return {"action": past.action} | ({"target": past.target} if past.target else {})
