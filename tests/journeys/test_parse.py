"""Definitions are read from JSON, written back unchanged, and refused with all paths and remedies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from journeys import JourneyError, content_hash, journey_schema, parse_journey
from tests.journeys.helpers import FOLLOW_UP, PUPPY, REFERENCES, definition, pause, send, small, wait_for


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_journey_is_written_back_as_it_was_read(name: str) -> None:
    assert parse_journey(definition(name)).model_dump(mode="json") == definition(name)


def validate(folder: Path, *arguments: str) -> int:
    schema = folder / "journey.json"
    schema.write_text(json.dumps(journey_schema()))
    command = [sys.executable, "-m", "check_jsonschema", *(argument.format(schema=schema) for argument in arguments)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def test_the_reference_journeys_fit_the_json_schema(tmp_path: Path) -> None:
    assert validate(tmp_path, "--schemafile", "{schema}", *map(str, REFERENCES.values())) == 0


def test_the_json_schema_is_well_formed_and_describes_every_field_of_a_step(tmp_path: Path) -> None:
    assert validate(tmp_path, "--check-metaschema", "{schema}") == 0
    kinds = journey_schema()["$defs"]
    for kind in ("Send", "Wait", "WaitFor", "Repeat", "StartJourney"):
        described = kinds[kind]["properties"]  # type: ignore[index, call-overload]
        undescribed = {name for name, field in described.items() if "description" not in field}  # type: ignore[union-attr, operator]
        assert undescribed <= {"type", "steps"}


def test_the_json_schema_refuses_an_unknown_key(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(small(send("a", chanels=["sms"]))))
    assert validate(tmp_path, "--schemafile", "{schema}", str(wrong)) == 1


def test_the_content_hash_looks_at_content_only() -> None:
    data = definition(FOLLOW_UP)
    shuffled = json.loads(json.dumps(dict(reversed(data.items())), indent=3))
    assert content_hash(shuffled) == content_hash(data)
    assert content_hash({**data, "name": "é"}) != content_hash(data)
    assert len(content_hash(data)) == 64


@pytest.mark.parametrize(
    ("data", "path", "said"),
    [
        (small(send("a", template="")), "$.steps[0].template", "at least 1"),
        (small(send("a", channels=[])), "$.steps[0].channels", "at least 1"),
        (small(send("a", channels=["fax"])), "$.steps[0].channels[0]", "'email', 'sms', 'whatsapp' or 'web_push'"),
        (small({"id": "a", "type": "cal"}), "$.steps[0].type", "unknown type 'cal'"),
        (small({"id": "a", "type": "brunch"}), "$.steps[0].type", "did you mean 'branch'?"),
        (small({"id": "a", "type": "Send"}), "$.steps[0].type", "did you mean 'send'?"),
        (small({"id": "a"}), "$.steps[0]", "type"),
        (small({"id": "a", "type": "wait"}), "$.steps[0]", "one of 'for', 'between' and 'until'"),
        (small(pause("a", until="2026-01-01")), "$.steps[0]", "says 'for' and 'until'"),
        (small({"id": "a", "type": "call", "url": "ftp://x"}), "$.steps[0].url", "begin with https://"),
        (small({"id": "a", "type": "repeat", "max": 1.5, "steps": [pause("b")]}), "$.steps[0].max", "a whole number"),
        (small({"id": "a", "type": "wait", "for": "-P1D"}), "$.steps[0].for", "less than no time"),
        (small(pause("a", late_by="-P1D")), "$.steps[0].late_by", "is negative"),
        (small({"id": "a", "type": "wait", "between": ["P2D", "P1D"]}), "$.steps[0].between", "before it begins"),
        (small(wait_for("a", timeout={"after": "-P1D"})), "$.steps[0].timeout.after", "less than no time"),
        (small(pause("a", offset="P1D")), "$.steps[0].offset", "'until', which is missing"),
        (small(pause("a", window={"days": ["monday"]})), "$.steps[0].window.days[0]", "did you mean 'mon'?"),
        (small(pause("a", window={"days": ["mon", "mon"]})), "$.steps[0].window.days", "a day twice"),
        (small(pause("a", at="25:00")), "$.steps[0].at", "a time of day such as 09:30"),
        (small(pause("a", if_past={"goto": 3})), "$.steps[0].if_past.goto", "string"),
        (small({"id": "a", "type": "wait", "until": {"ref": "order.id"}}), "$.steps[0].until.ref", "is no reference"),
        (small({"id": "a", "type": "wait", "until": "soon"}), "$.steps[0].until", "'soon' is no date"),
        (
            small({"id": "a", "type": "wait", "until": "entry.properties.at"}),
            "$.steps[0].until",
            'did you mean {"ref": "entry.properties.at"}?',
        ),
        (small({"id": "a", "type": "wait", "for": "1 day"}), "$.steps[0].for", "did you mean 'P1D'?"),
        (small(pause("a", if_past="goto")), "$.steps[0].if_past", """'continue', 'exit' or {"goto": …}"""),
        (small(send("a", channels=["E-Mail"])), "$.steps[0].channels[0]", "did you mean 'email'?"),
        (small(send("a", channels="email")), "$.steps[0].channels", "should be a list: put [ before it"),
        (small(send("a", purpose=None), send("b", fallback=True)), "$.steps[1].fallback", "is true"),
        (small(exit_when={"event": "Paid"}), "$.exit_when", "should be a list: put [ before it"),
        (small(entry={"event": "x", "segment_entered": "vip"}), "$.entry.segment_entered", "beside 'event'"),
        (
            small({"id": "a", "type": "branch", "paths": [{"id": "p", "if": {"trait": "t", "eq": 1, "segment": "vip"}}]}),
            "$.steps[0].paths[0].if.segment",
            'combine both with "all"',
        ),
        (small(wait_for("a", timeout={"steps": []})), "$.steps[0].timeout", "either 'after' or 'until'"),
        (small({"id": "a", "type": "wait_for", "paths": [{"id": "p"}]}), "$.steps[0].paths[0]", "event, message"),
        (
            small({"id": "a", "type": "branch", "paths": [{"id": "p", "iff": {"segment": "vip"}}]}),
            "$.steps[0].paths[0].iff",
            "did you mean 'if'?",
        ),
        (
            small(send("x"), {"id": "a", "type": "branch", "paths": [{"id": "p", "if": {"trait": "t", "eqals": 1}}]}),
            "$.steps[1].paths[0].if.eqals",
            "unknown key 'eqals'",
        ),
        (small({"id": "a", "type": "repeat", "steps": [pause("b")]}), "$.steps[0]", "never ends"),
        (small({"id": "a", "type": "update_profile", "set": {"a..b": 1}}), '$.steps[0].set["a..b"]', "no dotted path"),
        ({**small(), "entry": {"evnt": "x"}}, "$.entry", "did you mean 'event' instead of 'evnt'?"),
        ({**small(), "entry": {"event": "x", "reentry": "sometimes"}}, "$.entry.reentry", """'always' or {"after": …}"""),
        ({**small(), "key": "Not a key"}, "$.key", "lower-case letters"),
        ({**small(), "purpse": "x"}, "$.purpse", "did you mean 'purpose'?"),
        ([], "$", "it should be an object"),
    ],
)
def test_what_is_wrong_is_named_with_its_path_and_a_remedy(data: object, path: str, said: str) -> None:
    with pytest.raises(JourneyError) as caught:
        parse_journey(data)
    assert any(p.path == path and said in str(p) for p in caught.value.problems), caught.value.problems


def test_every_problem_is_found_at_once() -> None:
    data = definition(PUPPY)
    data["nme"] = data.pop("name")
    data["steps"][1]["offst"] = "P1D"  # type: ignore[index, call-overload]
    data["steps"][5]["steps"][0]["timeout"]["until"]["ref"] = "profil.x"  # type: ignore[index, call-overload]
    with pytest.raises(JourneyError) as caught:
        parse_journey(data)
    assert {problem.path for problem in caught.value.problems} == {
        "$.name",
        "$.nme",
        "$.steps[1].offst",
        "$.steps[5].steps[0].timeout.until.ref",
    }


def test_a_definition_nested_without_end_is_refused_and_does_not_crash() -> None:
    inner: dict[str, object] = pause("x")
    for level in range(3000):
        inner = {"id": f"r{level}", "type": "repeat", "max": 2, "steps": [inner]}
    with pytest.raises(JourneyError):
        parse_journey(small(inner))
