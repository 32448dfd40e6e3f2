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
