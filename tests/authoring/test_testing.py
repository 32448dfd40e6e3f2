"""`reis test`: journey tests pass when the journey does what they say, and fail with what happened instead."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.authoring.shop import VIP, WELCOME, Answer, Shop, a_test, reis


def run(shop: Shop, *tests: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The results as JSON."""
    shop.write_tests(*tests, **more)
    answer = reis("test", shop.path, "--format", "json")
    assert answer.json["findings"] == []
    return list(answer.json["tests"])


def problems(shop: Shop, **change: Any) -> list[str]:
    (result,) = run(shop, a_test(**change))
    return list(result["problems"])


def expecting(**expect: Any) -> dict[str, Any]:
    return {"expect": {"messages": [{"step": "hello"}, {"step": "tips"}], **expect}}


def test_a_test_that_the_journey_fulfils_passes(shop: Shop) -> None:
    shop.write_tests(a_test())
    answer = reis("test", shop.path)
    assert answer.code == 0
    assert "✓ hello, and tips a day later" in answer.out
    assert "1 passed" in answer.out


def test_quietly_only_files_with_failed_tests_are_named(shop: Shop) -> None:
    shop.write_tests(a_test())
    assert reis("test", shop.path, "--quiet").out == "1 passed\n"
    shop.write_tests(a_test(expect={"messages": []}))
    assert "welcome.test.json" in reis("test", shop.path, "--quiet").out


def test_a_failure_shows_expected_beside_actual_on_the_persons_clock_and_the_decisions_with_what_they_saw(shop: Shop) -> None:
    late = {"messages": [{"step": "hello"}, {"step": "tips", "at": "2026-03-03T10:30"}]}
    shop.write_tests(a_test(expect=late))
    answer = reis("test", shop.path)
    assert answer.code == 1
    assert "message 2 (tips): expected on Tue 2026-03-03 10:30, came on Tue 2026-03-03 09:00 (1 h 30 min early)" in answer.out
    assert "when (Europe/Berlin)" in answer.out
    assert 'saw {"vip":{"matches":false' in answer.out
    assert "0 passed, 1 failed" in answer.out


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"expect": {"messages": [{"step": "hello"}]}}, "unexpected message: tips (tips, email) on Tue 2026-03-03 09:00"),
        (expecting(messages=[{"step": "hello"}, {"step": "gift"}, {"step": "tips"}]), "message 2 (gift) never came"),
        (expecting(messages=[{"step": "tips"}, {"step": "hello"}]), "message 2 (hello) never came"),
        (expecting(messages=[{"template": "hello", "channel": "sms"}, {"step": "tips"}]), "expected by sms, came by email"),
        (expecting(path={"kind": "vip"}), "kind: expected the path vip, went otherwise"),
        (expecting(ends="exit"), "expected it to end with 'exit', it ended with 'completed'"),
        (expecting(ends={"reason": "completed", "after": "P2D"}), "the end: expected on Wed 2026-03-04 09:00"),
        (expecting(waits_at="a-day"), "expected the person to wait at a-day, it ended with 'completed'"),
        (expecting(goal_reached=True), "expected the goal to be reached, it was not"),
        (expecting(traits={"spent": 5}), "trait spent: expected 5, is nothing"),
        (expecting(emits=["Bought"]), "expected the events Bought, tracked were none"),
        ({"expect": {"enters": False}}, "expected the person not to enter, who did"),
    ],
)
def test_every_expectation_that_is_not_met_is_told(shop: Shop, change: dict[str, Any], problem: str) -> None:
    assert any(problem in told for told in problems(shop, **change))


def test_a_person_of_a_segment_of_the_folder_is_a_member_by_its_condition(shop: Shop) -> None:
    expect = {"messages": [{"step": "hello"}, {"step": "gift", "channel": "email"}], "path": {"kind": "vip"}}
    assert problems(shop, person={"traits": {"spent": 150}}, expect=expect) == []


