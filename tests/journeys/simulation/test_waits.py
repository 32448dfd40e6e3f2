"""Waits on the virtual clock end when the real ones do."""

from datetime import timedelta
from typing import Any

import pytest

from conditions.computed import ComputedDraft, ComputedTrait
from journeys import draw
from journeys.simulation import Setting
from tests.journeys.simulation.support import (
    DAY,
    HOUR,
    START,
    ended,
    event,
    journey,
    live,
    person,
    send,
    sent,
    told,
    traits,
    wait,
)

BIRTHDAY = "profile.traits.birthday"


def test_a_wait_for_days_keeps_the_persons_wall_clock_over_a_clock_change() -> None:
    life = live(journey(wait("w", **{"for": "P30D"}), send("s")), who=person(timezone="Europe/Berlin"))
    assert sent(life) == [("s", 30 * DAY - HOUR)]


def test_a_random_wait_is_drawn_as_the_service_draws_it() -> None:
    life = live(journey(wait("w", between=["PT1H", "PT11H"]), send("s")))
    assert sent(life) == [("s", HOUR + 10 * HOUR * draw(life.runs[0].id, "w", 1))]


def test_a_wait_until_a_date_reads_it_on_the_persons_clock_moves_it_and_sets_the_time_of_day() -> None:
    step = wait("w", until={"ref": BIRTHDAY}, offset="-P1D", at="09:00")
    life = live(journey(step, send("s")), who=person(timezone="America/New_York", birthday="2026-05-05"))
    assert sent(life)[0][1] + START == START.replace(month=5, day=4, hour=13)


@pytest.mark.parametrize(
    ("if_past", "story"),
    [
        ("continue", ["sent a", "sent b"]),
        ("exit", []),
        ({"goto": "b"}, ["sent b"]),
    ],
)
def test_a_date_in_the_past_follows_the_steps_policy(if_past: object, story: list[str]) -> None:
    step = wait("w", until="2026-01-01", if_past=if_past)
    life = live(journey(step, send("a"), send("b")))
    assert [line for line in told(life) if line.startswith("sent")] == story
    assert "past_due w" in told(life)


def test_a_little_late_is_in_time() -> None:
    step = wait("w", until="2026-03-02T09:30:00Z", if_past="exit", late_by="PT1H")
    assert ended(live(journey(step))) == ("completed", 0 * DAY)


def test_a_missing_date_is_replaced_by_its_default() -> None:
    step = wait("w", until={"ref": BIRTHDAY, "default": {"after": "P3D"}}, offset="-P1D")
    assert sent(live(journey(step, send("s")))) == [("s", 2 * DAY)]


def test_a_wait_follows_its_date_while_somebody_waits() -> None:
    under_test = journey(wait("w", until={"ref": BIRTHDAY}), send("s"))
    who = person(birthday="2026-06-01T00:00:00Z")
    later = live(under_test, traits(DAY, birthday="2026-07-01T00:00:00Z"), who=who)
    assert [at + START for _, at in sent(later)] == [START.replace(month=7, day=1, hour=0)]
    assert [(line.kind, line.at - START, line.outcome) for line in later.lines if line.step == "w"][:2] == [
        ("sleep", 0 * DAY, {"until": "2026-07-01T00:00:00+00:00"}),
        ("followed", DAY, {"until": "2026-07-01T00:00:00+00:00"}),
    ]
    gone = live(under_test, traits(DAY, birthday="2026-03-01"), who=who)
    assert ended(gone) == ("completed", DAY)
    assert "past_due w" in told(gone)
    sooner = live(under_test, traits(DAY, birthday="2026-03-05T00:00:00Z"), who=who)
    assert [at + START for _, at in sent(sooner)] == [START.replace(day=5, hour=0)]


def test_a_timeout_follows_a_computed_date_when_an_event_moves_it() -> None:
    draft = ComputedDraft.model_validate({"event": "Bought", "take": "last", "add": "P30D"})
    setting = Setting(computed={"empty": ComputedTrait("empty", draft)})
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [{"id": "p", "event": "Never"}],
        "timeout": {"until": {"ref": "profile.computed.empty"}, "steps": [send("s")]},
    }
    life = live(journey(step), event(DAY, "Bought"), event(20 * DAY, "Bought"), setting=setting)
    assert sent(life) == [("s", 50 * DAY)]


