"""Populations: numbers per step, caps on entries, the difference of two versions, and the past played again."""

from datetime import timedelta
from typing import Any

from journeys.simulation import Script, Setting, backtest, compare, simulate, simulate_population
from tests.journeys.simulation.support import DAY, HOUR, START, event, journey, person, send, wait

UNTIL = START + 30 * DAY
STEPS = (
    send("a"),
    {
        "id": "x",
        "type": "split",
        "paths": [
            {"id": "on", "weight": 80, "steps": [wait("w", **{"for": "P1D"}), send("b")]},
            {"id": "off", "weight": 20, "hold_out": True},
        ],
    },
)


def people(number: int, *happenings: dict[str, Any]) -> list[Script]:
    return [
        Script.model_validate({"person": person() | {"id": f"p{each}"}, "happenings": [event(each * HOUR, "Begun"), *happenings]})
        for each in range(number)
    ]


def test_a_report_counts_what_the_lives_of_its_people_are() -> None:
    under_test = journey(*STEPS, goal={"event": "Bought"})
    scripts = people(60, event(30 * HOUR, "Bought"))
    report = simulate_population(under_test, scripts, Setting(), UNTIL)
    lives = [simulate(under_test, script, Setting(), UNTIL) for script in scripts]
    messages = [message for life in lives for message in life.messages]
    held = sum(line.kind == "held_out" for life in lives for line in life.lines)
    assert (report.people, report.entered, report.under_way, report.ended) == (60, 60, 0, {"completed": 60})
    assert report.held_out == held > 0
    assert report.step("x").paths == {"on": 60 - held, "off": held}
    assert report.step("a").sent == 60
    assert report.step("w").entered == report.step("b").sent == 60 - held
    assert report.goal_reached == sum(life.runs[0].goal_at is not None for life in lives) > 0
    assert sum(hour.sent for hour in report.curve) == len(messages) == sum(report.messages.values())
    assert report.curve[0].at == START
    assert report.by_person["p0"] == {f"t-{message.step}": 1 for message in lives[0].messages}


def test_a_report_says_who_still_waits_and_why_messages_were_not_sent() -> None:
    scripts = people(10)
    unwilling = [script.model_copy(update={"person": script.person.model_copy(update={"consents": ()})}) for script in scripts]
    report = simulate_population(journey(send("a"), wait("w", **{"for": "P60D"})), unwilling, Setting(), UNTIL)
    assert report.step("a").skipped == {"no_consent": 10}
    assert (report.under_way, report.step("w").waiting) == (10, 10)


def test_caps_let_in_so_many_an_hour_and_so_many_in_all() -> None:
    entry = {"event": "Begun", "caps": {"per_hour": 2, "in_all": 7}}
    scripts = [
        script.model_copy(update={"happenings": (script.happenings[0].model_copy(update={"at": START}),)}) for script in people(9)
    ]
    report = simulate_population(journey(send("a"), entry=entry), scripts, Setting(), START + 150 * timedelta(minutes=1))
    assert [(hour.at - START, hour.sent) for hour in report.curve] == [(0 * HOUR, 2), (HOUR, 2), (2 * HOUR, 2)]
    assert (report.entered, report.held, report.refused) == (7, 1, {"the journey is full: 7 have entered, its cap in all": 2})


def test_the_difference_of_two_versions_names_steps_messages_and_people() -> None:
    before = simulate_population(journey(*STEPS), people(50), Setting(), UNTIL)
    after = simulate_population(journey(*STEPS, send("c")), people(50), Setting(), UNTIL)
    assert compare(before, before).model_dump(exclude_defaults=True) == {}
    change = compare(before, after)
    assert set(change.steps) == {"c"}
    assert change.messages["t-c"].more == tuple(sorted(f"p{number}" for number in range(50)))
    assert compare(after, before).messages["t-c"].fewer == change.messages["t-c"].more


def test_a_backtest_takes_what_was_before_the_period_as_past_and_lets_in_by_the_journeys_own_rules() -> None:
    under_test = journey(send("s"), entry={"event": "Bought", "only_if": {"event": "Bought", "count": {"gte": 2}}})
    scripts = [
        Script.model_validate(
            {
                "person": person() | {"id": str(number)},
                "happenings": [event(-9 * DAY, "Bought"), *([] if number % 2 else [event(DAY, "Bought")])],
            }
        )
        for number in range(6)
    ]
    report = backtest(under_test, scripts, Setting(), START, UNTIL)
    assert (report.people, report.entered, report.refused) == (6, 3, {})


def test_steps_that_nobody_is_asked_at_are_counted_as_they_are_passed() -> None:
    again = {"id": "r", "type": "repeat", "max": 3, "steps": [wait("w", **{"for": "P1D"})]}
    paths = [{"id": "p", "if": {"trait": "plan", "eq": "gold"}, "steps": [{"id": "over", "type": "exit", "reason": "gold"}]}]
    branch = {"id": "b", "type": "branch", "paths": paths, "otherwise": [{"id": "on", "type": "goto", "goto": "end"}]}
    gold = Script.model_validate({"person": person(plan="gold") | {"id": "g"}, "happenings": [event(DAY, "Begun")]})
    report = simulate_population(journey(again, branch, send("never"), send("end")), [*people(3), gold], Setting(), UNTIL)
    entered = {step.step: step.entered for step in report.steps}
    assert entered == {"r": 16, "w": 12, "b": 4, "over": 1, "on": 3, "end": 3}
    assert report.ended == {"gold": 1, "completed": 3}


def test_whom_the_entrys_filter_does_not_let_in_is_counted_among_the_refusals() -> None:
    under_test = journey(send("s"), entry={"event": "Begun", "where": {"property": "kind", "eq": "new"}})
    report = simulate_population(under_test, people(3), Setting(), UNTIL)
    assert (report.entered, report.refused) == (0, {"the event does not pass the entry's 'where'": 3})


def test_the_difference_of_two_versions_names_channels_reasons_and_refusals() -> None:
    unwilling = [person(consents=(), channels=["sms", "email"]) | {"id": f"u{number}"} for number in range(3)]
    scripts = [Script.model_validate({"person": each, "happenings": [event(0 * DAY, "Begun")]}) for each in unwilling]
    first, second = journey(send("s")), journey(send("s", purpose="transactional"))
    by_sms = journey(send("s", purpose="transactional", channels=["sms"]))
    nobody = journey(send("s"), entry={"event": "Begun", "only_if": {"trait": "plan", "eq": "gold"}})
    skipped, mailed, texted, refused = (
        simulate_population(each, scripts, Setting(), UNTIL) for each in (first, second, by_sms, nobody)
    )
    assert compare(skipped, mailed).steps["s"]["skipped: no_consent"].model_dump() == {"before": 3, "after": 0}
    assert {name: (each.before, each.after) for name, each in compare(mailed, texted).channels.items()} == {
        "email": (3, 0),
        "sms": (0, 3),
    }
    assert compare(skipped, refused).refused["only_if does not hold"].after == 3
