"""Exits and goals interrupt whatever somebody waits for; entries keep the journey's rules."""

from datetime import timedelta
from typing import Any

import pytest

from conditions import parse_condition
from conditions.computed import ComputedDraft, ComputedTrait
from journeys.moving import MOST_ROUNDS, MOST_WRITTEN
from journeys.simulation import Behaviour, Setting, simulate
from tests.journeys.simulation.support import (
    DAY,
    HOUR,
    START,
    ended,
    event,
    journey,
    live,
    person,
    script,
    send,
    sent,
    told,
    traits,
    wait,
)

LONG = wait("w", **{"for": "P60D"})
NICKNAME = ComputedDraft.model_validate({"event": "Named", "take": "last", "property": "name"})
SETTING = Setting(segments={"buyers": parse_condition({"event": "Bought", "within": "P10D"})})


@pytest.mark.parametrize(
    ("rule", "happening", "reason"),
    [
        ({"event": "Gone", "where": {"property": "id", "eq": {"ref": "entry.properties.id"}}}, event(DAY, "Gone"), None),
        ({"event": "Gone"}, event(DAY, "Gone"), ("exit: event 'Gone'", DAY)),
        ({"trait": "dog", "exists": False}, traits(DAY, dog=None), ("exit: trait 'dog'", DAY)),
        ({"segment_entered": "buyers"}, event(DAY, "Bought"), ("exit: entered segment 'buyers'", DAY)),
        ({"segment_left": "buyers"}, event(DAY, "Bought"), ("exit: left segment 'buyers'", 11 * DAY)),
        ({"if": {"event": "Bought", "count": {"gte": 2}}}, event(DAY, "Bought"), None),
        (
            {"if": {"trait": "born", "older_than": "P1Y"}},
            traits(DAY, born="2025-03-06T10:00:00Z"),
            ("exit: condition exit_when[0]", 4 * DAY),
        ),
    ],
)
def test_an_exit_rule_ends_a_wait_at_once(rule: dict[str, Any], happening: dict[str, Any], reason: object) -> None:
    life = live(journey(LONG, send("s"), exit_when=[rule]), happening, who=person(dog="rex"), setting=SETTING)
    assert ended(life) == (reason or ("completed", 60 * DAY))
    assert bool(sent(life)) is (reason is None)


@pytest.mark.parametrize(
    "rule",
    [
        {"if": {"value": {"ref": "profile.computed.nickname"}, "eq": "rex"}},
        {"trait": "dog", "eq": {"ref": "profile.computed.nickname"}},
        {"event": "Called", "where": {"property": "called", "eq": {"ref": "profile.computed.nickname"}}},
    ],
)
def test_an_exit_rule_sees_computed_traits(rule: dict[str, Any]) -> None:
    setting = Setting(computed={"nickname": ComputedTrait("nickname", NICKNAME)})
    who = person(dog="rex", events=[{"at": START - DAY, "event": "Named", "properties": {"name": "rex"}}])
    called = event(HOUR, "Called", called="rex")
    life = live(journey(wait("m", **{"for": "P1D"}), exit_when=[rule]), called, who=who, setting=setting)
    assert life.end is not None
    assert life.end.reason.startswith("exit: ")


def test_an_exit_wins_over_a_wait_for_the_same_event() -> None:
    step = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Gone", "steps": [send("s")]}]}
    life = live(journey(step, exit_when=[{"event": "Gone"}]), event(DAY, "Gone"))
    assert ended(life) == ("exit: event 'Gone'", DAY)
    assert sent(life) == []


def test_an_exit_by_a_segment_wins_over_a_wait_for_the_event_that_changes_it() -> None:
    step = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "Bought", "steps": [send("s")]}]}
    life = live(journey(step, exit_when=[{"segment_entered": "buyers"}]), event(DAY, "Bought"), setting=SETTING)
    assert sent(life) == []
    assert ended(life) == ("exit: entered segment 'buyers'", DAY)


def test_an_exit_at_the_instant_at_which_a_wait_ends_wins() -> None:
    life = live(journey(LONG, send("s"), exit_when=[{"event": "Gone"}]), event(60 * DAY, "Gone"))
    assert sent(life) == []