def test_happenings_end_reach_the_goal_and_change_traits_at_their_time(shop: Shop) -> None:
    closed = {"after": "PT2H", "event": "Account Closed"}
    ends = {"messages": [{"step": "hello"}], "ends": {"reason": "exit", "after": "PT2H"}}
    assert problems(shop, happenings=[closed], expect=ends) == []
    bought = {"at": "2026-03-02T12:00", "event": "Order Completed"}
    assert problems(shop, happenings=[bought], **expecting(goal_reached=True)) == []
    spent = {"after": "PT1H", "traits": {"spent": 200}}
    gift = {"messages": [{"step": "hello"}, {"step": "gift"}], "traits": {"spent": 200}}
    assert problems(shop, happenings=[spent], expect=gift) == []


def test_who_did_not_agree_gets_nothing_and_who_withdraws_nothing_more(shop: Shop) -> None:
    assert problems(shop, person={"consents": {"marketing": False}}, expect={"ends": "completed"}) == []
    assert problems(shop, person={"consents": {"marketing": ["sms"]}}, expect={"ends": "completed"}) == []
    withdrawn = [{"after": "PT1H", "withdraws": "marketing"}]
    assert problems(shop, happenings=withdrawn, expect={"messages": [{"step": "hello"}]}) == []


def test_the_channel_follows_from_whom_it_can_reach(shop: Shop) -> None:
    person = {"traits": {"spent": 150, "email": "ann@example.com"}, "reachable": ["sms"]}
    assert problems(shop, person=person, expect={"messages": [{"step": "gift", "channel": "sms"}]}) == []
    by_phone = {"traits": {"spent": 150, "phone": "+447700900123"}}
    assert problems(shop, person=by_phone, expect={"messages": [{"step": "gift", "channel": "sms"}]}) == []


def test_quiet_hours_and_caps_of_the_file_hold(shop: Shop) -> None:
    night = a_test(
        start="2026-03-02T22:00", expect={"messages": [{"step": "hello", "at": "2026-03-03T08:00"}], "nothing_else": False}
    )
    (result,) = run(shop, night, workspace={"quiet_hours": "21:00-08:00"})
    assert result["problems"] == []
    once = a_test(expect={"messages": [{"step": "hello"}, {"step": "tips", "at": "2026-03-04T09:00"}]})
    (result,) = run(shop, once, workspace={"caps": [{"at_most": 1, "per": "P2D"}]})
    assert result["problems"] == []


def test_messages_open_click_and_bounce_when_the_test_says_so(shop: Shop) -> None:
    steps = [
        {
            "id": "ask",
            "type": "send",
            "template": "gift",
            "channels": ["email", "sms"],
            "fallback": {"unless": "delivered", "within": "PT1H"},
        },
        {
            "id": "answer",
            "type": "wait_for",
            "paths": [
                {"id": "clicked", "message": "ask", "status": "clicked", "steps": []},
                {"id": "opened", "message": "ask", "status": "replied", "steps": []},
            ],
            "timeout": {"after": "P3D", "steps": []},
        },
    ]
    shop.write("journeys", {**WELCOME, "steps": steps})
    clicked = [
        {"message": "ask", "status": "opened", "after": "PT2H"},
        {"message": "ask", "status": "clicked", "after": "PT5M", "url": "https://example.com"},
    ]
    taken = {"messages": [{"step": "ask"}], "path": {"answer": "clicked"}, "ends": {"after": "PT2H5M"}}
    assert problems(shop, happenings=clicked, expect=taken) == []
    bounced = {
        "messages": [{"step": "ask", "channel": "email"}, {"step": "ask", "channel": "sms"}],
        "path": {"answer": "timeout"},
    }
    assert problems(shop, happenings=[{"message": "ask", "status": "bounced"}], expect={**bounced, "nothing_else": False}) == []


