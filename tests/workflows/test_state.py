"""What a workflow remembers."""

from datetime import UTC, datetime

from contracts.journeys import InterruptSignal, MatchedSignal
from journeys.cursor import Cursor
from journeys.outcome import Done, Matched, TimedOut
from workflows.state import KEPT_SIGNALS, EnrolmentState, Pending

AT = datetime(2026, 3, 1, tzinfo=UTC)


def _signal(event: str, visit: int = 1, step: str = "w") -> MatchedSignal:
    return MatchedSignal(step=step, visit=visit, path="p", event_id=event)


def _waiting() -> EnrolmentState:
    return EnrolmentState(cursor=Cursor(step="w"), pending=Pending(kind="wait_for", wake_at=AT))


def test_the_first_signal_of_a_wait_counts() -> None:
    state = _waiting()
    state.take(_signal("a"))
    state.take(_signal("b"))
    assert state.match == _signal("a")


def test_signals_of_a_wait_that_is_over_are_dropped_whatever_their_id() -> None:
    state = _waiting()
    state.take(_signal("a"))
    state.take(_signal("later", visit=2))
    state.move(Cursor(step="s"), Matched(path="p", event_id="a"))
    state.take(_signal("a"))
    state.take(_signal("b"))
    assert state.matched == [_signal("later", visit=2)]


def test_a_timeout_ends_a_wait_as_well() -> None:
    state = _waiting()
    state.move(Cursor(step="s"), TimedOut())
    state.take(_signal("a"))
    assert state.matched == []


def test_a_step_that_is_no_wait_leaves_signals_alone() -> None:
    state = EnrolmentState(cursor=Cursor(step="s"))
    state.take(_signal("a"))
    state.move(Cursor(step="w"), Done())
    assert state.matched == [_signal("a")]
    assert state.passed == {}


def test_a_sleep_is_not_ended_by_a_signal() -> None:
    state = EnrolmentState(cursor=Cursor(step="w"), pending=Pending(kind="sleep", wake_at=AT))
    state.take(_signal("a"))
    assert state.match is None


def test_the_first_interrupt_is_the_reason() -> None:
    state = _waiting()
    state.stop(InterruptSignal(reason="goal", event_id="g"))
    state.stop(InterruptSignal(reason="exit", event_id="x"))
    assert state.interrupt is not None
    assert state.interrupt.reason == "goal"


def test_what_is_carried_over_comes_back_whole() -> None:
    state = _waiting()
    state.passed = {"earlier": 3}
    state.take(_signal("a"))
    state.take(_signal("b", visit=2))
    state.stop(InterruptSignal(reason="ended", event_id="e"))
    assert EnrolmentState.model_validate(state.carried()) == state


def test_signals_that_no_wait_asks_for_do_not_pile_up() -> None:
    state = _waiting()
    for visit in range(2, KEPT_SIGNALS * 2):
        state.take(_signal("e", visit))
    assert len(state.matched) == KEPT_SIGNALS
