"""Walking the reference journeys and small ones, step by step."""

from datetime import UTC, datetime

import pytest

from journeys import Cursor, Finish, Journey, OutcomeMismatch, Perform, UnknownStep, advance, parse_journey, plan, resume, start
from journeys.outcome import (
    Chose,
    Deferred,
    Done,
    Ended,
    Match,
    Matched,
    Outcome,
    PastDue,
    Sleep,
    TimedOut,
    Waiting,
    Woke,
    parse_outcome,
)
from tests.journeys.helpers import FOLLOW_UP, PUPPY, goto, pause, reference, send, small, wait_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def walk(journey: Journey, *outcomes: Outcome) -> list[str]:
    """The ids of the steps performed, `id#visit` where it is not the first, and at last the reason for finishing."""
    cursor, seen = start(journey), []
    for outcome in (*outcomes, None):
        match plan(journey, cursor):
            case Perform(step_id, visit):
                seen.append(step_id if visit == 1 else f"{step_id}#{visit}")
            case Finish(reason):
                return [*seen, f"={reason}"]
        if outcome is not None:
            cursor = advance(journey, cursor, outcome, NOW)
    return seen


def test_somebody_attends_and_gets_the_book_that_fits() -> None:
    journey = reference(FOLLOW_UP)
    outcomes = (
        Done(),
        Woke(),
        Done(),
        Matched(path="attended", event_id="e1"),
        Woke(),
        Chose(path="offer"),
        Chose(path="vip"),
        Done(),
    )
    assert walk(journey, *outcomes) == [
        "confirm",
        "day-before",
        "remind",
        "attendance",
        "breathe",
        "offer-test",
        "which-book",
        "offer-signed",
        "=completed",
    ]


def test_somebody_signs_up_late_and_does_not_come() -> None:
    outcomes = (
        Done(),
        PastDue(action="goto", target="attendance"),
        TimedOut(),
        Done(),
        Matched(path="replied", event_id="r1"),
        Done(),
    )
    assert walk(reference(FOLLOW_UP), *outcomes) == [
        "confirm",
        "day-before",
        "attendance",
        "missed-you",
        "answer",
        "note",
        "=completed",
    ]


def test_a_hold_out_leaves_without_a_message() -> None:
    journey = reference(FOLLOW_UP)
    outcomes = (Done(), Woke(), Done(), Waiting(matched=Match(path="attended", event_id="e1")), Woke(), Chose(path="no-offer"))
    assert walk(journey, *outcomes)[-2:] == ["offer-test", "=completed"]


def test_a_dog_is_fed_round_by_round_until_it_is_grown() -> None:
    again, bought = Chose(path="again"), Matched(path="bought", event_id="o1")
    outcomes = (
        Done(),
        Woke(),
        Done(),
        Woke(),
        Done(),
        again,
        bought,
        again,
        TimedOut(),
        Done(),
        TimedOut(),
        Chose(path="done"),
        Done(),
        Done(),
        Done(),
    )
    assert walk(reference(PUPPY), *outcomes)[5:] == [
        "feeding",
        "bag-empty",
        "feeding#2",
        "bag-empty#2",
        "refill",
        "pause",
        "feeding#3",
        "adult-food",
        "tell-shop",
        "hand-over",
        "=completed",
    ]


def test_a_repetition_stops_after_its_rounds_and_counts_anew_when_it_is_entered_again() -> None:
    inner = {"id": "inner", "type": "repeat", "max": 2, "steps": [pause("nap")]}
    journey = parse_journey(small({"id": "outer", "type": "repeat", "max": 2, "steps": [inner, send("tick")]}))
    outcomes = (Woke(), Woke(), Done()) * 2
    assert walk(journey, *outcomes) == ["nap", "nap#2", "tick", "nap#3", "nap#4", "tick#2", "=completed"]


def test_a_goto_to_the_repetition_is_the_next_round_and_one_out_of_it_forgets_the_rounds() -> None:
    loop = {
        "id": "loop",
        "type": "repeat",
        "max": 2,
        "steps": [
            wait_for("order", timeout={"after": "P1D", "steps": [goto("leave", "after")]}),
            goto("next", "loop"),
        ],
    }
    journey = parse_journey(small(loop, pause("after"), goto("back", "loop")))
    paid = Matched(path="paid", event_id="p")
    assert walk(journey, paid, paid, Woke(), TimedOut()) == ["order", "order#2", "after", "order#3", "after#2"]
    cursor = start(journey)
    assert cursor.loops == {"loop": 0}
    assert advance(journey, cursor, TimedOut(), NOW).loops == {}


def _third_round(until: object = None) -> tuple[Journey, Cursor]:
    """Somebody at `first` in the last of three rounds, or asked whether it is the last."""
    loop = {"id": "loop", "type": "repeat", "max": 3, "steps": [pause("first"), pause("second")]}
    loop |= {"until": until} if until is not None else {}
    journey = parse_journey(small(loop, send("after")))
    rounds = (Woke(), Woke()) if until is None else (Chose(path="again"), Woke(), Woke())
    cursor = start(journey)
    for outcome in rounds * 2:
        cursor = advance(journey, cursor, outcome, NOW)
    return journey, cursor


