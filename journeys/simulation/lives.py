"""Enrolments under way: from step to step, waiting, woken, met, interrupted, ended."""

from datetime import datetime
from functools import partial

from journeys.engine import Finish, advance, plan
from journeys.model import Call, StartJourney, Wait, WaitFor
from journeys.moving import ENDLESS, turned
from journeys.outcome import Matched, Outcome, PastDue, TimedOut, Woke
from journeys.simulation.agenda import Agenda, Rank
from journeys.simulation.being import Being
from journeys.simulation.circles import comes_by_itself
from journeys.simulation.deciding import Decider
from journeys.simulation.enrolment import Enrolment, Pending
from journeys.simulation.facts import Fact
from journeys.simulation.listening import Listener
from journeys.simulation.people import CallAnswered
from journeys.simulation.telling import Teller
from journeys.simulation.waiting import outcome_of
from journeys.timing import Past

WOKE, TIMED_OUT = Woke(), TimedOut()


class Lives:
    """Moves enrolments. What a step does is told at once and may end it; others that it sets going come when it waits or ends."""

    def __init__(self, agenda: Agenda, decider: Decider, teller: Teller) -> None:
        self._agenda = agenda
        self._decider = decider
        self._teller = teller

    def begin(self, being: Being, run: Enrolment) -> None:
        """The first step comes."""
        run.begun = True
        self._passed(run)
        self._drive(being, run)

    def look_back(self, being: Being, run: Enrolment) -> None:
        """Exit rules that are met on entry by what is so: traits, memberships, conditions. What happened before meets none."""
        for listener in run.exits:
            if listener.source == "condition":
                met = self._ask(being, run, listener, exits=True)
            else:
                met = listener.stands(being.traits, being.segments, run.since, run.id)
            if met:
                self._interrupt(being, run, listener, None)
                return

    def answered(self, being: Being, answered: CallAnswered) -> None:
        """A script's answer to a call that is under way, the last one to all of them; one that comes before is kept for it."""
        given = False
        for run in list(being.enrolments):
            pending, step = run.pending, run.journey.index.steps.get(run.cursor.step or "")
            if pending is None or not isinstance(step, Call) or not self._decider.caller.meant(answered, run, step.id):
                continue
            if pending.kind == "call" and pending.settled is None:
                if given and self._decider.caller.more(being, run, step.id, self._agenda.now):
                    return
                given = True
                pending.settled = self._decider.caller.tried(being, run, step, answered, self._agenda.now)
                if pending.settled is not None:
                    self._wake(being, run, run.token)
        if not given:
            being.answers.append(answered)

    def offer(self, being: Being, run: Enrolment, fact: Fact) -> None:
        """Exits win over the goal, and both over the wait."""
        if run.running:
            for listener in run.exits:
                if listener.met_by(fact, run.id) or (listener.concerned(fact) and self._ask(being, run, listener, exits=True)):
                    self._interrupt(being, run, listener, fact)
                    return
        goal = run.goal
        if goal is not None and run.goal_at is None and goal.met_by(fact, run.id):
            run.goal_at = fact.at
            self._teller.line(run, self._agenda.now, "goal met", None, 0, {"path": goal.path}, fact.body)
            if goal.path == "exit" and run.running:
                self._interrupt(being, run, goal, fact)
                return
        pending = run.pending
        if not run.running or pending is None:
            return
        if pending.kind == "wait_for" and not run.stale(fact):
            for listener in pending.listeners:
                if listener.met_by(fact, run.id) and listener.takes(fact) not in run.taken:
                    self._take(being, run, listener, fact)
                    return
                if listener.concerned(fact) and self._ask(being, run, listener, exits=False):
                    return
        if fact.source == "profile" or (fact.source == "event" and pending.follows):
            self._follow(being, run, pending)

    def _ask(self, being: Being, run: Enrolment, listener: Listener, *, exits: bool) -> bool:
        """Asks a condition, and again when time alone changes it. A wait whose condition holds is met."""
        assert listener.question is not None
        listener.answer = being.ask(listener.question, self._agenda.now)
        if listener.answer.matches:
            listener.token += 1
            if not exits:
                self._take(being, run, listener, self._decider.waits.holds(run, listener, self._agenda.tick()))
            return True
        self._ask_later(being, run, listener, exits=exits)
        return False

    def _ask_later(self, being: Being, run: Enrolment, listener: Listener, *, exits: bool) -> None:
        """When time alone changes what was just answered."""
        listener.token += 1
        if listener.answer is not None and listener.answer.next_change is not None:
            again = partial(self._ask_again, being, run, listener, listener.token, exits=exits)
            self._agenda.plan(listener.answer.next_change, Rank.CHANGE, being, again)

    def _ask_again(self, being: Being, run: Enrolment, listener: Listener, token: int, *, exits: bool) -> None:
        gone = not exits and (run.pending is None or listener not in run.pending.listeners)
        if token != listener.token or not run.running or gone:
            return
        if self._ask(being, run, listener, exits=exits) and exits:
            self._interrupt(being, run, listener, None)

    def _take(self, being: Being, run: Enrolment, listener: Listener, fact: Fact) -> None:
        assert run.cursor.step is not None
        self._decider.waits.met(run, listener, fact, run.cursor.step, run.cursor.visit, self._agenda.now)
        met_at = self._agenda.now if listener.source == "condition" else None
        by_itself = comes_by_itself(fact.body)
        self._resume(being, run, Matched(path=listener.path, event_id=fact.id), met_at, by_itself=by_itself)

    def _follow(self, being: Being, run: Enrolment, pending: Pending) -> None:
        """A wait follows its date, and the person into another zone."""
        if pending.kind not in ("sleep", "wait_for"):
            return
        step = run.journey.index.steps[run.cursor.step or ""]
        assert isinstance(step, Wait | WaitFor)
        found = self._decider.waits.again(being, run, step, pending, self._agenda.now)
        if found == pending.until:
            return
        outcome = outcome_of(found) if isinstance(found, Past) else {} if found is None else {"until": found}
        seen = {"instead_of": pending.until.isoformat() if pending.until else None}
        self._teller.line(run, self._agenda.now, "followed", step.id, run.cursor.visit, outcome, seen)
        if isinstance(found, Past):
            self._resume(being, run, PastDue(action=found.action, target=found.target))
        else:
            pending.until = found
            run.token += 1
            self._wake_later(being, run)

    def _drive(self, being: Being, run: Enrolment) -> None:
        """From step to step until something is to be waited for; whoever a step sets going comes after that."""
        while run.running and run.begun and run.pending is None:
            effect = plan(run.journey, run.cursor)
            if isinstance(effect, Finish):
                self._finish(being, run, effect.reason)
                return
            if self._agenda.crowded(being):
                self.give_up(being)
                return
            step = run.journey.index.steps[effect.step_id]
            if run.rests.turns(step, self._agenda.now):
                self._teller.line(
                    run, self._agenda.now, "circle", step.id, effect.visit, {"reason": ENDLESS}, {"reason": turned(step)}
                )
                self._finish(being, run, ENDLESS)
                return
            outcome = self._decider.decide(being, run, step, effect.visit)
            if isinstance(outcome, Pending):
                self._park(being, run, outcome)
                return
            if run.ended_at is not None:  # what this very step did has ended it
                return
            run.rests.passed(step, self._agenda.now, outcome, run.events)
            run.left = max(run.left, self._agenda.tick())
            self._advance(run, outcome)

    def _park(self, being: Being, run: Enrolment, pending: Pending) -> None:
        if not run.running:
            return
        run.park(pending)
        if pending.kind == "wait_for":
            for listener in pending.listeners:
                self._ask_later(being, run, listener, exits=False)
        if pending.kind == "child":
            assert run.child is not None
            if not run.child.running:
                self._child_ended(being, run)
                return
        self._wake_later(being, run)

    def _wake_later(self, being: Being, run: Enrolment) -> None:
        until = run.pending.until if run.pending is not None else None
        if until is not None:
            self._agenda.plan(until, Rank.TIMER, being, partial(self._wake, being, run, run.token))

    def _wake(self, being: Being, run: Enrolment, token: int) -> None:
        pending = run.pending
        if token != run.token or not run.running or pending is None:
            return
        step, visit = run.cursor.step, run.cursor.visit
        match pending.kind:
            case "sleep":
                self._teller.line(run, self._agenda.now, "woke", step, visit, {}, {})
                self._resume(being, run, WOKE)
            case "wait_for":
                self._teller.line(run, self._agenda.now, "timed_out", step, visit, {"path": "timeout"}, {})
                self._resume(being, run, TIMED_OUT)
            case "call":
                assert pending.settled is not None
                assert step is not None
                run.results[step] = pending.settled.result
                self._resume(being, run, Matched(path=pending.settled.path, event_id=f"{run.id}:{step}:{visit}"))
            case "deferred" | "child":
                run.rests.rested()
                run.token += 1
                run.pending = None
                self._drive(being, run)

    def _resume(
        self, being: Being, run: Enrolment, outcome: Outcome, met_at: datetime | None = None, *, by_itself: bool = False
    ) -> None:
        """The wait is over (`met_at`: by a condition; `by_itself`: by a message's outcome that nobody brings about).

        What happened until now counts for the next one where time ended it.
        """
        pending = run.pending
        assert pending is not None
        step = run.journey.index.steps[run.cursor.step or ""]
        if isinstance(step, Call | StartJourney) and isinstance(outcome, Matched):
            result = run.results.get(step.id)
            seen = result if isinstance(result, dict) else {}
            self._teller.line(run, self._agenda.now, "wait met", step.id, run.cursor.visit, {"path": outcome.path}, dict(seen))
            run.rests.answered(pending.entered_at, self._agenda.now)
        run.rests.left(step, pending.entered_at, pending.until, met_at, by_itself=by_itself)
        run.unpark((min(pending.until or self._agenda.now, self._agenda.now), 0))
        event_id = run.cursor.event_id
        self._advance(run, outcome)
        assert isinstance(step, WaitFor) or run.cursor.event_id == event_id
        self._agenda.then(being, partial(self._drive, being, run))

    def _advance(self, run: Enrolment, outcome: Outcome) -> None:
        run.cursor = advance(run.journey, run.cursor, outcome, self._agenda.now, run.passed)
        self._passed(run)

    def _passed(self, run: Enrolment) -> None:
        for step in run.passed:
            self._teller.passed(run, step)
        run.passed.clear()

    def _interrupt(self, being: Being, run: Enrolment, listener: Listener, fact: Fact | None) -> None:
        if listener is not run.goal:
            self._teller.line(
                run, self._agenda.now, "exit met", None, 0, {"path": listener.path}, {} if fact is None else fact.body
            )
        run.cancelled = True
        self._finish(being, run, listener.reason)

    def _finish(self, being: Being, run: Enrolment, reason: str) -> None:
        run.ended_at, run.reason, run.pending = self._agenda.now, reason, None
        run.token += 1
        if run.goal is None or run.goal.until is None or run.goal_at is not None or run.goal.until < self._agenda.now:
            being.enrolments.remove(run)
        self._teller.line(run, self._agenda.now, "ended", None, 0, {"reason": reason}, {})
        if run.parent is not None and run.parent.child is run:
            self._agenda.then(being, partial(self._child_ended, being, run.parent))

    def _child_ended(self, being: Being, parent: Enrolment) -> None:
        child, step = parent.child, parent.cursor.step
        if child is None or parent.pending is None or parent.pending.kind != "child" or step is None:
            return
        parent.child = None
        parent.results[step] = {"reason": child.reason, "goal_reached": child.goal_at is not None}
        self._resume(being, parent, Matched(path="ended", event_id=f"{parent.id}:{step}:{parent.cursor.visit}"))

    def give_up(self, being: Being) -> None:
        for run in [each for each in being.enrolments if each.running]:
            self._finish(being, run, ENDLESS)
