"""Findings that need proof or a look at the whole: one row each, and its path leads to the place."""

import pytest

from journeys import check, parse_journey
from tests.journeys.helpers import (
    ERROR,
    EVENT,
    NOT_VIP,
    SCHEDULE,
    VIP,
    WARNING,
    age,
    branch,
    call,
    goto,
    launch,
    leads_somewhere,
    pause,
    ref,
    repeat,
    send,
    small,
    split,
    until,
    update,
    wait_for,
    waiting,
)

FINDINGS = [
    # branches
    (small(branch("b", {"all": [age(eq=1), age(eq=2)]})), "$.steps[0].paths[0].if", "no age is eq 1 and eq 2", WARNING),
    (small(branch("b", {"all": [age(gt=5), age(lt=3)]})), "$.steps[0].paths[0].if", "no age is gt 5 and lt 3", WARNING),
    (small(branch("b", age(gt=3), age(gt=5))), "$.steps[0].paths[1].if", "'p0' before it takes everybody", WARNING),
    (small(branch("b", VIP, NOT_VIP, age(eq=1))), "$.steps[0].paths[2].if", "'p0' or 'p1' before it", WARNING),
    (small(branch("b", VIP, NOT_VIP, otherwise=[send("s")])), "$.steps[0].otherwise", "is never taken", WARNING),
    # waits
    (small(pause("a", **{"for": "PT0S"})), "$.steps[0].for", "no time at all", WARNING),
    (small({"id": "a", "type": "wait", "between": ["P7D", "P1W"]}), "$.steps[0].between", "nothing is random", WARNING),
    (small(pause("a", at="12:00", window={"from": "22:00", "to": "06:00"})), "$.steps[0].at", "never fits the window", WARNING),
    (small(pause("a", window={"from": "00:00", "to": "00:00"})), "$.steps[0].window", "always open", WARNING),
    (
        small(until("a", {"ref": "profile.traits.born", "yearly": True}, offset="P2Y")),
        "$.steps[0].offset",
        "a yearly date by a year",
        ERROR,
    ),
    (small(until("a", "2026-05-02"), until("b", "2026-05-01")), "$.steps[1].until", "always past: step 'a'", WARNING),
    (small(until("a", "2026-05-02"), send("s", valid_until="2026-05-01")), "$.steps[1].valid_until", "is over before", WARNING),
    (
        small(
            until("a", ref("entry.properties.at"), offset="P3D", at="09:00"), send("s", valid_until=ref("entry.properties.at"))
        ),
        "$.steps[1].valid_until",
        "'a' waits until then or longer",
        WARNING,
    ),
    # wait_for
    (
        small(waiting({**EVENT}, {**EVENT, "where": {"property": "x", "eq": 1}})),
        "$.steps[0].paths[1]",
        "waits for the same",
        WARNING,
    ),
    (small(waiting({"segment_left": "vip"}, {"segment_left": "vip"})), "$.steps[0].paths[1]", "waits for the same", WARNING),
    (small(waiting({"if": age(gt=3)}, {"if": age(gt=4)})), "$.steps[0].paths[1]", "waits for the same", WARNING),
    (small(waiting({"if": {"all": []}})), "$.steps[0].paths[0].if", "nobody waits", WARNING),
    (small(waiting({"if": {"any": []}})), "$.steps[0].paths", "can ever come", ERROR),
    (
        small(waiting({**EVENT, "where": {"property": "x", "in": []}}, {"segment_entered": "vip"})),
        "$.steps[0].paths[0].where",
        "never taken",
        WARNING,
    ),
    (small(waiting(EVENT, timeout={"after": "PT0S"})), "$.steps[0].timeout.after", "no path is ever taken", ERROR),
    (small(waiting({**EVENT, "id": "timeout"})), "$.steps[0].paths[0].id", "whose time is over", ERROR),
    # exits that come first
    (
        small(waiting({**EVENT, "where": {"property": "x", "eq": 1}}), exit_when=[EVENT]),
        "$.steps[0].paths[0]",
        "$.exit_when[0] ends the journey first",
        WARNING,
    ),
    (small(waiting(EVENT), goal={**EVENT, "on_reached": "exit"}), "$.steps[0].paths[0]", "the goal ends the journey", WARNING),
    (
        small(waiting({"segment_entered": "vip"}), exit_when=[{"segment_entered": "vip"}]),
        "$.steps[0].paths[0]",
        "never taken",
        WARNING,
    ),
    (small(waiting({"if": age(gt=5)}), exit_when=[{"if": age(gt=3)}]), "$.steps[0].paths[0]", "never taken", WARNING),
    # constants
    (
        small(branch("b", {"value": "entry.properties.plan", "eq": "pro"})),
        "$.steps[0].paths[0].if.value",
        'write {"value": {"ref": "entry.properties.plan"}',
        ERROR,
    ),
    (
        small(branch("b", {"not": {"value": {"ref": "entry.properties.plan", "x": 1}, "eq": "pro"}})),
        "$.steps[0].paths[0].if.not.value",
        "no other key beside 'ref': here is 'x'",
        ERROR,
    ),
    (small(repeat({"all": [{"value": 3, "eq": 3}, VIP]})), "$.steps[0].until.all[0].value", "always the same", WARNING),
    # schedules
    (
        small(entry={"schedule": {"rrule": "FREQ=DAILY;COUNT=12", "starts": "2026-01-01"}, "segment": "vip", "reentry": "never"}),
        "$.entry.reentry",
        "everybody enters only once",
        WARNING,
    ),
    # repetitions
    (small(repeat({"all": []})), "$.steps[0].until", "no round ever runs", WARNING),
    (small(repeat({"any": []})), "$.steps[0].until", "never ends", WARNING),
    (
        small(branch("b", age(gt=5), inside=[repeat(age(gt=3))])),
        "$.steps[0].paths[0].steps[0].until",
        "comes by path 'p0'",
        WARNING,
    ),
    # loops
    (small(repeat({"any": []}, send("s"), pause("a", **{"for": "PT0S"}), max=9)), "$.steps[0]", "without a wait", ERROR),
    (
        small(repeat({"any": []}, waiting(EVENT, since="entry", timeout={"after": "PT0S"}), max=9)),
        "$.steps[0]",
        "without a wait",
        ERROR,
    ),
    (small(waiting({"if": VIP}), send("s"), goto("g", "w")), "$.steps[0]", "conditions that may hold already", WARNING),
    (
        small(send("s"), waiting({"message": "s", "status": "delivered"}), goto("g", "s")),
        "$.steps[0]",
        "outcomes that messages have within moments; then it runs without rest and writes in each round",
        WARNING,
    ),
    (
        small(send("s"), waiting(EVENT, timeout={"until": ref("entry.properties.at")}), goto("g", "s")),
        "$.steps[0]",
        "waits only until dates",
        WARNING,
    ),
    # acting
    (small(update(**{"dog": 1, "dog.name": "Rex"})), '$.steps[0].set["dog.name"]', "a part of dog", ERROR),
    (small(call("c", timeout="PT2M")), "$.steps[0].timeout", "longer than a minute", ERROR),
    (small(call("c", timeout="PT0S")), "$.steps[0].timeout", "no time", ERROR),
    (small(call("c", retry={"first": "PT0S"})), "$.steps[0].retry.first", "no pause", ERROR),
    (small(call("c", retry={"first": "PT5M", "longest": "PT1M"})), "$.steps[0].retry.longest", "shorter than the first", ERROR),
    (small(call("c", method="GET", body={"a": 1})), "$.steps[0].body", "ignore the body", WARNING),
    (small(call("c", url="http://shop.example")), "$.steps[0].url", "unencrypted", WARNING),
    (small(call("c", headers={"Authorization": "Bearer 123"})), "$.steps[0].headers.Authorization", "plain text", WARNING),
    (small(call("c", headers={"X-A": "1", "x-a": "2"})), "$.steps[0].headers.x-a", "written twice", ERROR),
    (small(split("a", 50, 50), split("b", 50, 50)), "$.steps[1].experiment", "other paths or weights in 'a'", ERROR),
    # results
    (small(call("points"), update(x=ref("results.point.status"))), '$.steps[1].set["x"]', "did you mean 'points'?", ERROR),
    (small(send("c"), update(x=ref("results.c.status"))), '$.steps[1].set["x"]', "is no call", ERROR),
    (small(launch("c"), update(x=ref("results.c.reason"))), '$.steps[1].set["x"]', '"wait": true', ERROR),
    (small(call("c"), update(x=ref("results.c.reason"))), '$.steps[1].set["x"]', "it has status", ERROR),
    (small(update(x=ref("results.c.body.points")), call("c")), '$.steps[0].set["x"]', "does not come before", ERROR),
    (small(call("c", body=ref("results.c.status"))), "$.steps[0].body", "does not come before", ERROR),
    (
        small(call("c"), exit_when=[{**EVENT, "where": {"property": "x", "eq": ref("results.c.status")}}]),
        "$.exit_when[0].where.eq.ref",
        "fixed on entry",
        ERROR,
    ),
    # the frame
    (small(entry={**EVENT, "only_if": {"any": []}}), "$.entry.only_if", "nobody ever enters", ERROR),
    (small(entry={**EVENT, "where": {"property": "x", "in": []}}), "$.entry.where", "nobody ever enters", ERROR),
    (small(entry={**EVENT, "caps": {"per_hour": 10, "in_all": 5}}), "$.entry.caps.per_hour", "than in all", WARNING),
    (small(entry={**EVENT, "caps": {}}), "$.entry.caps", "limits nothing", WARNING),
    (small(entry={**SCHEDULE, "reentry": "never"}), "$.entry.reentry", "only once", WARNING),
    (
        small(entry={**SCHEDULE, "schedule": {"rrule": "FREQ=X", "starts": "2026-01-01"}}),
        "$.entry.schedule.rrule",
        "FREQ=X",
        ERROR,
    ),
    (small(entry=SCHEDULE, steps=[update(x=ref("entry.properties.y"))]), '$.steps[0].set["x"]', "by a schedule", ERROR),
    (small(entry=EVENT, exit_when=[EVENT]), "$.exit_when[0]", "that lets people enter", WARNING),
    (
        small(entry={"segment_entered": "vip"}, exit_when=[{"segment_entered": "vip"}]),
        "$.exit_when[0]",
        "that lets people enter",
        WARNING,
    ),
    (small(entry={"segment_entered": "vip"}, exit_when=[{"if": VIP}]), "$.exit_when[0].if", "at once", ERROR),
    (small(entry={**EVENT, "only_if": age(gt=5)}, exit_when=[{"if": age(gt=3)}]), "$.exit_when[0].if", "at once", ERROR),
    (small(exit_when=[{"if": {"any": []}}]), "$.exit_when[0].if", "for nobody", WARNING),
    (small(exit_when=[{**EVENT, "where": {"property": "x", "in": []}}]), "$.exit_when[0].where", "for nobody", WARNING),
    (small(exit_when=[EVENT, EVENT]), "$.exit_when[1]", "twice", WARNING),
    (small(goal={**EVENT, "where": {"property": "x", "in": []}}), "$.goal.where", "never reached", ERROR),
    (small(goal=EVENT), "$.goal", "no steps", WARNING),
    (small(send("s"), goal=EVENT, exit_when=[EVENT]), "$.goal", '"on_reached": "exit"', WARNING),
    # size
    (small(*(send(f"s{at}") for at in range(1001))), "$.steps", "1001 steps", ERROR),
]