def test_a_window_moves_the_end_of_a_wait_to_its_next_opening() -> None:
    step = wait("w", **{"for": "PT1H"}, window={"days": ["wed"], "from": "08:00", "to": "10:00"})
    assert sent(live(journey(step, send("s")))) == [("s", 46 * HOUR)]


def test_an_event_ends_a_wait_and_references_see_it() -> None:
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [
            {
                "id": "p",
                "event": "Told",
                "steps": [{"id": "u", "type": "update_profile", "set": {"said": {"ref": "event.properties.word"}}}],
            }
        ],
    }
    life = live(journey(step), event(3 * DAY, "Told", word="yes"))
    assert life.traits == {"said": "yes"}
    assert ended(life) == ("completed", 3 * DAY)


def test_an_event_at_the_very_instant_of_the_timeout_wins() -> None:
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [{"id": "p", "event": "Told", "steps": [send("yes")]}],
        "timeout": {"after": "P1D", "steps": [send("no")]},
    }
    assert sent(live(journey(step), event(DAY, "Told"))) == [("yes", DAY)]
    assert sent(live(journey(step), event(DAY + timedelta(seconds=1), "Told"))) == [("no", DAY)]


def _two_waits(since: str) -> dict[str, Any]:
    return {
        "id": "w2",
        "type": "wait_for",
        "since": since,
        "paths": [{"id": "p", "event": "Told"}],
        "timeout": {"after": "P1D", "steps": [send("no")]},
    }


def test_what_one_wait_took_meets_another_that_counts_from_entry_and_each_once() -> None:
    def order(step: str) -> dict[str, Any]:
        paths = [{"id": "p", "event": "Order"}]
        return {"id": step, "type": "wait_for", "since": "entry", "paths": paths, "timeout": {"after": "P9D"}}

    loop = {"id": "loop", "type": "repeat", "max": 5, "steps": [order("one"), order("two")]}
    life = live(journey(loop), event(HOUR, "Order"), days=5)
    assert [line.step for line in life.lines if line.kind == "wait met"] == ["one", "two"]


def test_since_entry_finds_what_came_before_and_since_step_what_came_from_when_the_step_before_was_left() -> None:
    first = wait("w1", **{"for": "P2D"})
    early, exact = event(DAY, "Told"), event(2 * DAY, "Told")
    assert ended(live(journey(first, _two_waits("entry")), early)) == ("completed", 2 * DAY)
    assert sent(live(journey(first, _two_waits("step")), early)) == [("no", 3 * DAY)]
    assert sent(live(journey(first, _two_waits("step")), exact)) == []


def test_an_event_that_a_wait_has_taken_is_not_taken_again() -> None:
    first = {"id": "w1", "type": "wait_for", "paths": [{"id": "p", "event": "Told"}]}
    life = live(journey(first, _two_waits("step")), event(DAY, "Told"))
    assert sent(life) == [("no", 2 * DAY)]


def test_the_event_that_let_somebody_in_ends_no_wait_of_theirs() -> None:
    step = {"id": "w", "type": "wait_for", "since": "entry", "paths": [{"id": "p", "event": "Begun"}]}
    life = live(journey(step))
    assert life.stands is not None
    assert life.stands.step == "w"


def test_a_condition_is_met_on_arrival_by_a_change_or_by_time_alone() -> None:
    def waits_for(condition: dict[str, Any]) -> dict[str, Any]:
        return {"id": "w", "type": "wait_for", "paths": [{"id": "p", "if": condition, "steps": [send("s")]}]}

    plan = {"trait": "plan", "eq": "gold"}
    assert sent(live(journey(waits_for(plan)), who=person(plan="gold"))) == [("s", 0 * DAY)]
    assert sent(live(journey(waits_for(plan)), traits(DAY, plan="silver"), traits(2 * DAY, plan="gold"))) == [("s", 2 * DAY)]
    older = {"trait": "born", "older_than": "P1Y"}
    assert sent(live(journey(waits_for(older)), who=person(born="2025-04-01T10:00:00Z"))) == [("s", 30 * DAY)]


def test_the_filter_of_a_wait_sees_computed_traits() -> None:
    draft = ComputedDraft.model_validate({"event": "Named", "take": "last", "property": "name"})
    setting = Setting(computed={"nickname": ComputedTrait("nickname", draft)})
    where = {"property": "called", "eq": {"ref": "profile.computed.nickname"}}
    step = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Called", "where": where, "steps": [send("s")]}]}
    who = person(events=[{"at": START - DAY, "event": "Named", "properties": {"name": "rex"}}])
    assert sent(live(journey(step), event(DAY, "Called", called="rex"), who=who, setting=setting)) == [("s", DAY)]


