"""What README and docs show is what the code takes, and their links lead somewhere."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from authoring.checks import check_folder
from authoring.folder import SourceOfTests, read_folder
from authoring.population import read_people
from authoring.testing.model import Expectation, JourneyTest, PersonGiven, Workspace
from authoring.testing.reading import WrittenTests, read_tests
from authoring.testing.running import run_tests
from conditions import parse_condition
from conditions.computed import ComputedDraft
from contracts.channels import Channel
from journeys import check, parse_journey
from journeys.check import errors
from services.channels.templates import TemplateInput, compiled
from services.segments.computed_traits import _check

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# What stands in the conditions' forms for something of one's own.
PLACEHOLDERS = {
    '"where": f': '"where": {"property": "topic", "eq": "ferns"}',
    "[c, …]": '[{"segment": "vip"}]',
    ": c}": ': {"segment": "vip"}}',
}


def blocks(path: Path) -> list[dict[str, Any]]:
    """The ```json blocks of a document."""
    return [orjson.loads(text) for text in re.findall(r"^```json\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)]


def shown(*fields: str) -> list[Any]:
    """Every block that has all these fields, with the document it stands in as the test's name."""
    return [
        pytest.param(block, id=f"{path.stem}:{block.get('key') or block['journey']}")
        for path in DOCUMENTS
        for block in blocks(path)
        if all(field in block for field in fields)
    ]


def without_key(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "key"}


def forms() -> list[str]:
    """The conditions in the table of docs/conditions.md, and those in its sentences."""
    lines = (ROOT / "docs" / "conditions.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| `{")]
    inline = [text for line in lines if not line.startswith("|") for text in re.findall(r'`(\{"trait": .*?\})`', line)]
    return [re.findall(r"`(.*?)`", row)[0] for row in rows] + inline


@pytest.mark.parametrize("block", shown("entry", "steps"))
def test_a_journey_is_valid(block: dict[str, Any]) -> None:
    assert errors(check(parse_journey(block))) == ()


@pytest.mark.parametrize("block", [*(block for channel in Channel for block in shown(channel.value))])
def test_a_template_compiles(block: dict[str, Any]) -> None:
    template = compiled(block["key"], 1, TemplateInput.model_validate(without_key(block)))
    assert template.sources


@pytest.mark.parametrize("block", shown("event", "take"))
def test_a_computed_trait_is_what_the_service_takes(block: dict[str, Any]) -> None:
    _check(ComputedDraft.model_validate(without_key(block)))


@pytest.mark.parametrize("form", forms())
def test_a_form_of_a_condition_is_one(form: str) -> None:
    for placeholder, meant in PLACEHOLDERS.items():
        form = form.replace(placeholder, meant)
    parse_condition(orjson.loads(form))


def test_every_form_of_the_language_is_in_the_table() -> None:
    keys = {"all", "any", "not", "trait", "event", "segment", "value"}
    assert {re.findall(r'"(\w+)"', form)[0] for form in forms()} == keys


@pytest.mark.parametrize("block", shown("journey", "tests"))
def test_journey_tests_are_what_the_example_passes(block: dict[str, Any]) -> None:
    folder = check_folder(read_folder([ROOT / "examples" / "first-journey"]))
    tests = read_tests(SourceOfTests(Path("shown.test.json"), block))
    assert isinstance(tests, WrittenTests)
    results = list(run_tests(dataclasses.replace(folder, tests=(tests,))))
    assert [problem for result in results for problem in result.problems] == []
    assert len(results) == len(block["tests"])


def test_the_lines_of_a_population_are_people(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```jsonl\n(.*?)^```", (ROOT / "docs" / "journeys-as-code.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "people.jsonl").write_text(lines)
    assert [person.id for person in read_people(tmp_path / "people.jsonl").people] == ["ada", "bob"]


def test_every_field_of_a_test_file_is_documented() -> None:
    written = (ROOT / "docs" / "journeys-as-code.md").read_text()
    fields = [*JourneyTest.model_fields, *PersonGiven.model_fields, *Expectation.model_fields, *Workspace.model_fields]
    assert [field for field in fields if not re.search(rf"`(\w+(\[\])?\.)?{field}[`.]", written)] == []


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = [
        ("entry", "steps"),
        ("event", "take"),
        ("id", "type"),
        ("journey", "tests"),
        *((channel.value,) for channel in Channel),
    ]
    untested = [
        (path.name, block)
        for path in DOCUMENTS
        for block in blocks(path)
        if not any(all(field in block for field in kind) for kind in kinds)
    ]
    assert untested == []


def test_the_readmes_journey_is_the_example() -> None:
    (journey,) = [block for block in blocks(ROOT / "README.md") if "steps" in block]
    example = orjson.loads((ROOT / "examples" / "first-journey" / "journeys" / "welcome.json").read_bytes())
    assert journey == {name: value for name, value in example.items() if name != "$schema"}


def test_the_computed_trait_is_the_petshops() -> None:
    (trait,) = [block for block in blocks(ROOT / "docs" / "conditions.md") if "take" in block]
    assert trait == orjson.loads((ROOT / "examples" / "petshop" / "computed" / f"{trait['key']}.json").read_bytes())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()) if "://" not in link]
    assert [link for link in links if not _leads(path, link)] == []


def _leads(path: Path, link: str) -> bool:
    name, _, heading = link.partition("#")
    target = (path.parent / name) if name else path
    if not target.exists():
        return False
    titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if heading else []
    return not heading or heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