def test_what_the_journey_itself_writes_can_end_it_before_its_next_step() -> None:
    mark = {"id": "u", "type": "update_profile", "set": {"done": True}}
    life = live(journey(mark, send("s"), exit_when=[{"trait": "done", "eq": True}]))
    assert ended(life) == ("exit: trait 'done'", 0 * DAY)
    assert sent(life) == []


def test_the_term_of_a_goal_is_counted_in_days_of_the_person() -> None:
    goal = {"event": "Bought", "within": "P30D"}
    there = person(timezone="America/New_York")
    for after, reached in ((30 * DAY - HOUR, True), (30 * DAY - HOUR / 2, False)):
        life = live(journey(LONG, goal=goal), event(after, "Bought"), who=there)
        assert (life.runs[0].goal_at is not None) is reached


@pytest.mark.parametrize(("on_reached", "end"), [("continue", ("completed", 60 * DAY)), ("exit", ("goal", DAY))])
def test_a_goal_is_noted_and_ends_the_journey_only_if_it_says_so(on_reached: str, end: object) -> None:
    goal = {"event": "Bought", "within": "P14D", "on_reached": on_reached}
    life = live(journey(LONG, goal=goal), event(DAY, "Bought"))
    assert life.runs[0].goal_at == START + DAY
    assert ended(life) == end
    assert live(journey(LONG, goal=goal), event(15 * DAY, "Bought")).runs[0].goal_at is None


def test_a_goal_with_a_term_is_looked_for_after_the_journey_has_ended() -> None:
    life = live(journey(send("s"), goal={"event": "Bought", "within": "P14D"}), event(13 * DAY, "Bought"))
    assert ended(life) == ("completed", 0 * DAY)
    assert life.runs[0].goal_at == START + 13 * DAY


def test_an_end_takes_back_the_channels_that_were_still_to_be_tried() -> None:
    step = send("s", channels=["email", "sms"], fallback={"unless": "opened", "within": "P2D"})
    under_test = journey(step, LONG, exit_when=[{"event": "Gone"}])
    who = person(channels=["email", "sms"])
    assert [message.channel for message in live(under_test, who=who).messages] == ["email", "sms"]
    assert [message.channel for message in live(under_test, event(DAY, "Gone"), who=who).messages] == ["email"]


@pytest.mark.parametrize(
    ("entry", "entered"),
    [
        ({"reentry": "never"}, [0]),
        ({"reentry": "when-finished"}, [0, 70]),
        ({"reentry": "always"}, [0, 1, 70]),
        ({"reentry": {"after": "P71D"}}, [0]),
        ({"reentry": {"after": "P70D"}}, [0, 70]),
        ({"reentry": {"after": "P10D", "since": "end"}}, [0, 70]),
        ({"reentry": {"after": "P11D", "since": "end"}}, [0]),
        ({"key": "event.properties.cart"}, []),
        ({"only_if": {"event": "Begun", "count": {"gte": 2}}}, [1, 70]),
        ({"where": {"property": "cart", "exists": True}}, []),
    ],
)
def test_entering_again_keeps_the_rules(entry: dict[str, Any], entered: list[int]) -> None:
    under_test = journey(LONG, entry={"event": "Begun", **entry})
    life = live(under_test, event(DAY, "Begun"), event(70 * DAY, "Begun"))
    assert [(run.entered_at - START).days for run in life.runs] == entered
    if "where" not in entry:
        assert len(life.refused) == 3 - len(entered)


def test_keys_tell_runs_of_one_person_apart() -> None:
    under_test = journey(LONG, entry={"event": "Cart", "key": "event.properties.cart"})
    life = live(under_test, event(DAY, "Cart", cart="a"), event(DAY, "Cart", cart="b"), event(2 * DAY, "Cart", cart="a"))
    assert [run.key for run in life.runs] == ["a", "b"]