def test_days_of_a_wait_follow_somebody_from_where_no_clock_changes_to_where_one_does() -> None:
    life = live(
        journey(wait("w", **{"for": "P30D"}), send("s")), traits(DAY, timezone="Europe/Berlin"), who=person(timezone="Asia/Tokyo")
    )
    assert sent(life) == [("s", 30 * DAY - HOUR)]


def test_a_segment_ends_a_wait_when_somebody_enters_or_leaves_it() -> None:
    step = {
        "id": "w",
        "type": "wait_for",
        "paths": [
            {"id": "in", "segment_entered": "vip", "steps": [send("in")]},
            {"id": "out", "segment_left": "new", "steps": [send("out")]},
        ],
    }
    assert sent(live(journey(step), {"at": START + DAY, "segment_entered": "vip"})) == [("in", DAY)]
    who = person(segments=["new"])
    assert sent(live(journey(step), {"at": START + DAY, "segment_left": "new"}, who=who)) == [("out", DAY)]


def test_a_repetition_runs_until_its_condition_holds_or_its_rounds_are_used_up() -> None:
    step = {
        "id": "r",
        "type": "repeat",
        "max": 3,
        "until": {"trait": "done", "eq": True},
        "steps": [send("s"), wait("w", **{"for": "P1D"})],
    }
    assert sent(live(journey(step))) == [("s", 0 * DAY), ("s", DAY), ("s", 2 * DAY)]
    assert sent(live(journey(step), traits(HOUR, done=True))) == [("s", 0 * DAY)]


def test_a_wait_follows_the_person_into_another_zone() -> None:
    step = wait("w", until="2026-03-10", at="09:00")
    life = live(journey(step, send("s")), traits(DAY, timezone="America/New_York"), who=person(timezone="Europe/Berlin"))
    # Midnight in New York is the date then; the clocks have changed there on the 8th.
    assert sent(life)[0][1] + START == START.replace(day=10, hour=13)


def test_of_what_happened_and_what_holds_the_first_path_is_taken() -> None:
    holds = {"id": "so", "if": {"trait": "x", "eq": 1}, "steps": [send("so")]}
    came = {"id": "came", "event": "Told", "steps": [send("came")]}
    for paths, expected in (([holds, came], "so"), ([came, holds], "came")):
        step = {"id": "w", "type": "wait_for", "since": "entry", "paths": paths}
        life = live(journey(wait("first", **{"for": "P1D"}), step), event(HOUR, "Told"), who=person(x=1))
        assert [name for name, _ in sent(life)] == [expected]


def test_an_event_that_comes_twice_under_one_id_came_once() -> None:
    step = {
        "id": "r",
        "type": "repeat",
        "max": 2,
        "steps": [{"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Told"}]}],
    }
    once, again = ({**event(days * DAY, "Told"), "id": "m1"} for days in (1, 2))
    assert ended(live(journey(step), once, again)) is None
    assert ended(live(journey(step), once, {**again, "id": "m2"})) == ("completed", 2 * DAY)


def test_a_call_that_comes_again_after_its_last_answer_gets_that_one_and_nobody_waits_for_more() -> None:
    answers = [{"at": START + HOUR, "call": "c", "body": {"n": 1}}, {"at": START + 2 * DAY, "call": "c", "status": 404}]
    call = {"id": "c", "type": "call", "url": "https://x.example", "on_failure": [send("failed")]}
    rounds = {"id": "r", "type": "repeat", "max": 4, "steps": [call, wait("w", **{"for": "P1D"})]}
    life = live(journey(rounds), *answers)
    assert sent(life) == [("failed", after * DAY) for after in (2, 3, 4)]
    assert ended(life) == ("completed", 5 * DAY)


def test_the_last_answer_to_a_call_goes_to_every_run_that_waits_for_one() -> None:
    call = {"id": "c", "type": "call", "url": "https://x.example"}
    entry = {"event": "Order", "key": "event.properties.id"}
    orders = [event(number * HOUR, "Order", id=number) for number in (1, 2)]
    life = live(journey(call, entry=entry), *orders, {"at": START + DAY, "call": "c"})
    assert [run.end and run.end.at for run in life.own if run.key] == [START + DAY, START + DAY]