def test_calls_are_answered_by_the_test_try_by_try(shop: Shop) -> None:
    call = {
        "id": "stock",
        "type": "call",
        "url": "https://shop.example/stock",
        "retry": {"attempts": 2, "first": "PT1M"},
        "on_failure": [{"id": "sorry", "type": "exit", "reason": "no answer"}],
    }
    kept = {"id": "keep", "type": "update_profile", "set": {"stock": {"ref": "results.stock.body.left"}}}
    shop.write("journeys", {**WELCOME, "steps": [call, kept]})
    failing = [{"call": "stock", "error": "timed out"}, {"call": "stock", "status": 500}]
    assert problems(shop, happenings=failing, expect={"ends": "no answer", "path": {"stock": "failed"}}) == []
    second = [{"call": "stock", "error": "timed out"}, {"call": "stock", "body": {"left": 3}}]
    expect = {"ends": {"reason": "completed", "after": "PT1M"}, "path": {"stock": "ok"}, "traits": {"stock": 3}}
    assert problems(shop, happenings=second, expect=expect) == []


def test_the_path_of_a_split_is_chosen_by_the_test(shop: Shop) -> None:
    split = {
        "id": "half",
        "type": "split",
        "paths": [
            {"id": "mail", "weight": 50, "steps": [{"id": "tell", "type": "send", "template": "tips", "channels": ["email"]}]},
            {"id": "none", "weight": 50, "hold_out": True},
        ],
    }
    shop.write("journeys", {**WELCOME, "steps": [split]})
    for path, messages in (("mail", [{"step": "tell"}]), ("none", [])):
        expect = {"messages": messages, "path": {"half": path}}
        assert problems(shop, splits={"half": path}, expect=expect) == []


def test_entry_by_a_segment_of_the_folder_comes_with_the_start_or_when_its_condition_begins_to_hold(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "vip"}})
    member = {"messages": [{"step": "hello", "after": "PT0S"}], "nothing_else": False}
    assert problems(shop, person={"traits": {"spent": 150}}, expect=member) == []
    later = [{"after": "P2D", "traits": {"spent": 150}}]
    becoming = {"messages": [{"step": "hello", "after": "P2D"}], "nothing_else": False}
    assert problems(shop, happenings=later, expect=becoming) == []
    assert problems(shop, expect={"enters": False}) == []


def test_a_membership_by_which_the_person_entered_ends_when_its_condition_no_longer_holds(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "vip"}, "exit_when": [{"segment_left": "vip"}]})
    poor = [{"after": "PT3H", "traits": {"spent": 0}}]
    ends = {"messages": [{"step": "hello"}], "ends": {"reason": "exit", "after": "PT3H"}}
    assert problems(shop, person={"traits": {"spent": 150}}, happenings=poor, expect=ends) == []


def test_a_segment_that_no_file_defines_is_entered_at_the_start_and_left_when_the_test_says_so(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "elsewhere"}, "exit_when": [{"segment_left": "elsewhere"}]})
    left = [{"after": "PT3H", "segment_left": "elsewhere"}]
    shop.write_tests(a_test(happenings=left, expect={"messages": [{"step": "hello"}], "ends": {"after": "PT3H"}}))
    answer = reis("test", shop.path, "--format", "json")
    assert [each["problems"] for each in answer.json["tests"]] == [[]]


def test_past_events_count_for_conditions_and_computed_traits_are_worked_out_from_them(shop: Shop) -> None:
    shop.write("segments", {**VIP, "condition": {"event": "Order", "within": "P30D", "count": {"gte": 2}}})
    orders = [{"event": "Order", "before": "P3D"}, {"event": "Order", "at": "2026-03-01T09:00"}]
    vip = {"path": {"kind": "vip"}, "messages": [{"step": "hello"}, {"step": "gift"}]}
    assert problems(shop, person={"events": orders}, expect=vip) == []
    shop.write("computed", {"key": "runs_out_at", "event": "Order", "take": "last", "add": "P10D"})
    wait = {"id": "out", "type": "wait", "until": {"ref": "profile.computed.runs_out_at"}}
    shop.write("journeys", {**WELCOME, "steps": [wait]})
    assert problems(shop, person={"events": orders}, expect={"ends": {"at": "2026-03-11T09:00"}}) == []


