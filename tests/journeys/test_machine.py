"""One enrolment in a random sound journey, driven by random outcomes, ends, moves and migrations: a state machine."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from journeys import Cursor, Finish, Journey, Perform, advance, parse_journey, plan, resume, start
from journeys.flow import reachable
from journeys.model import Wait, WaitFor
from journeys.outcome import Chose, Ended, Moved, Outcome, TimedOut, Woke
from journeys.resting import Rest, ways
from tests.journeys.outcomes import NOW, outcomes
from tests.journeys.sound import sound_definitions


class Enrolment(RuleBasedStateMachine):
    """What a person lives through in one journey."""

    @initialize(definition=sound_definitions())
    def enter(self, definition: dict[str, Any]) -> None:
        self.journey: Journey = parse_journey(definition)
        self.cursor = start(self.journey)
        self.story: list[tuple[Outcome | tuple[str | None, int], Cursor]] = []
        self.decided: set[tuple[str, int]] = set()
        self.without_rest = 0
        self.arrive()

    def arrive(self) -> None:
        """Every arrival at a step is a new decision."""
        effect = plan(self.journey, self.cursor)
        if isinstance(effect, Perform):
            assert (effect.step_id, effect.visit) not in self.decided
            self.decided.add((effect.step_id, effect.visit))
            index = self.journey.index
            resting = any(rest is not Rest.NONE for _, rest in ways(index, index.steps[effect.step_id]))
            self.without_rest = 0 if resting else self.without_rest + 1
            assert self.without_rest <= len(self.journey.index.steps)
        else:
            assert effect.reason != "endless"

    def meet(self, outcome: Outcome) -> None:
        before = self.cursor
        self.cursor = advance(self.journey, before, outcome, NOW)
        self.story.append((outcome, self.cursor))
        if plan(self.journey, self.cursor) != plan(self.journey, before):
            self.arrive()
        else:
            assert self.cursor == before

    def highest(self) -> int:
        return max((visit for _, visit in self.decided), default=0)

    @precondition(lambda self: self.cursor.step is not None)
    @rule(data=st.data())
    def something_comes_of_the_step(self, data: st.DataObject) -> None:
        assert self.cursor.step is not None
        self.meet(data.draw(outcomes(self.journey.index.steps[self.cursor.step])))

    @precondition(lambda self: self.cursor.step is not None)
    @rule()
    def time_passes_until_every_wait_ends(self) -> None:
        assert self.cursor.step is not None
        step = self.journey.index.steps[self.cursor.step]
        if isinstance(step, Wait) or (isinstance(step, WaitFor) and step.timeout is not None):
            before = plan(self.journey, self.cursor)
            self.meet(Woke() if isinstance(step, Wait) else TimedOut())
            assert plan(self.journey, self.cursor) != before

    @precondition(lambda self: self.cursor.step is not None and len(self.story) > 6)
    @rule(reason=st.sampled_from(["Account Closed", "erased"]))
    def an_exit_criterion_wins_at_once_wherever_the_person_stands(self, reason: str) -> None:
        self.meet(Ended(reason=reason))
        assert plan(self.journey, self.cursor) == Finish(reason)

    @precondition(lambda self: self.cursor.step is None)
    @rule(outcome=st.sampled_from([Woke(), Chose(path="otherwise"), TimedOut(), Ended(reason="late"), Moved(target="s0")]))
    def whatever_comes_late_moves_nobody(self, outcome: Outcome) -> None:
        before = self.cursor
        self.meet(outcome)
        assert self.cursor == before

    @rule(data=st.data())
    @precondition(lambda self: self.cursor.step is not None)
    def somebody_moves_the_person_by_hand(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(sorted(self.journey.index.steps)))
        offset = self.highest()
        self.cursor = resume(self.journey, self.cursor, target, offset)
        self.story.append(((target, offset), self.cursor))
        self.without_rest = 0
        self.arrive()

    @rule()
    @precondition(lambda self: self.cursor.step is not None)
    def a_new_version_finds_the_person_at_the_same_step_and_decision(self) -> None:
        before, offset = plan(self.journey, self.cursor), self.highest()
        moved = resume(self.journey, self.cursor, None, offset)
        assert plan(self.journey, moved) == before
        self.cursor = moved
        self.story.append(((None, offset), moved))

    @rule(data=st.data())
    @precondition(lambda self: self.cursor.step is not None)
    def an_answer_may_send_the_person_elsewhere(self, data: st.DataObject) -> None:
        index = self.journey.index
        decided = {step for step, _ in self.decided}
        # A policy leads forward: whoever is to come by again is moved by `resume`, with an offset.
        fresh = sorted(step for step in index.steps if decided.isdisjoint(reachable(index, step)))
        if fresh:
            self.without_rest = 0
            self.meet(Moved(target=data.draw(st.sampled_from(fresh))))

    @invariant()
    def the_person_is_in_one_place_or_done(self) -> None:
        cursor = getattr(self, "cursor", None)
        if cursor is not None:
            assert (cursor.step is None) is (cursor.finished is not None)
            assert cursor.step is None or cursor.step in self.journey.index.steps
            assert Cursor.model_validate_json(cursor.model_dump_json()) == cursor

    def teardown(self) -> None:
        """The same inputs give the same story."""
        cursor = start(self.journey) if hasattr(self, "journey") else Cursor()
        for happened, after in getattr(self, "story", ()):
            if isinstance(happened, tuple):
                cursor = resume(self.journey, cursor, *happened)
            else:
                cursor = advance(self.journey, cursor, happened, NOW)
            assert cursor == after


TestEnrolment = Enrolment.TestCase
TestEnrolment.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)
