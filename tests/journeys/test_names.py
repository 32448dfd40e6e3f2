"""References, sticky splits, and what the core may import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from journeys import MISSING, choose, parse_journey, parse_ref, resolve
from journeys.model import Split
from journeys.refs import REMEDY, ref_remedy
from tests.journeys.helpers import ROOT, small

CONTEXT = {
    "entry": {"id": "m1", "event": "Signup", "timestamp": "2026-01-01T00:00:00Z", "properties": {"topic": "dogs", "gone": None}},
    "profile": {"id": "p1", "traits": {"dog": {"id": 3}}, "computed": {"runs_out": "2026-01-01"}, "segments": ["vip"]},
}


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("entry.properties.topic", "dogs"),
        ("entry.id", "m1"),
        ("profile.traits.dog.id", 3),
        ("profile.computed.runs_out", "2026-01-01"),
        ("entry.properties.gone", MISSING),
        ("entry.properties.topic.more", MISSING),
        ("event.properties.topic", MISSING),
        ("nonsense", MISSING),
    ],
)
def test_a_reference_leads_to_its_value(ref: str, expected: object) -> None:
    assert resolve(ref, CONTEXT) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "entry", "entry.", "entry.properties", "entry.traits.x", "profile.segments", "order.id", "event..id"]
)
def test_what_is_no_reference_is_known(text: str) -> None:
    assert parse_ref(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("entry.property.starts_at", "entry.properties.starts_at"),
        ("entry.order_id", "entry.properties.order_id"),
        ("entry.timestmp", "entry.timestamp"),
        ("profil.traits.tier", "profile.traits.tier"),
        ("profile.first_name", "profile.traits.first_name"),
        ("traits.dog.birthdate", "profile.traits.dog.birthdate"),
        ("result.points.body.total", "results.points.body.total"),
        ("results.points.total", "results.points.body.total"),
        ("{{ entry.properties.topic }}", "entry.properties.topic"),
    ],
)
def test_what_is_nearly_a_reference_is_told_as_one(text: str, meant: str) -> None:
    assert ref_remedy(text) == f"did you mean {meant!r}?"


@pytest.mark.parametrize("text", ["", "order.id", "profile", "first_name", "entry.properties"])
def test_what_may_mean_anything_is_answered_with_the_forms_of_references(text: str) -> None:
    assert ref_remedy(text) == REMEDY


def split(*weights: int) -> Split:
    paths = [{"id": f"p{position}", "weight": weight} for position, weight in enumerate(weights)]
    step = parse_journey(small({"id": "s", "type": "split", "paths": paths})).index.steps["s"]
    assert isinstance(step, Split)
    return step


def test_a_split_is_sticky_and_keeps_its_shares() -> None:
    step = split(90, 10, 0)
    chosen = [choose(step, f"person-{number}", "event-follow-up") for number in range(20_000)]
    assert chosen == [choose(step, f"person-{number}", "event-follow-up") for number in range(20_000)]
    assert abs(chosen.count("p1") / 20_000 - 0.1) < 0.01
    assert "p2" not in chosen


def test_another_salt_divides_people_independently() -> None:
    step = split(50, 50)
    both = sum(choose(step, f"person-{number}", "a") == choose(step, f"person-{number}", "b") for number in range(10_000))
    assert abs(both / 10_000 - 0.5) < 0.02


@pytest.mark.parametrize(
    ("room", "allowed"),
    [("conditions", {"conditions"}), ("policy", {"policy"}), ("journeys", {"conditions", "policy", "journeys", "dateutil"})],
)
def test_the_core_imports_pydantic_and_harmless_parts_of_the_standard_library_only(room: str, allowed: set[str]) -> None:
    forbidden = {
        "asyncio",
        "time",
        "random",
        "os",
        "io",
        "socket",
        "threading",
        "subprocess",
        "logging",
        "pathlib",
        "secrets",
        "uuid",
    }
    for module in Path(ROOT / room).glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for root in (name.split(".")[0] for name in names):
                assert root in allowed | {"pydantic", "pydantic_core"} | set(sys.stdlib_module_names) - forbidden, (
                    f"{module}: {root}"
                )


def test_the_core_does_not_load_its_time_zone_module() -> None:
    script = "import journeys, sys; sys.exit('journeys.timing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