def test_a_segment_lets_in_by_an_event_and_time_alone_lets_out() -> None:
    under_test = journey(LONG, send("s"), entry={"segment_entered": "buyers"}, exit_when=[{"segment_left": "buyers"}])
    life = live(under_test, event(DAY, "Bought"), event(5 * DAY, "Bought"), setting=SETTING)
    assert life.runs[0].entered_at == START + DAY
    assert ended(life) == ("exit: left segment 'buyers'", 15 * DAY)


def test_who_is_a_member_already_does_not_enter_the_segment_again() -> None:
    under_test = journey(LONG, entry={"segment_entered": "buyers"})
    who = person(events=[{"at": START - DAY, "event": "Bought"}])
    assert live(under_test, event(DAY, "Bought"), setting=SETTING, who=who).runs == ()


def test_a_schedule_lets_members_in_at_the_local_time_of_each() -> None:
    schedule = {"rrule": "FREQ=WEEKLY;BYDAY=TU", "starts": "2026-03-01", "at": "09:00"}
    under_test = journey(send("s"), entry={"schedule": schedule, "segment": "vip", "reentry": "always"})
    life = live(under_test, who=person(timezone="America/New_York", segments=["vip"]), days=9)
    # The clocks change in between.
    assert [run.entered_at - START for run in life.runs] == [28 * HOUR, 28 * HOUR + 7 * DAY - HOUR]
    assert life.runs[0].lines[0].seen == {
        "id": "2026-03-03T09:00:ann",
        "event": "journey.scheduled",
        "timestamp": "2026-03-03T14:00:00+00:00",
        "properties": {},
    }


def _daily(*happenings: dict[str, Any], zone: str, days: float = 1.5) -> list[timedelta]:
    """When somebody enters who lives in a zone at first, after START, by a schedule at nine every day."""
    schedule = {"rrule": "FREQ=DAILY", "starts": "2026-03-03", "at": "09:00"}
    under_test = journey(send("s"), entry={"schedule": schedule, "segment": "vip", "reentry": "always"})
    life = live(under_test, *happenings, who=person(timezone=zone, segments=["vip"]), days=days)
    return [run.entered_at - START for run in life.runs]


def test_who_moves_to_another_zone_enters_an_occurrence_once_where_they_are() -> None:
    tokyo, berlin = 14 * HOUR, 22 * HOUR
    assert _daily(zone="Asia/Tokyo") == [tokyo]
    assert _daily(traits(tokyo - HOUR, timezone="Europe/Berlin"), zone="Asia/Tokyo") == [berlin]
    assert _daily(traits(tokyo + HOUR, timezone="Europe/Berlin"), zone="Asia/Tokyo") == [tokyo]
    assert _daily(traits(tokyo + HOUR, timezone="Asia/Tokyo"), zone="Europe/Berlin") == []


def test_an_occurrence_at_the_very_start_counts() -> None:
    schedule = {"rrule": "FREQ=WEEKLY;BYDAY=MO", "starts": "2026-03-01", "at": "10:00"}
    under_test = journey(send("s"), entry={"schedule": schedule, "segment": "vip"})
    assert sent(live(under_test, who=person(segments=["vip"]), begins=START, days=6)) == [("s", 0 * DAY)]


def test_another_journey_can_be_waited_for_and_its_end_is_known() -> None:
    child = journey(wait("cw", **{"for": "P2D"}), entry={"api": True}, key="c", goal={"event": "Bought"})
    start = {"id": "go", "type": "start_journey", "journey": "c", "wait": True, "properties": {"x": 1}}
    keep = {
        "id": "u",
        "type": "update_profile",
        "set": {"why": {"ref": "results.go.reason"}, "won": {"ref": "results.go.goal_reached"}},
    }
    life = live(journey(start, keep), event(DAY, "Bought"), setting=Setting(journeys={"c": child}))
    assert life.traits == {"why": "completed", "won": True}
    assert ended(life) == ("completed", 2 * DAY)