@pytest.mark.parametrize(("data", "path", "said", "severity"), FINDINGS)
def test_check_finds(data: object, path: str, said: str, severity: str) -> None:
    found = check(parse_journey(data))
    assert any(p.path == path and said in str(p) and p.severity == severity and p.remedy for p in found), found
    assert all(leads_somewhere(data, problem.path) for problem in found)


def test_a_definition_that_is_nested_too_deeply_is_refused() -> None:
    inner = pause("x")
    for level in range(31):
        inner = branch(f"b{level}", VIP, inside=[inner])
    (found,) = check(parse_journey(small(inner)))
    assert "lies inside 31 other steps" in found.message


NEWER = {"property": "x", "gt": ref("event.properties.x")}
SOON = {"after": "P1D"}
SOUND = [
    small(waiting(EVENT), exit_when=[{**EVENT, "where": {"property": "x", "eq": 1}}]),
    small(waiting(EVENT, timeout=SOON), goal=EVENT),
    small(
        waiting({**EVENT, "where": {"property": "x", "eq": ref("profile.traits.x")}}),
        exit_when=[{**EVENT, "where": {"property": "x", "eq": ref("profile.traits.x")}}],
    ),
    small(
        send("s"),
        entry={"schedule": {"rrule": "FREQ=DAILY;COUNT=1", "starts": "2026-01-01"}, "segment": "vip", "reentry": "never"},
    ),
    small(
        wait_for("first", timeout=SOON),
        until("a", ref("event.properties.at")),
        wait_for("second", timeout=SOON),
        until("b", ref("event.properties.at")),
    ),
    small(
        until("a", ref("profile.traits.next")),
        update(next=ref("entry.properties.next")),
        send("s", valid_until=ref("profile.traits.next")),
    ),
    small(branch("b", age(gt=5), age(gt=3), otherwise=[send("s")])),
    small(waiting({**EVENT, "where": {"property": "x", "eq": 1}}, EVENT, timeout=SOON)),
    small(waiting(EVENT, since="entry", timeout={"after": "PT0S"})),
    small(pause("a", at="23:00", window={"from": "22:00", "to": "06:00"})),
    small({"id": "a", "type": "wait", "between": ["PT1H", "P2D"]}),
    small(send("s"), {"id": "a", "type": "wait", "between": ["PT1H", "P2D"]}, goto("g", "s")),
    small(send("s"), pause("a", at="08:00", **{"for": "PT0S"}), goto("g", "s")),
    small(send("s"), waiting({"message": "s", "status": "replied"}, timeout={"after": "P1D"}), goto("g", "s")),
    small(until("a", ref("entry.properties.at"), offset="-P1D"), send("s", valid_until=ref("entry.properties.at"))),
    small(until("a", "2026-05-01"), send("s", valid_until="2026-05-02"), until("b", "2026-05-03")),
    small(until("a", {"ref": "profile.traits.born", "yearly": True}, offset="-P1W")),
    small(repeat(NOT_VIP, send("s"), waiting(EVENT, {"if": NOT_VIP}, timeout=SOON))),
    small(repeat(NOT_VIP, waiting({**EVENT, "where": NEWER}, {"if": NOT_VIP}, since="entry", timeout=SOON))),
    small(split("a", 100), update(**{"dog.name": "Rex", "dog.age": 3})),
    small(send("s"), entry={"segment_entered": "vip"}, exit_when=[{"segment_left": "vip"}]),
    small(
        send("s"), goal={**EVENT, "where": {"property": "x", "eq": 1}}, exit_when=[{**EVENT, "where": {"property": "x", "eq": 2}}]
    ),
]


@pytest.mark.parametrize("data", SOUND)
def test_what_is_sound_is_not_complained_of(data: object) -> None:
    assert check(parse_journey(data)) == ()
