"""Findings that need proof, a catalog or a look at the whole: one row each, and its path leads to the place."""

import pytest

from journeys import Catalog, check, parse_journey
from journeys.catalog import CallTemplate, TemplateFacts
from journeys.refs import REMEDY
from tests.journeys.helpers import branch, call, goto, launch, leads_somewhere, pause, send, small, wait_for

VIP, NOT_VIP = {"segment": "vip"}, {"not": {"segment": "vip"}}
SCHEDULE = {"schedule": {"rrule": "FREQ=WEEKLY;BYDAY=TU", "starts": "2026-01-01"}, "segment": "vip"}
ERROR, WARNING = "error", "warning"


def age(**test: object) -> dict[str, object]:
    return {"trait": "age", **test}


def update(**traits: object) -> dict[str, object]:
    return {"id": "u", "type": "update_profile", "set": traits}


def until(step_id: str, date: object, **more: object) -> dict[str, object]:
    return {"id": step_id, "type": "wait", "until": date, **more}


def waiting(*paths: object, **more: object) -> dict[str, object]:
    return {"id": "w", "type": "wait_for", "paths": [{"id": f"p{at}", **path} for at, path in enumerate(paths)], **more}  # type: ignore[dict-item]


def repeat(condition: object, *steps: object, **more: object) -> dict[str, object]:
    return {"id": "r", "type": "repeat", "until": condition, "steps": list(steps) or [pause("in")], **more}


def split(step_id: str, *weights: int) -> dict[str, object]:
    paths = [{"id": f"{step_id}{at}", "weight": weight} for at, weight in enumerate(weights)]
    return {"id": step_id, "type": "split", "experiment": "price", "paths": paths}


def ref(name: str) -> dict[str, str]:
    return {"ref": name}


EVENT = {"event": "Paid"}
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
        "$.steps[0].paths[0].if",
        'write {"value": {"ref": "entry.properties.plan"}',
        ERROR,
    ),
    (
        small(branch("b", {"not": {"value": {"ref": "entry.properties.plan", "x": 1}, "eq": "pro"}})),
        "$.steps[0].paths[0].if",
        "no other key beside 'ref': here is 'x'",
        ERROR,
    ),
    (small(repeat({"all": [{"value": 3, "eq": 3}, VIP]})), "$.steps[0].until", "always the same", WARNING),
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
        "$.exit_when[0]",
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


SOUND = [
    small(waiting(EVENT), exit_when=[{**EVENT, "where": {"property": "x", "eq": 1}}]),
    small(waiting(EVENT), goal=EVENT),
    small(
        waiting({**EVENT, "where": {"property": "x", "eq": ref("profile.traits.x")}}),
        exit_when=[{**EVENT, "where": {"property": "x", "eq": ref("profile.traits.x")}}],
    ),
    small(entry={"schedule": {"rrule": "FREQ=DAILY;COUNT=1", "starts": "2026-01-01"}, "segment": "vip", "reentry": "never"}),
    small(wait_for("first"), until("a", ref("event.properties.at")), wait_for("second"), until("b", ref("event.properties.at"))),
    small(
        until("a", ref("profile.traits.next")),
        update(next=ref("entry.properties.next")),
        send("s", valid_until=ref("profile.traits.next")),
    ),
    small(branch("b", age(gt=5), age(gt=3), otherwise=[send("s")])),
    small(waiting({**EVENT, "where": {"property": "x", "eq": 1}}, EVENT)),
    small(waiting(EVENT, since="entry", timeout={"after": "PT0S"})),
    small(pause("a", at="23:00", window={"from": "22:00", "to": "06:00"})),
    small({"id": "a", "type": "wait", "between": ["PT1H", "P2D"]}),
    small(send("s"), {"id": "a", "type": "wait", "between": ["PT1H", "P2D"]}, goto("g", "s")),
    small(send("s"), pause("a", at="08:00", **{"for": "PT0S"}), goto("g", "s")),
    small(send("s"), waiting({"message": "s", "status": "replied"}, timeout={"after": "P1D"}), goto("g", "s")),
    small(until("a", ref("entry.properties.at"), offset="-P1D"), send("s", valid_until=ref("entry.properties.at"))),
    small(until("a", "2026-05-01"), send("s", valid_until="2026-05-02"), until("b", "2026-05-03")),
    small(until("a", {"ref": "profile.traits.born", "yearly": True}, offset="-P1W")),
    small(repeat(NOT_VIP, send("s"), waiting(EVENT, {"if": NOT_VIP}))),
    small(split("a", 100), update(**{"dog.name": "Rex", "dog.age": 3})),
    small(entry={"segment_entered": "vip"}, exit_when=[{"segment_left": "vip"}]),
    small(
        send("s"), goal={**EVENT, "where": {"property": "x", "eq": 1}}, exit_when=[{**EVENT, "where": {"property": "x", "eq": 2}}]
    ),
]