@pytest.mark.parametrize("reason", ["there is no journey 'c' to enter", "only_if does not hold"])
def test_who_waits_for_a_journey_that_does_not_begin_goes_on_and_knows_why(reason: str) -> None:
    child = journey(LONG, entry={"api": True, "only_if": {"trait": "x", "eq": 1}}, key="c")
    start = {"id": "go", "type": "start_journey", "journey": "c", "wait": True}
    keep = {"id": "u", "type": "update_profile", "set": {"why": {"ref": "results.go.reason"}}}
    setting = Setting(journeys={} if "no journey" in reason else {"c": child})
    life = live(journey(start, keep), setting=setting)
    assert life.traits == {"why": f"refused: {reason}"}
    assert "wait met go" in told(life)


def test_an_emitted_event_starts_another_journey_and_ends_a_wait_that_comes_after() -> None:
    other = journey(send("hello"), entry={"event": "Shouted"}, key="o")
    shout = {"id": "e", "type": "emit_event", "event": "Shouted", "properties": {"loud": True}}
    hear = {"id": "w", "type": "wait_for", "since": "entry", "paths": [{"id": "p", "event": "Shouted"}]}
    life = live(journey(shout, hear), setting=Setting(journeys={"o": other}))
    assert [message.step for message in life.messages] == ["hello"]
    assert ended(life) == ("completed", 0 * DAY)


def test_another_journey_begins_when_the_one_that_started_it_waits() -> None:
    other = journey(send("second"), entry={"event": "Shouted"}, key="o")
    shout = {"id": "e", "type": "emit_event", "event": "Shouted"}
    life = live(journey(shout, send("first"), LONG, send("third")), setting=Setting(journeys={"o": other}))
    assert [message.step for message in sorted(life.messages, key=lambda message: message.at)] == ["first", "second", "third"]
    cap = {"caps": [{"at_most": 1, "per": "P1D", "otherwise": "skip"}]}
    capped = live(journey(shout, send("first")), setting=Setting.model_validate({"journeys": {"o": other}, "policy": cap}))
    assert [message.step for message in capped.messages] == ["first"]


def test_journeys_that_lead_to_each_other_in_a_circle_are_stopped_as_the_service_stops_them() -> None:
    one = journey({"id": "e", "type": "emit_event", "event": "Pong"}, entry={"event": "Ping", "reentry": "always"}, key="one")
    two = journey({"id": "e", "type": "emit_event", "event": "Ping"}, entry={"event": "Pong", "reentry": "always"}, key="two")
    life = simulate(one, script(event(DAY, "Ping")), Setting(journeys={"two": two}), START + 2 * DAY)
    assert len(life.runs) == 11
    assert [line.kind for run in life.runs for line in run.lines].count("skipped") == 1


def test_a_loop_that_no_wait_holds_up_is_given_up() -> None:
    past = wait("w", until="2026-01-01")
    never = {"trait": "x", "eq": 1}
    life = live(journey({"id": "r", "type": "repeat", "until": never, "steps": [past]}))
    assert ended(life) == ("endless", 0 * DAY)
    assert told(life).count("past_due w") == MOST_ROUNDS
    assert "circle w" in told(life)


@pytest.mark.parametrize(("rounds", "end"), [(MOST_ROUNDS, "completed"), (MOST_ROUNDS + 1, "endless")])
def test_a_condition_that_holds_each_time_is_a_circle_after_a_hundred_rounds(rounds: int, end: str) -> None:
    holds = {"id": "w", "type": "wait_for", "paths": [{"id": "so", "if": {"trait": "x", "eq": 1}}]}
    life = live(journey({"id": "r", "type": "repeat", "max": rounds, "steps": [holds]}), who=person(x=1))
    assert ended(life) == (end, 0 * DAY)


def test_a_loop_that_writes_on_and_on_is_ended_after_ten_messages() -> None:
    """Nothing in it takes the person's time: a message is delivered whatever they do."""
    delivered = {"id": "w", "type": "wait_for", "paths": [{"id": "p", "message": "s", "status": "delivered"}]}
    loop = {"id": "r", "type": "repeat", "until": {"trait": "x", "eq": 1}, "steps": [send("s"), delivered]}
    slow = Setting(behaviour=Behaviour.model_validate({"email": [{"status": "delivered", "after": ["PT1M", "PT1M"]}]}))
    for setting, until in ((Setting(), 0 * HOUR), (slow, MOST_WRITTEN * HOUR / 60)):
        life = live(journey(loop), setting=setting)
        assert ended(life) == ("endless", until)
        assert len(life.messages) == MOST_WRITTEN
        assert "circle s" in told(life)


