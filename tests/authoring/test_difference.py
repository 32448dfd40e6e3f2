"""The difference between two definitions, as `reis plan` shows it."""

import json
from typing import Any

from authoring.difference import field_changes, journey_changes
from tests.authoring.shop import WELCOME


def changed() -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(WELCOME))
    return copy


def steps(after: dict[str, Any]) -> dict[str, str]:
    return {change.step: change.kind for change in journey_changes(WELCOME, after)[1]}


def test_the_same_definition_has_no_difference() -> None:
    assert journey_changes(WELCOME, changed()) == ((), ())


def test_a_changed_field_is_told_at_its_step_and_not_at_those_around_it() -> None:
    after = changed()
    after["steps"][2]["otherwise"][0]["channels"] = ["sms"]
    (change,) = journey_changes(WELCOME, after)[1]
    assert (change.step, change.kind) == ("tips", "changed")
    (field,) = change.fields
    assert (field.path, field.before, field.after) == ("channels", ["email"], ["sms"])


def test_a_condition_of_a_path_is_told_by_the_paths_id() -> None:
    after = changed()
    after["steps"][2]["paths"][0]["if"] = {"segment": "best"}
    (change,) = journey_changes(WELCOME, after)[1]
    assert [field.path for field in change.fields] == ["paths.vip.if.segment"]


def test_added_and_removed_steps_leave_the_others_where_they_are() -> None:
    after = changed()
    after["steps"].insert(0, {"id": "first", "type": "wait", "for": "PT1H"})
    after["steps"][3]["paths"][0]["steps"] = []
    assert steps(after) == {"first": "added", "gift": "removed"}


def test_a_step_that_changes_its_place_has_moved() -> None:
    after = changed()
    after["steps"] = [after["steps"][1], after["steps"][0], after["steps"][2]]
    assert sorted(steps(after).values()) == ["moved"]
    after = changed()
    after["steps"].append(after["steps"][2]["otherwise"].pop())
    assert steps(after) == {"tips": "moved"}


def test_what_concerns_the_journey_itself_is_told_apart() -> None:
    after = {**changed(), "name": "Hello", "zone": "Europe/Berlin"}
    del after["goal"]
    fields = {field.path: field.kind for field in journey_changes(WELCOME, after)[0]}
    assert fields == {"name": "changed", "zone": "added", "goal": "removed"}


def test_a_true_is_no_one() -> None:
    assert [change.path for change in field_changes({"a": True}, {"a": 1})] == ["a"]