@pytest.mark.parametrize("data", SOUND)
def test_what_is_sound_is_not_complained_of(data: object) -> None:
    assert check(parse_journey(data)) == ()


def beyond_what_runs(found: tuple[object, ...]) -> list[str]:
    """Findings but for those that only say that a service does not carry something out yet."""
    return [str(problem) for problem in found if " yet (" not in str(problem)]


def test_results_are_known_behind_the_call_and_in_its_failure_path_and_of_a_journey_that_was_waited_for() -> None:
    failure = {"id": "f", "type": "update_profile", "set": {"why": ref("results.c.error")}}
    later = update(points=ref("results.c.body.points"), how=ref("results.j.reason"))
    data = small(call("c", on_failure=[failure]), launch("j", wait=True), later)
    assert beyond_what_runs(check(parse_journey(data))) == []


def test_a_call_s_own_result_of_the_round_before_is_known_in_a_loop() -> None:
    data = small(call("c", body=ref("results.c.body.next")), pause("w"), goto("g", "c"))
    assert beyond_what_runs(check(parse_journey(data))) == []


def others(**definitions: object) -> Catalog:
    return Catalog(definitions={key: parse_journey({**data, "key": key}) for key, data in definitions.items()})  # type: ignore[dict-item]


def circles(data: dict[str, object], catalog: Catalog) -> list[tuple[str, str]]:
    return [(p.path, p.severity) for p in check(parse_journey(data), catalog) if "without anybody ever waiting" in p.message]


def test_journeys_that_start_each_other_without_a_wait_are_found() -> None:
    here = small(send("s"), launch("l", "b"))
    assert circles(here, others(b=small(launch("l", "c")), c=small(launch("l", "small")))) == [("$.steps[1].journey", ERROR)]
    assert circles(here, others(b=small(pause("w"), launch("l", "small")))) == []
    assert circles(here, others(b=small(launch("l", "b")))) == []
    assert circles(small(launch("l", "small")), Catalog()) == [("$.steps[0].journey", ERROR)]
    only_some = small(launch("l", "small"), entry={**EVENT, "only_if": VIP})
    assert circles(here, others(b=only_some)) == [("$.steps[1].journey", WARNING)]


def test_an_event_that_lets_people_into_the_journey_that_emits_it_is_worth_a_warning() -> None:
    emit = {"id": "e", "type": "emit_event", "event": "Order"}
    assert circles(small(emit), Catalog()) == [("$.steps[0].event", WARNING)]
    assert circles(small(pause("w"), emit), Catalog()) == []


def test_traits_and_events_that_nobody_has_seen_are_worth_a_warning_with_the_nearest_name() -> None:
    catalog = Catalog(
        traits=frozenset({"dog.birthdate", "tier"}),
        computed=frozenset({"runs_out"}),
        events=frozenset({"Order", "Order Completed"}),
    )
    data = small(
        update(mood="good"),
        {"id": "e", "type": "emit_event", "event": "Mood Set"},
        branch(
            "b", {"trait": "dog.brithdate", "exists": True}, {"trait": "mood", "eq": "good"}, {"trait": "dog", "exists": True}
        ),
        wait_for("w", paths=[{"id": "p", "event": "Order Complete"}, {"id": "q", "event": "Mood Set"}]),
        until("x", ref("profile.computed.run_out")),
        until("v", ref("profile.traits.teir")),
    )
    found = [(p.path, p.remedy, p.severity) for p in check(parse_journey(data), catalog) if "has been seen" in p.message]
    assert found == [
        ("$.steps[2].paths[0].if", "did you mean 'dog.birthdate'?", WARNING),
        ("$.steps[3].paths[0]", "did you mean 'Order Completed'?", WARNING),
        ("$.steps[4].until.ref", "did you mean 'runs_out'?", WARNING),
        ("$.steps[5].until.ref", "did you mean 'tier'?", WARNING),
    ]


def test_what_a_template_needs_is_checked_against_schedules_callers_and_results() -> None:
    names = frozenset({"entry.properties.title", "results.c.body.points"})
    needs = Catalog(template_facts={"hello": TemplateFacts(required={"email": names})})

    def found(**more: object) -> list[tuple[str, str]]:
        return [
            (p.message.partition(" needs ")[2] or p.message, p.severity)
            for p in check(parse_journey(small(send("s"), **more)), needs)
            if p.path == "$.steps[0].template"
        ]

    leads_nowhere = ("results.c.body leads nowhere: there is no step 'c'", ERROR)
    assert found(entry=SCHEDULE) == [
        ("entry.properties.title, but whoever enters by a schedule brings no event", ERROR),
        leads_nowhere,
    ]
    by_api = ("entry.properties.title, which is there only if whoever starts the journey gives it", WARNING)
    assert found(entry={"api": True}) == [by_api, leads_nowhere]


