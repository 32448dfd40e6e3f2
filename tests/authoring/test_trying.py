"""`reis simulate` and `reis backtest`: a journey tried on people on record, without any server."""

import json
from pathlib import Path
from typing import Any

import pytest

from authoring.population import read_people
from tests.authoring.shop import WELCOME, Shop, reis

PEOPLE = 20


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Every fourth is a good customer; every second one ordered on 10 March."""
    file = tmp_path / "people.jsonl"
    lines = [
        {
            "id": f"u{number:02}",
            "traits": {"email": f"u{number}@example.com", "spent": 150 if number % 4 == 0 else 0},
            "events": [
                {"event": "Signed Up", "at": "2026-03-02T10:00:00Z"},
                *([{"event": "Order Completed", "at": "2026-03-02T20:00:00Z"}] if number % 2 else []),
            ],
        }
        for number in range(PEOPLE)
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    return file


def tracked(*calls: dict[str, Any]) -> str:
    return "\n".join(json.dumps(call) for call in calls)


def steps(report: dict[str, Any]) -> dict[str, int]:
    return {step["step"]: step["entered"] for step in report["steps"]}


def test_a_simulation_counts_every_step_and_draws_the_send_curve(shop: Shop, people: Path) -> None:
    answer = reis("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z")
    assert answer.code == 0
    assert "welcome: 20 people, 20 entered" in answer.out
    assert "5 vip" in answer.out
    assert "15 otherwise" in answer.out
    assert "messages per day (UTC)" in answer.out
    days, hours = answer.out.split("messages per hour of the day (UTC)")
    assert "█" in days
    rows = [line.split() for line in hours.splitlines() if line.strip()]
    assert [row[0] for row in rows] == [f"{hour:02}:00" for hour in range(24)]
    assert sum(int(row[-1]) for row in rows if len(row) > 1) == 40


def test_in_a_pipe_no_id_is_cut_short_however_narrow_the_terminal(shop: Shop, people: Path) -> None:
    body = json.loads(json.dumps(WELCOME))
    body["steps"][1]["id"] = "a-day-in-which-nobody-hears-of-us-" + "at-all-" * 4
    shop.write("journeys", body)
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z")
    assert body["steps"][1]["id"] in reis(*call, columns=40).out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"\n", 'people.jsonl holds nobody; write one person per line, such as {"id": "ada"}'),
        (b'{"id": "ada"}\n\xff\n', "people.jsonl:2 is not JSON: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_file_of_people_in_which_nobody_can_be_read_is_told(shop: Shop, people: Path, text: bytes, told: str) -> None:
    people.write_bytes(text)
    answer = reis("simulate", shop.path, "welcome", "--people-file", people)
    assert (answer.code, told in answer.err) == (1, True)


def test_a_journey_that_is_not_there_or_cannot_be_read_is_told_with_its_place(shop: Shop, people: Path) -> None:
    call = ("simulate", shop.path, "welcom", "--people-file", people)
    assert reis(*call).err == f"{shop.path} has no journey 'welcom'; did you mean 'welcome'?\n"
    file = shop.path / "journeys" / "welcom.json"
    file.write_text("{")
    assert reis(*call).err.startswith(f"{file} $ is not JSON")


def test_a_setting_that_cannot_be_read_speaks_no_pydantic(shop: Shop, people: Path, tmp_path: Path) -> None:
    setting = tmp_path / "setting.json"
    setting.write_text('{"quiet_hours": "21-8"}')
    answer = reis("simulate", shop.path, "welcome", "--people-file", people, "--setting", setting)
    assert answer.err.startswith(f"{setting} $.quiet_hours '21-8' is no window")


def test_people_enter_spread_over_the_span_and_the_numbers_add_up(shop: Shop, people: Path) -> None:
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z", "--format", "json")
    answer = reis(*call, "--over", "PT10H").json
    report = answer["report"]
    assert (report["entered"], report["ended"]) == (PEOPLE, {"completed": PEOPLE})
    assert steps(report) == {"hello": 20, "a-day": 20, "kind": 20, "gift": 5, "tips": 15}
    assert report["messages"] == {"hello": 20, "gift": 5, "tips": 15}
    hellos = [hour for hour in report["curve"] if hour["at"] < "2026-05-05"]
    assert [hour["sent"] for hour in hellos] == [2] * 10
    assert reis(*call, "--over", "PT10H").json == answer


def test_by_a_segment_of_the_folder_only_those_enter_who_belong_to_it(shop: Shop, people: Path) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"segment_entered": "vip"}})
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z", "--format", "json")
    report = reis(*call).json["report"]
    assert (report["people"], report["entered"]) == (PEOPLE, 5)


def test_at_most_so_many_people_and_until_then(shop: Shop, people: Path) -> None:
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z", "--format", "json")
    report = reis(*call, "--people", "6", "--until", "PT12H", "--over", "PT0S").json["report"]
    assert (report["people"], report["under_way"]) == (6, 6)
    assert {step["step"]: step["waiting"] for step in report["steps"]} == {"hello": 0, "a-day": 6}


def test_the_difference_between_two_versions_names_steps_messages_and_hours(shop: Shop, people: Path, tmp_path: Path) -> None:
    other = Shop.at(tmp_path / "other")
    body = json.loads(json.dumps(WELCOME))
    body["steps"][1]["for"] = "P2D"
    body["steps"][2]["paths"] = [{"id": "vip", "if": {"trait": "spent", "gte": 1000}, "steps": []}]
    other.write("journeys", body)
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--start", "2026-05-04T09:00:00Z", "--against", other.path)
    out = reis(*call).out
    assert f"against {other.path}" in out
    assert "step gift: entered 0 → 5, sent 0 → 5" in out
    assert "messages tips: 20 → 15; fewer for 5 people (u00, u04, u08, u12, u16)" in out
    assert "20 messages at another hour" in out
    same = reis(*call[:-1], shop.path).out
    assert "no difference" in same


def test_quiet_hours_and_reactions_come_from_the_setting(shop: Shop, people: Path, tmp_path: Path) -> None:
    body = json.loads(json.dumps(WELCOME))
    body["steps"][1] = {
        "id": "read",
        "type": "wait_for",
        "paths": [{"id": "opened", "message": "hello", "status": "opened"}],
        "timeout": {"after": "P1D"},
    }
    shop.write("journeys", body)
    setting = tmp_path / "setting.json"
    opens = [{"status": "delivered"}, {"status": "opened", "chance": 0.5, "after": ["PT1H", "PT2H"]}]
    setting.write_text(json.dumps({"quiet_hours": "21:00-08:00", "behaviour": {"email": opens}}))
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--setting", setting, "--format", "json")
    report = reis(*call, "--start", "2026-05-04T22:00:00Z", "--over", "PT1H").json["report"]
    (hello, read) = report["steps"][:2]
    assert hello["deferred"] == {"quiet_hours": PEOPLE}
    assert set(read["paths"]) == {"opened", "timeout"}
    assert sum(read["paths"].values()) == PEOPLE
    setting.write_text('{"quiet_hours": "nine to five"}')
    assert "quiet_hours" in reis(*call).err


def test_a_back_test_plays_the_events_of_the_period_and_of_no_other(shop: Shop, people: Path) -> None:
    call = ("backtest", shop.path, "welcome", "--events", people, "--format", "json")
    report = reis(*call, "--from", "2026-03-01", "--until", "2026-03-31").json["report"]
    assert (report["entered"], report["goal_reached"]) == (20, 10)
    assert report["curve"][0]["at"].startswith("2026-03-02T10")
    assert reis(*call, "--from", "2026-03-03", "--until", "2026-03-31").json["report"]["entered"] == 0


def test_what_somebody_does_after_their_entry_happens_also_where_it_is_named_like_the_entry(shop: Shop, tmp_path: Path) -> None:
    bought = {"id": "bought", "event": "Signed Up", "where": {"property": "again", "eq": True}}
    again = {"id": "again", "type": "wait_for", "paths": [bought], "timeout": {"after": "P30D"}}
    goal = {"event": "Signed Up", "where": {"property": "again", "eq": True}}
    shop.write("journeys", {**WELCOME, "goal": goal, "steps": [again]})
    file = tmp_path / "people.jsonl"
    times = ("2026-05-01T10:00:00Z", "2026-05-04T10:00:00Z", "2026-05-10T10:00:00Z")
    did = [{"event": "Signed Up", "at": at, "properties": {"again": True}} for at in times]
    file.write_text(json.dumps({"id": "ada", "events": did}))
    call = ("simulate", shop.path, "welcome", "--people-file", file, "--start", "2026-05-04T12:00:00Z", "--format", "json")
    report = reis(*call).json["report"]
    assert (report["entered"], report["goal_reached"]) == (1, 1)
    assert report["refused"] == {"is still under way, and re-entry is 'when-finished'": 1}
    assert report["steps"][0]["paths"] == {"bought": 1}


def test_a_journey_with_errors_is_not_tried_and_warnings_are_shown(shop: Shop, people: Path) -> None:
    body = json.loads(json.dumps(WELCOME))
    body["steps"][2]["paths"][0]["if"] = {"segment": "vipp"}
    body["steps"][0]["template"] = "helo"
    shop.write("journeys", body)
    call = (shop.path, "welcome", "--people-file", people)
    answer = reis("simulate", *call)
    assert answer.code == 1
    assert "there is no segment 'vipp'; did you mean 'vip'?" in answer.err
    assert "there is no template 'helo'" in answer.err
    assert answer.out == ""
    shop.write("journeys", WELCOME, name="other-name")
    (shop.path / "journeys" / "welcome.json").unlink()
    shop.write("journeys", {**body, "key": "unrelated"})
    warned = reis("simulate", *call, "--start", "2026-05-04T09:00:00Z", "--format", "json")
    assert warned.json["report"]["entered"] == PEOPLE
    assert "rename the file welcome.json" in warned.err
    assert "unrelated" not in warned.err


def test_the_setting_names_a_zone_that_exists_and_calls_that_are_made(shop: Shop, people: Path, tmp_path: Path) -> None:
    setting = tmp_path / "setting.json"
    call = ("simulate", shop.path, "welcome", "--people-file", people, "--setting", setting)
    for body, said in (
        ({"zone": "Mars/X"}, "$.zone 'Mars/X' is no time zone; use a name"),
        ({"answers": {"score": [{"status": 500}]}}, "$.answers.score there is no call step 'score'"),
    ):
        setting.write_text(json.dumps(body))
        answer = reis(*call)
        assert answer.code == 1
        assert said in answer.err


def test_whom_the_entrys_filter_does_not_let_in_is_told(shop: Shop, people: Path) -> None:
    shop.write("journeys", {**WELCOME, "entry": {"event": "Signed Up", "where": {"property": "plan", "eq": "pro"}}})
    out = reis("simulate", shop.path, "welcome", "--people-file", people).out
    assert "welcome: 20 people, 0 entered" in out
    assert "did not enter: 20 the event does not pass the entry's 'where'" in out


def test_what_segments_clients_send_is_a_population_too(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    ann = {"userId": "ann"}
    file.write_text(
        tracked(
            {"type": "identify", **ann, "traits": {"email": "ann@example.com"}, "timestamp": "2026-03-01T08:00:00Z"},
            {"type": "track", **ann, "event": "Signed Up", "timestamp": "2026-03-01T09:00:00Z", "context": {}},
            {"type": "identify", **ann, "traits": {"spent": 120}, "timestamp": "2026-03-01T18:00:00Z"},
            {"type": "track", "anonymousId": 7, "event": "Seen", "properties": None, "timestamp": "2026-03-01T09:00:00"},
            {"type": "page", **ann, "name": "Prices", "properties": {"path": "/prices"}, "timestamp": "2026-03-01T08:30:00Z"},
            {"type": "screen", **ann, "name": "Home", "timestamp": "2026-03-01T08:31:00Z"},
            {"type": "group", **ann, "groupId": "g", "timestamp": "2026-03-01T08:32:00Z"},
            {"type": "alias", **ann, "previousId": "x", "timestamp": "2026-03-01T08:33:00Z"},
        )
    )
    call = ("backtest", shop.path, "welcome", "--events", file, "--from", "2026-03-01", "--until", "2026-04-01")
    report = reis(*call, "--format", "json").json["report"]
    assert (report["people"], report["entered"], report["messages"]) == (2, 1, {"hello": 1, "gift": 1})
    assert f"{file}: 1 alias call left out" in reis(*call).err
    (read,) = [person for person in read_people(file).people if person.id == "ann"]
    assert {did.event: did.properties for did in read.events if did.event != "Signed Up"} == {
        "Page Viewed": {"name": "Prices", "path": "/prices"},
        "Screen Viewed": {"name": "Home"},
        "Group Joined": {"group_id": "g", "traits": {}},
    }


def test_lines_that_cannot_be_read_are_named_with_their_number(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"id": "a"}\n{"id": \n{"id": "b", "traits": [1]}\n{"type": "track", "timestamp": "2026-03-01T00:00:00Z"}\n')
    answer = reis("backtest", shop.path, "welcome", "--events", file, "--from", "2026-03-01", "--until", "2026-04-01")
    assert answer.code == 1
    for line in (2, 3, 4):
        assert f"{file}:{line}" in answer.err
    assert f"{file}:1" not in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("simulate", "welcome"), "say whom"),
        (("backtest", "welcome", "--from", "2026-03-01"), "--until"),
        (("simulate", "welcome", "--until", "a year"), "is no duration"),
        (("simulate", "welcome", "--start", "soon"), "is no date"),
        (("simulate", "welcome", "--over=-P1D"), "'-P1D' goes back; write a time that passes"),
        (("simulate", "welcome", "--until=-P1D"), "'-P1D' does not lead anywhere"),
        (("simulate", "welcome", "--until", "PT0S"), "'PT0S' does not lead anywhere"),
        (("simulate", "welcome", "--properties", "[1]"), "no JSON object"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(shop: Shop, arguments: tuple[str, ...], said: str) -> None:
    command, *rest = arguments
    answer = reis(command, shop.path, *rest)
    assert answer.code == 2
    assert said in answer.err


def test_a_journey_that_the_folder_lacks_is_told_with_the_nearest_one(shop: Shop, people: Path) -> None:
    answer = reis("simulate", shop.path, "welcom", "--people-file", people)
    assert answer.code == 1
    assert "did you mean 'welcome'?" in answer.err


def test_without_a_running_system_whoever_draws_from_it_is_told_how_to_start_one(shop: Shop, tmp_path: Path) -> None:
    answer = reis("simulate", shop.path, "welcome", "--from-system", "--data-dir", tmp_path / "none")
    assert answer.code == 1
    assert "reis up" in answer.err
