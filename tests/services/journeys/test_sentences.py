"""Sentences of explanations are said as a marketer would say them."""

from datetime import UTC, datetime

import pytest

from services.journeys.explaining import sentences

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "seen", "said"),
    [
        ("called", {}, "At 'x' a web service was asked."),
        ("called", {"came_to": {"status": 200, "tries": 1}}, "At 'x' a web service was asked; it answered 200."),
        ("called", {"came_to": {"status": 503, "tries": 3}}, "At 'x' a web service was asked; it answered 503, at try 3."),
        ("called", {"came_to": {"error": "timeout"}}, "At 'x' a web service was asked; it gave no answer (timeout)."),
        ("emitted", {"event": "Told"}, "At 'x' the event 'Told' was tracked."),
        ("started", {"journey": "y"}, "At 'x' the journey 'y' was started."),
        (
            "started",
            {"journey": "y", "came_to": {"reason": "rested"}},
            "At 'x' the journey 'y' was started; it has ended: rested.",
        ),
    ],
)
def test_a_decision_is_told_with_what_it_came_to(kind: str, seen: dict[str, object], said: str) -> None:
    assert sentences.decided(kind, "x", {}, seen, None) == said


NIGHT = {
    "at": "2026-03-01T22:00:00+00:00",
    "until": "2026-03-02T07:00:00+00:00",
    "reason": "quiet_hours",
    "detail": "22:00 to 08:00",
}
MORNING = {"at": "2026-03-02T07:00:00+00:00", "reason": "paused"}
ARRIVED = "The person had come there at 2026-03-01 22:00:00 UTC and was put off"
OFF = "until 2026-03-02 07:00:00 UTC: quiet_hours (22:00 to 08:00)"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({}, ""),
        ({"deferred": {"count": 1, "first": NIGHT, "latest": NIGHT}}, f" {ARRIVED} {OFF}."),
        (
            {"deferred": {"count": 2, "first": NIGHT, "latest": MORNING}},
            f" {ARRIVED} 2 times: first {OFF}, last at 2026-03-02 07:00:00 UTC while the journey was paused.",
        ),
    ],
)
def test_a_decision_is_told_with_what_it_was_put_off_for(seen: dict[str, object], said: str) -> None:
    assert sentences.put_off(seen) == said


def test_whom_a_pause_holds_back_is_not_told_of_an_instant_either() -> None:
    said = "At 'x' it waits for the end of the journey's pause."
    assert sentences.decided("deferred", "x", {}, {"reason": "paused"}, AT) == said


def test_values_are_told_as_they_stand_in_a_file() -> None:
    seen = {"vip": {"seen": {"segments.vip": True, "name": "Ann"}}}
    said = sentences.decided("chose", "x", {"path": "vip"}, seen, None)
    assert said == "At 'x' the path 'vip' was taken, since name is \"Ann\", segments.vip is true."


def test_who_is_held_by_a_pause_is_not_told_of_an_instant_that_nobody_knows() -> None:
    assert sentences.held("paused", AT) == "Held: the journey is paused; it begins after the resume."
    assert sentences.held("published", AT).startswith("Held until 2026-03-02 09:00:00 UTC")


def test_what_people_did_is_told_without_hashes() -> None:
    assert sentences.audited("pause", "ann", {"under_way": 3}) == "ann paused the journey."
    detail = {"from_step": "week", "to_step": "month", "to_version": "a4a97", "wait_ends": "2026-11-27T02:49:05+00:00"}
    moved = "ann moved it to another version, from 'week' to 'month'"
    assert sentences.audited("migrate", "ann", detail) == f"{moved}; the wait now ends at 2026-11-27 02:49:05 UTC."
    assert sentences.audited("migrate", "ann", {**detail, "wait_ended": detail["wait_ends"]}) == f"{moved}."


@pytest.mark.parametrize(
    ("action", "detail", "said"),
    [
        ("ask to move", {"step": "letter", "why": "missed it"}, "ann asked to have it moved to 'letter' (missed it)."),
        (
            "move",
            {"from_step": "week", "to_step": "letter", "from_version": "a4a97", "to_version": "a4a97", "visit": 1, "why": ""},
            "ann moved it from 'week' to 'letter'.",
        ),
        ("end", {"why": "asked us to stop"}, "ann ended it (asked us to stop)."),
        ("restart", {"why": "", "as": "3f", "version": "a4a97"}, "ann ended it, if it still ran, and had the person begin anew."),
        ("restart", {"why": "x", "of": "3f", "version": "a4a97"}, "ann restarted an earlier enrolment as this one (x)."),
        ("migrate", {"to_version": "a4a97", "migration": "3f"}, "ann moved it to another version before it had begun."),
        ("migrate", {"to_version": "a4", "to_step": "exit", "migration": "3f"}, "ann's migration to another version ended it."),
    ],
)
def test_what_people_did_to_an_enrolment_is_told_without_ids(action: str, detail: dict[str, object], said: str) -> None:
    assert sentences.audited(action, "ann", detail) == said


def test_an_act_that_was_left_out_is_told_with_what_it_was() -> None:
    circle = "journeys have been emitting events 10 times in a row: this looks like a circle"
    said = sentences.decided("skipped", "x", {}, {"event": "Told", "reason": circle}, None)
    assert said == f"At 'x' the event 'Told' was not tracked: {circle}."
    said = sentences.decided("not_started", "x", {}, {"journey": "y", "reason": circle}, None)
    assert said == f"At 'x' the journey 'y' was not started: {circle}."
    said = sentences.decided("circle", "x", {}, {"reason": "came here 100 times"}, None)
    assert said == "At 'x' it was ended, for it came here 100 times."


def test_a_journey_that_refused_the_person_is_not_told_as_started() -> None:
    refused = "entered before, and re-entry is 'never'"
    seen = {"journey": "y", "came_to": {"reason": f"refused: {refused}", "goal_reached": False}}
    assert sentences.decided("started", "x", {}, seen, None) == f"At 'x' the journey 'y' did not take the person in: {refused}."


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"due": "2026-03-01T22:00:00+00:00"}, "At 'x' its time, 2026-03-01 22:00:00 UTC, had passed: on at once."),
        ({"due": None}, "At 'x' there was no date: on at once."),
        (
            {"due": None, "followed": [{"at": "2026-03-02T07:00:00+00:00", "instead_of": None}]},
            "At 'x' it waited with no end, but by the date as it was at 2026-03-02 07:00:00 UTC there was no date: on at once.",
        ),
    ],
)
def test_a_wait_that_was_over_is_told_with_how_that_came(seen: dict[str, object], said: str) -> None:
    assert sentences.decided("past_due", "x", {"action": "continue"}, seen, None) == said
