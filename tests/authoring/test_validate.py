"""`reis validate`: everything that is wrong with a folder, offline, each with file, place and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from authoring.checks import Names, check_folder
from authoring.folder import read_folder
from journeys.catalog import TemplateFacts
from tests.authoring.shop import VIP, WELCOME, Shop, a_test, reis, template


def found(shop: Shop) -> list[dict[str, Any]]:
    return list(reis("validate", shop.path, "--format", "json").json["findings"])


def test_a_folder_without_problems_is_valid(shop: Shop) -> None:
    shop.write_tests(a_test())
    answer = reis("validate", shop.path)
    assert answer.code == 0
    assert "1 segment, 3 templates, 1 journey, 1 test file: valid" in answer.out


def test_all_problems_of_all_files_are_told_at_once_with_file_place_and_remedy(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "key": "second", "steps": [{"id": "x", "type": "sned"}]})
    shop.write("segments", {"key": "odd", "name": "Odd", "condition": {"trait": "spent", "gtee": 1}})
    shop.write("templates", {"key": "open", "email": {"subject": "{{ profile.traits.name", "html": "<p>{{ nobody }}</p>"}})
    (shop.path / "journeys" / "half.json").write_text('{"key": ')
    answer = reis("validate", shop.path, "--format", "json")
    assert answer.code == 1
    assert answer.json["valid"] is False
    places = {(each["file"].rpartition("/")[2], each["path"]) for each in answer.json["findings"]}
    assert places >= {
        ("second.json", "$.steps[0].type"),
        ("odd.json", "$.condition.gtee"),
        ("open.json", "$.email.subject"),
        ("open.json", "$.email.html"),
        ("half.json", "$"),
    }
    assert all(each["message"] and each["remedy"] for each in answer.json["findings"] if each["severity"] == "error")


def test_an_unreadable_step_hides_nothing_about_the_others(shop: Shop) -> None:
    hello, *others = WELCOME["steps"]
    shop.write("journeys", {**WELCOME, "steps": [{"id": "x", "type": "sned"}, {**hello, "template": "helo"}, *others]})
    told = {(each["path"], each["remedy"]) for each in found(shop)}
    assert told >= {("$.steps[0].type", "did you mean 'send'?"), ("$.steps[1].template", "did you mean 'hello'?")}


def test_names_that_the_folder_lacks_are_told_with_the_nearest_one(shop: Shop) -> None:
    body = json.loads(json.dumps(WELCOME).replace('"template": "tips"', '"template": "tipps"').replace('"vip"}', '"vips"}'))
    shop.write("journeys", body)
    told = {(each["path"], each["message"], each["remedy"]) for each in found(shop)}
    assert ("$.steps[2].otherwise[0].template", "there is no template 'tipps'", "did you mean 'tips'?") in told
    assert any(message == "there is no segment 'vips'" for _, message, _ in told)


def test_a_template_that_needs_what_the_entry_cannot_supply_is_refused(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "vip"}})
    shop.write("templates", {**template("hello"), "email": {"subject": "Hi", "html": "Your plan: {{ entry.properties.plan }}"}})
    assert any("needs entry.properties.plan" in each["message"] for each in found(shop))


@pytest.mark.parametrize(
    "hello",
    [
        {**template("hello"), "sms": {"body": "Your plan: {{ entry.properties.plan }}"}},  # goes by email alone
        {"key": "hello", "email": {"subject": "Hi", "html": "Your plan: {{ entry.properties.plan | default: 'free' }}"}},
        {
            "key": "hello",
            "email": {"subject": "Hi", "html": "{% if entry.properties.plan %}{{ entry.properties.plan }}{% endif %}"},
        },
    ],
)
def test_what_a_template_can_do_without_is_not_asked_of_the_entry(shop: Shop, hello: dict[str, Any]) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "vip"}})
    shop.write("templates", hello)
    assert found(shop) == []


def test_a_mail_without_a_text_is_judged_by_the_text_that_is_made_of_its_html(shop: Shop) -> None:
    mail = {"subject": "Hi", "html": '<a href="{{ profile.traits.page | default: "https://shop.example" }}">Look</a>'}
    shop.write("templates", {"key": "hello", "email": mail})
    (told,) = found(shop)
    assert (told["file"].rpartition("/")[2], told["path"], told["severity"]) == ("hello.json", "$.email.text", "error")
    assert "what is made of 'html' is no Liquid template" in told["message"]
    shop.write("templates", {"key": "hello", "email": {**mail, "text": "Look"}})
    assert found(shop) == []


def test_names_in_the_templates_of_a_call_are_checked_too(shop: Shop) -> None:
    ask = {"id": "ask", "type": "call", "url": "https://shop.example/{{ results.later.body.x }}", "body": "{{ event.id }}"}
    shop.write("journeys", {**WELCOME, "steps": [*WELCOME["steps"], ask]})
    assert [each["path"] for each in found(shop)] == ["$.steps[3].body", "$.steps[3].url"]


def test_a_channel_for_which_the_template_has_no_part_is_a_warning_and_an_error_where_none_has_one(shop: Shop) -> None:
    shop.write("templates", {"key": "gift", "email": {"subject": "A gift", "html": "<p>!</p>"}})
    shop.write("templates", {"key": "tips", "sms": {"body": "tips"}})
    told = {(each["message"], each["severity"]) for each in found(shop)}
    assert told == {
        ("the template 'gift' has no part for sms", "warning"),
        ("the template 'tips' has no part for email", "error"),
    }


def test_a_marketing_template_is_never_sent_as_transactional(shop: Shop) -> None:
    shop.write("journeys", {**WELCOME, "purpose": "transactional"})
    assert sum("never goes out as transactional" in each["message"] for each in found(shop)) == 3


def test_what_a_running_system_knows_of_its_templates_counts_as_what_the_folder_says(shop: Shop) -> None:
    (shop.path / "templates" / "hello.json").unlink()
    running = Names(templates={"hello": TemplateFacts(channels=frozenset({"email"}), purpose="marketing")})
    assert check_folder(read_folder([shop.path]), running).findings == ()
    shop.write("journeys", {**WELCOME, "steps": [{**WELCOME["steps"][0], "purpose": "transactional"}]})
    (told,) = check_folder(read_folder([shop.path]), running).findings
    assert (told.path, told.remedy) == ("$.steps[0].template", "change the template's purpose, or the send's")


def test_a_computed_trait_that_no_file_defines_and_a_bad_template_of_a_call_are_told(shop: Shop) -> None:
    wait = {"id": "out", "type": "wait", "until": {"ref": "profile.computed.runs_out"}}
    call = {"id": "ask", "type": "call", "url": "https://shop.example/{{ results.ask.stauts }}"}
    shop.write("journeys", {**WELCOME, "steps": [wait, call]})
    told = " ".join(each["message"] for each in found(shop))
    assert "runs_out" in told
    assert "results.ask.stauts leads nowhere" in told


def test_segments_that_rest_on_each_other_are_refused(shop: Shop) -> None:
    shop.write("segments", {**VIP, "condition": {"segment": "best"}})
    shop.write("segments", {"key": "best", "name": "Best", "condition": {"not": {"segment": "vip"}}})
    messages = [each["message"] for each in found(shop)]
    assert "the segment would depend on itself: vip → best → vip" in messages


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"event": "Order", "take": "sum"}, "$.property"),
        ({"event": "Order", "take": "count", "add": "P1D"}, "$.add"),
        ({"event": "Order", "take": "last", "where": {"property": "x"}}, "$.where"),
        ({"event": "Order", "take": "newest"}, "$.take"),
    ],
)
def test_a_computed_trait_is_judged_as_the_service_does(shop: Shop, body: dict[str, Any], place: str) -> None:
    shop.write("computed", {"key": "last_order", **body})
    assert place in [each["path"] for each in found(shop)]


def test_a_key_that_is_defined_twice_and_an_object_that_says_a_thing_twice_are_refused(shop: Shop) -> None:
    shop.write("segments", VIP, name="again")
    (shop.path / "segments" / "twice.json").write_text('{"key": "twice", "name": "a", "name": "b", "condition": {"all": []}}')
    told = {each["file"].rpartition("/")[2]: each["message"] for each in found(shop)}
    assert "is defined in" in told["vip.json"] or "is defined in" in told["again.json"]
    assert told["twice.json"] == "an object has the key 'name' twice"


def test_an_object_that_says_things_twice_is_told_with_its_place(shop: Shop) -> None:
    body = json.dumps(WELCOME).replace('"id": "hello"', '"id": "hello", "id": "hallo"').replace('"key"', '"name": "A", "key"', 1)
    (shop.path / "journeys" / "welcome.json").write_text(body)
    assert [each["path"] for each in found(shop)] == ["$.name", "$.steps[0].id"]


def test_a_file_that_is_no_json_is_the_only_finding_and_says_what_to_mend(shop: Shop) -> None:
    shop.write_tests(a_test())
    for file, said, remedy in (
        (shop.path / "journeys" / "welcome.json", "Expecting ',' delimiter: line 2", "put a comma"),
        (shop.path / "templates" / "hello.json", "is empty", "write a definition"),
    ):
        text = file.read_text()
        file.write_text("" if "empty" in said else text.replace(",", "\n", 1))
        (finding,) = found(shop)
        assert said in finding["message"]
        assert remedy in finding["remedy"]
        file.write_text(text)


def test_a_mark_of_the_byte_order_at_the_beginning_of_a_file_is_no_problem(shop: Shop) -> None:
    file = shop.path / "journeys" / "welcome.json"
    file.write_text(file.read_text(), "utf-8-sig")
    assert found(shop) == []


def test_a_file_with_another_name_than_its_key_is_a_warning_which_only_strict_refuses(shop: Shop) -> None:
    (shop.path / "segments" / "vip.json").unlink()
    shop.write("segments", VIP, name="good-customers")
    assert [each["severity"] for each in found(shop)] == ["warning"]
    assert reis("validate", shop.path).code == 0
    assert reis("validate", shop.path, "--strict").code == 1


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ({"splits": {"kind": "vip"}}, "$.tests[0].splits.kind", "there is no split 'kind'"),
        ({"expect": {"messages": [{"step": "tipps"}]}}, "$.tests[0].expect.messages[0].step", "there is no send step 'tipps'"),
        ({"expect": {"path": {"kind": "vpi"}}}, "$.tests[0].expect.path.kind", "there is no path 'vpi'"),
        ({"person": {"segments": ["vip"]}}, "$.tests[0].person.segments[0]", "is worked out from its file"),
        ({"happenings": [{"after": "P1D", "segment_left": "vip"}]}, "$.tests[0].happenings[0]", "is worked out from its file"),
        ({"happenings": [{"event": "Order Completed"}]}, "$.tests[0].happenings[0]", "says not when"),
        ({"happenings": [{"after": "P1D", "evnet": "X"}]}, "$.tests[0].happenings[0]", "needs one of the keys"),
        ({"start": "tomorrow"}, "$.tests[0].start", "is no date"),
        ({"expct": {}}, "$.tests[0].expct", "unknown key 'expct'"),
    ],
)
def test_mistakes_in_tests_are_found_in_their_file(shop: Shop, change: dict[str, Any], place: str, message: str) -> None:
    shop.write_tests(a_test(**change))
    told = [each for each in found(shop) if each["file"].endswith("welcome.test.json")]
    assert place in [each["path"] for each in told]
    assert any(message in each["message"] for each in told)


def test_a_test_of_a_journey_that_is_not_there_is_told(shop: Shop) -> None:
    shop.write_tests(a_test(), journey="welcom")
    (told,) = found(shop)
    assert (told["path"], told["remedy"]) == ("$.journey", "did you mean 'welcome'?")


def test_a_folder_that_does_not_exist_is_a_wrong_call(shop: Shop) -> None:
    assert reis("validate", shop.path / "nowhere").code == 2


def test_a_folder_without_anything_is_not_valid(tmp_path: Path) -> None:
    answer = reis("validate", tmp_path)
    assert answer.code == 1
    assert "holds no JSON file" in answer.out
    assert reis("validate", tmp_path, "--format", "json").json["valid"] is False
    tested = reis("test", tmp_path)
    assert (tested.code, "holds no JSON file" in tested.out) == (1, True)


def test_an_event_of_a_test_that_nothing_listens_to_is_a_warning_with_the_nearest_name(shop: Shop) -> None:
    shop.write_tests(a_test(happenings=[{"after": "PT1H", "event": "Acount Closed"}]))
    (finding,) = found(shop)
    assert (finding["path"], finding["severity"]) == ("$.tests[0].happenings[0].event", "warning")
    assert finding["remedy"] == "did you mean 'Account Closed'?"
    tested = reis("test", shop.path, "--format", "json")
    assert (tested.code, tested.json["findings"]) == (0, [finding])


def test_a_name_that_is_nearly_one_of_the_people_beside_the_journeys_is_a_warning(shop: Shop) -> None:
    shop.write(
        "journeys", {**WELCOME, "exit_when": [{"event": "Account Closd"}, {"trait": "frist_name", "eq": "x"}, {"event": "Moved"}]}
    )
    assert found(shop) == []
    people = {"id": "a", "traits": {"first_name": "A"}, "events": [{"event": "Account Closed", "at": "2026-01-01T00:00:00Z"}]}
    (shop.path / "people.jsonl").write_text(json.dumps(people))
    (shop.path / "others.jsonl").write_text("no people")
    assert [(each["path"], each["remedy"], each["severity"]) for each in found(shop)] == [
        ("$.exit_when[0].event", "did you mean 'Account Closed'?", "warning"),
        ("$.exit_when[1].trait", "did you mean 'first_name'?", "warning"),
    ]