def _left(journey: Journey, cursor: Cursor) -> list[str]:
    """The steps that are still to come."""
    came = []
    while (step := cursor.step) is not None:
        came.append(step)
        outcomes: dict[str, Outcome] = {"loop": Chose(path="again"), "after": Done()}
        cursor = advance(journey, cursor, outcomes.get(step, Woke()), NOW)
    return came


@pytest.mark.parametrize(
    ("to", "left"),
    [
        ("second", ["second", "after"]),
        ("loop", ["first", "second", "after"]),
        (None, ["first", "second", "after"]),
        ("after", ["after"]),
    ],
)
def test_who_is_moved_within_a_repetition_has_done_the_rounds_that_they_have_done(to: str | None, left: list[str]) -> None:
    journey, cursor = _third_round()
    assert (cursor.step, cursor.loops) == ("first", {"loop": 2})
    assert _left(journey, resume(journey, cursor, to, 10)) == left


def test_who_stays_where_a_repetition_asks_has_done_the_rounds_that_they_have_done() -> None:
    journey, cursor = _third_round(until={"trait": "done", "eq": True})
    assert (cursor.step, cursor.loops) == ("loop", {"loop": 2})
    for moved in (resume(journey, cursor, None, 10), resume(journey, cursor, "loop", 10)):
        assert _left(journey, moved) == ["loop", "first", "second", "after"]


def test_who_is_moved_into_a_repetition_begins_its_first_round() -> None:
    journey, cursor = _third_round()
    after = resume(journey, cursor, "after", 10)
    assert resume(journey, after, "second", 20).loops == {"loop": 0}


def test_visits_are_kept_only_for_steps_that_can_come_again() -> None:
    journey = parse_journey(small(send("once"), pause("nap"), goto("again", "nap")))
    cursor = advance(journey, start(journey), Done(), NOW)
    assert cursor == Cursor(step="nap", visits={"nap": 1})


def test_exit_gives_its_reason_and_the_last_event_is_remembered() -> None:
    journey = parse_journey(small(wait_for("order", [{"id": "bye", "type": "exit", "reason": "paid"}])))
    cursor = advance(journey, start(journey), Matched(path="paid", event_id="p7"), NOW)
    assert cursor == Cursor(finished="paid", event_id="p7")
    assert plan(journey, cursor) == Finish("paid")
    assert advance(journey, cursor, Woke(), NOW) == cursor


@pytest.mark.parametrize("steps", [[goto("a", "b"), goto("b", "a")], [goto("a", "a")]])
def test_a_circle_of_gotos_ends(steps: list[object]) -> None:
    assert start(parse_journey(small(*steps))).finished == "endless"


def test_a_journey_without_steps_is_complete_at_once() -> None:
    assert walk(parse_journey(small())) == ["=completed"]


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (send("a"), Deferred(wake_at=NOW)),
        (send("a"), Woke()),
        (pause("a"), Sleep(wake_at=NOW)),
        (wait_for("a"), Waiting()),
    ],
)
def test_an_outcome_that_only_asks_for_patience_moves_nobody(step: object, outcome: Outcome) -> None:
    journey = parse_journey(small(step))
    assert advance(journey, start(journey), outcome, NOW) == start(journey)


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (send("a"), TimedOut()),
        (send("a"), Chose(path="x")),
        (pause("a"), Matched(path="paid", event_id="e")),
        (pause("a"), PastDue(action="goto")),
        (wait_for("a"), TimedOut()),
        (wait_for("a"), Matched(path="nope", event_id="e")),
        (wait_for("a"), Woke()),
        ({"id": "a", "type": "split", "paths": [{"id": "x", "weight": 1}]}, Chose(path="otherwise")),
        ({"id": "a", "type": "update_profile", "set": {"x": 1}}, Sleep(wake_at=NOW)),
    ],
)
def test_an_outcome_of_another_kind_of_step_is_refused(step: object, outcome: Outcome) -> None:
    journey = parse_journey(small(step))
    with pytest.raises(OutcomeMismatch):
        advance(journey, start(journey), outcome, NOW)


def test_an_end_from_outside_ends_any_step() -> None:
    journey = parse_journey(small(wait_for("a")))
    assert advance(journey, start(journey), Ended(reason="erased"), NOW).finished == "erased"


def test_a_cursor_at_a_step_that_is_gone_is_refused() -> None:
    with pytest.raises(UnknownStep):
        plan(parse_journey(small(send("a"))), Cursor(step="b"))


def test_an_outcome_survives_the_wire() -> None:
    outcome = Waiting(wake_at=NOW, confirm=True, matched=Match(path="paid", event_id="e"))
    assert parse_outcome(outcome.model_dump(mode="json")) == outcome