def test_templates_in_a_call_are_read_by_the_check_that_is_given() -> None:
    data = small(call("c", url="https://x.example/{{ a", headers={"X-A": "{{ b"}, body={"list": ["fine", "{{ c"]}))
    catalog = Catalog(call_template=lambda text: CallTemplate(f"no end of {text[-1]}"))
    found = [(p.path, p.message) for p in check(parse_journey(data), catalog) if "Liquid" in p.message]
    assert found == [
        ("$.steps[0].body.list[1]", "is no Liquid template: no end of c"),
        ("$.steps[0].headers.X-A", "is no Liquid template: no end of b"),
        ("$.steps[0].url", "is no Liquid template: no end of a"),
    ]


def test_what_a_template_needs_on_another_channel_or_can_do_without_is_not_complained_of() -> None:
    used = frozenset({"entry.properties.code", "profile.traits.frist_name", "profile.mood"})
    names = TemplateFacts(used={"email": used, "sms": frozenset({"profile.x"})}, required={"sms": used})
    catalog = Catalog(template_facts={"hello": names}, traits=frozenset({"first_name"}))
    by_email = check(parse_journey(small(send("s"), entry={"segment_entered": "vip"})), catalog)
    assert [(problem.message, problem.remedy, problem.severity) for problem in by_email] == [
        ("no trait 'frist_name' has been seen yet", "did you mean 'first_name'?", WARNING),
        ("template 'hello' uses profile.mood, which nothing supplies: it never has a value", REMEDY, WARNING),
    ]
    by_sms = check(parse_journey(small(send("s", channels=["sms"]), entry={"segment_entered": "vip"})), catalog)
    assert [problem.message for problem in by_sms if problem.severity == ERROR] == [
        "template 'hello' needs entry.properties.code, but whoever enters by a segment brings no event",
        "template 'hello' needs profile.mood, which nothing supplies",
    ]


def test_names_in_the_templates_of_a_call_are_checked_as_references_are() -> None:
    def read(text: str) -> CallTemplate:
        names = frozenset({text.partition("{{ ")[2].partition(" ")[0]})
        return CallTemplate(used=names, required=frozenset() if "default" in text else names)

    data = small(
        call("c", url="https://x.example/{{ results.later.body.x }}", headers={"X-A": "{{ event.properties.a }}"}),
        call("later", body=["{{ entry.properties.q }}", {"q": "{{ entry.properties.q | default: 1 }}"}]),
        call(
            "last",
            body={"a": "{{ results.lat.body.x }}", "b": "{{ secrets.KEY }}", "c": "{{ profile.traits.teir | default: 1 }}"},
        ),
        entry={"segment_entered": "vip"},
    )
    catalog = Catalog(call_template=read, traits=frozenset({"tier"}))
    assert [(problem.path, problem.message.partition(":")[0]) for problem in check(parse_journey(data), catalog)] == [
        ("$.steps[0].headers.X-A", "event.properties.a leads nowhere"),
        ("$.steps[0].url", "results.later.body is not known yet"),
        ("$.steps[1].body[0]", "entry.properties.q leads nowhere"),
        ("$.steps[2].body.a", "results.lat.body leads nowhere"),
        ("$.steps[2].body.c", "no trait 'teir' has been seen yet"),
    ]


def test_what_woke_the_journey_has_properties_only_where_an_event_or_a_message_could() -> None:
    update_ = update(x=ref("event.properties.x"), at=ref("event.timestamp"))
    for way, ok in (({"segment_entered": "vip"}, False), ({"if": age(gt=3)}, False), (EVENT, True)):
        found = check(parse_journey(small(waiting(way), update_)))
        assert [problem.path for problem in found] == ([] if ok else ['$.steps[1].set["x"]'])


@pytest.mark.parametrize(
    ("more", "places"),
    [
        ({"url": "https://ann:hunter2@x.example/"}, [".url"]),
        ({"url": "https://x.example/?a=1&api_key=abc"}, [".url"]),
        ({"headers": {"Authorization": "Bearer abc"}}, [".headers.Authorization"]),
        (
            {"body": {"user": {"password": "abc", "name": "x"}, "list": [{"client-secret": "x"}]}},
            [
                ".body.list[0].client-secret",
                ".body.user.password",
            ],
        ),
        (
            {
                "url": "https://ann:{{ secrets.KEY }}@x.example/?api_key={{ secrets.KEY }}&at=a:b@c",
                "body": {"password": "{{ secrets.PASSWORD }}", "token": ref("entry.properties.token")},
            },
            [],
        ),
    ],
)
def test_secrets_in_plain_text_are_found_wherever_a_call_holds_them(more: dict[str, object], places: list[str]) -> None:
    found = check(parse_journey(small(call("c", **more))))
    assert sorted(problem.path for problem in found if "secret" in problem.message) == [f"$.steps[0]{place}" for place in places]