@pytest.mark.parametrize(
    "rest",
    [
        wait("w", **{"for": "PT1M"}),
        {"id": "w", "type": "wait_for", "paths": [{"id": "p", "event": "No"}], "timeout": {"after": "PT1M"}},
        {"id": "w", "type": "wait_for", "paths": [{"id": "p", "message": "s", "status": "opened"}]},
    ],
)
def test_a_loop_in_which_each_message_waits_for_time_or_the_person_is_not(rest: dict[str, Any]) -> None:
    setting = Setting(behaviour=Behaviour.model_validate({"email": [{"status": "delivered"}, {"status": "opened"}]}))
    life = live(journey({"id": "r", "type": "repeat", "max": 3 * MOST_WRITTEN, "steps": [send("s"), rest]}), setting=setting)
    end = ended(life)
    assert end is not None
    assert (end[0], len(life.messages)) == ("completed", 3 * MOST_WRITTEN)


def test_a_time_of_day_that_is_past_on_arrival_is_waited_for_until_the_next_day() -> None:
    daily = [wait("w", **{"for": "PT1H", "at": f"{START:%H:%M}"}), send("s")]
    life = live(journey({"id": "r", "type": "repeat", "max": 20, "steps": daily}))
    assert [message.at for message in life.messages] == [START + day * DAY for day in range(1, 21)]


def test_who_rests_a_while_in_each_round_turns_in_no_circle() -> None:
    steps = [wait("w", until="2026-01-01"), wait("rest", **{"for": "PT1H"})]
    life = live(journey({"id": "r", "type": "repeat", "max": 150, "steps": steps}))
    assert ended(life) == ("completed", 150 * HOUR)


def test_a_trait_that_is_so_at_entry_ends_the_enrolment_that_an_event_began() -> None:
    life = live(journey(send("s"), exit_when=[{"trait": "closed", "eq": True}]), who=person(closed=True))
    assert (ended(life), sent(life)) == (("exit: trait 'closed'", 0 * DAY), [])


def test_the_entering_event_meets_neither_an_exit_rule_nor_the_goal() -> None:
    goal = {"event": "Begun", "on_reached": "exit"}
    life = live(journey(LONG, exit_when=[{"event": "Begun"}], goal=goal))
    assert life.runs[0].goal_at is None
    assert ended(life) == ("completed", 60 * DAY)


def test_who_is_in_the_segment_of_an_exit_rule_already_leaves_on_entry() -> None:
    life = live(journey(send("s"), exit_when=[{"segment_entered": "vip"}]), who=person(segments=["vip"]))
    assert (ended(life), sent(life)) == (("exit: entered segment 'vip'", 0 * DAY), [])


def test_a_trait_that_time_alone_changes_ends_the_journey_then() -> None:
    life = live(journey(LONG, exit_when=[{"trait": "born", "older_than": "P1Y"}]), who=person(born="2025-03-06T10:00:00Z"))
    assert ended(life) == ("exit: condition exit_when[0]", 4 * DAY)


def test_the_same_split_falls_as_the_service_lets_it_fall_unless_the_script_says_otherwise() -> None:
    split = {
        "id": "x",
        "type": "split",
        "paths": [{"id": "a", "weight": 50, "steps": [send("a")]}, {"id": "b", "weight": 50, "hold_out": True}],
    }
    under_test = journey(split)
    drawn = {told(live(under_test, who=person() | {"id": name}))[1] for name in ("p1", "p2", "p3", "p4", "p5", "p6")}
    assert drawn == {"chose x", "held_out x"}
    assert "held_out x" in told(live(under_test, splits={"x": "b"}))
    assert "chose x" in told(live(under_test, splits={"x": "a"}))