def test_a_broken_journey_or_test_file_stops_the_run_with_its_findings(shop: Shop) -> None:
    shop.write_tests(a_test())
    shop.write("journeys", {**WELCOME, "steps": [{"id": "x", "type": "sned"}]})
    answer: Answer = reis("test", shop.path, "--format", "json")
    assert answer.code == 1
    assert [each["path"] for each in answer.json["findings"]] == ["$.steps[0].type"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("journeys/other.test.json", '{"journey": "welcome", "tests": []} {"journey": "welcome"}'),
        ("journeys/welcome.json", '{"key": "welcome", '),
        ("journeys/other.json", "[]"),
        ("segments/vip.json", '{"key": "vip", "name": "V", "condition": {"trait": "spent", "gtee": 1}}'),
        ("templates/hello.json", '{"key": "hello", "key": "hello"}'),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_run_and_is_told_of_once(shop: Shop, name: str, text: str) -> None:
    shop.write_tests(a_test())
    (shop.path / name).write_text(text)
    answer = reis("test", shop.path, "--format", "json")
    assert answer.code == 1
    assert [each["file"] for each in answer.json["findings"]] == [str(shop.path / name)]
    assert "no tests were found" not in answer.err


def test_a_test_file_without_its_folder_says_what_to_name_instead(shop: Shop) -> None:
    (finding,) = reis("test", shop.write_tests(a_test()), "--format", "json").json["findings"]
    assert finding["remedy"] == "name the folder that holds it too; --only picks tests"


def test_what_never_came_says_why_it_was_skipped(shop: Shop) -> None:
    (hello, tips) = problems(shop, person={"consents": {"marketing": ["sms"]}}, **expecting())
    assert hello == "message 1 (hello) never came: skipped, no_consent (email: no_consent)"
    assert tips.startswith("message 2 (tips) never came: skipped, no_consent")
    assert "hello            skipped: no_consent (email: no_consent)" in reis("test", shop.path).out


def test_messages_are_matched_so_that_as_many_as_can_be_are_as_expected(shop: Shop) -> None:
    send = {"type": "send", "template": "tips", "channels": ["email"]}
    steps: list[dict[str, Any]] = []
    for number, step in enumerate("bcabc"):
        steps += [{"id": f"{step}{number}", **send}, {"id": f"w{number}", "type": "wait", "for": "P1D"}]
    shop.write("journeys", {**WELCOME, "steps": steps})
    some = {"messages": [{"step": "a2"}, {"step": "b3"}, {"step": "c4"}], "nothing_else": False}
    assert problems(shop, expect=some) == []
    by_template = {"messages": [{"template": "tips"}] * 5}
    assert problems(shop, expect=by_template) == []
    third = {"messages": [{"template": "tips", "after": "P2D"}], "nothing_else": False}
    assert problems(shop, expect=third) == []
    wrong = {"messages": [{"template": "tips"}] * 4}
    assert problems(shop, expect=wrong) == ["unexpected message: c4 (tips, email) on Fri 2026-03-06 09:00"]


def test_no_tests_at_all_is_a_failure_that_says_where_they_belong(shop: Shop) -> None:
    answer = reis("test", shop.path)
    assert answer.code == 1
    assert "NAME.test.json" in answer.err


def test_only_runs_what_is_named(shop: Shop) -> None:
    shop.write_tests(a_test(), a_test(name="another", expect={"enters": False}))
    assert reis("test", shop.path, "--only", "Tips A Day").code == 0
    assert reis("test", shop.path, "--only", "another").code == 1


def test_junit_has_a_case_per_test_and_a_failure_per_failed_one(shop: Shop) -> None:
    shop.write_tests(a_test(), a_test(name="wrong", expect={"enters": False}))
    answer = reis("test", shop.path, "--format", "junit")
    root = ET.fromstring(answer.out)
    cases = {case.get("name"): case.find("failure") is not None for case in root.iter("testcase")}
    assert cases == {"hello, and tips a day later": False, "wrong": True}
    assert (root.get("tests"), root.get("failures")) == ("2", "1")


def test_the_published_schema_takes_the_test_file_and_refuses_an_unknown_field(shop: Shop) -> None:
    file = shop.write_tests(a_test())
    schema = reis("schema", "--kind", "test").json
    assert schema["additionalProperties"] is False
    assert set(json.loads(file.read_text())) <= set(schema["properties"])
    fields = schema["$defs"]["JourneyTest"]["properties"]
    assert all("description" in field for field in fields.values())
