"""Findings about what a journey names: other journeys, results, templates, traits and secrets."""

import pytest

from journeys import Catalog, check, parse_journey
from journeys.catalog import CallTemplate, TemplateFacts
from tests.journeys.helpers import (
    ERROR,
    EVENT,
    SCHEDULE,
    VIP,
    WARNING,
    age,
    branch,
    call,
    goto,
    launch,
    pause,
    ref,
    send,
    small,
    until,
    update,
    wait_for,
    waiting,
)


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
        ("$.steps[2].paths[0].if.trait", "did you mean 'dog.birthdate'?", WARNING),
        ("$.steps[3].paths[0].event", "did you mean 'Order Completed'?", WARNING),
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
        (
            "template 'hello' uses profile.mood, which nothing supplies: it never has a value",
            "did you mean 'profile.traits.mood'?",
            WARNING,
        ),
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
        found = check(parse_journey(small(waiting(way, timeout={"after": "P1D"}), update_)))
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


def test_a_name_deep_inside_a_condition_or_filter_is_told_with_its_own_place() -> None:
    where = {"any": [{"property": "x", "eq": 1}, {"not": {"property": "y", "gte": ref("entry.properties.y")}}]}
    deep = {"all": [VIP, {"any": [{"not": {"segment": "vipp"}}, {"event": "Order", "where": where}]}]}
    data = small(branch("b", deep), entry={"segment_entered": "vip"})
    catalog = Catalog(segments=frozenset({"vip"}))
    assert [(problem.path, problem.severity) for problem in check(parse_journey(data), catalog)] == [
        ("$.steps[0].paths[0].if.all[1].any[0].not.segment", ERROR),
        ("$.steps[0].paths[0].if.all[1].any[1].where.any[1].not.gte.ref", ERROR),
    ]
