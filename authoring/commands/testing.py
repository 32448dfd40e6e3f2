"""`reis test`: the journey tests of a folder, without any server."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.console import Console

from authoring.checks import Checked, check_folder
from authoring.commands.options import PROBLEMS
from authoring.console import print_findings, print_json
from authoring.findings import Finding
from authoring.folder import read_folder
from authoring.kinds import COMPUTED, JOURNEY, SEGMENT, TEMPLATE
from authoring.testing.running import TestResult, run_tests
from authoring.testing.showing import junit, print_results

app = typer.Typer()


class Shown(StrEnum):
    """How results are shown."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


@app.command("test")
def run(
    paths: Annotated[list[Path], typer.Argument(help="Folders of journeys as code", exists=True)],
    only: Annotated[str | None, typer.Option("--only", help="Tests with this text in their name, journey or file")] = None,
    output: Annotated[Shown, typer.Option("--format", help="text for people, json or junit for machines")] = Shown.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", help="Name failed tests only")] = False,
) -> None:
    """Plays the journey tests (files NAME.test.json) in the simulator: no server, nothing is sent."""
    checked = check_folder(read_folder(paths))
    stopping, doubts = _stopping(checked), _doubts(checked)
    results = list(run_tests(checked, only))
    if output is Shown.JSON:
        tests: list[JsonValue] = [{**each.model_dump(mode="json"), "passed": each.passed} for each in results]
        failed = sum(not each.passed for each in results)
        numbers: dict[str, JsonValue] = {"passed": len(results) - failed, "failed": failed}
        print_json({**numbers, "tests": tests, "findings": [each.model_dump() for each in (*stopping, *doubts)]})
    elif output is Shown.JUNIT:
        print(junit([*results, *(_broken(each) for each in stopping)]))
    else:
        console = Console()
        print_findings([*stopping, *doubts], console)
        print_results(results, console, verbose=not quiet)
    if stopping or not results or not all(each.passed for each in results):
        if not results and not stopping and output is Shown.TEXT:
            Console(stderr=True).print("no tests were found; they lie beside the journeys in files called NAME.test.json")
        raise typer.Exit(PROBLEMS)


def _stopping(checked: Checked) -> list[Finding]:
    """What keeps tests from meaning anything: files that cannot be read, and mistakes in the tests themselves."""
    folder = checked.folder
    read = {JOURNEY: checked.journeys, SEGMENT: checked.segments, COMPUTED: checked.computed, TEMPLATE: checked.templates}
    files = {str(each.path) for each in folder.tests}
    files |= {str(each.path) for kind, known in read.items() for key, each in folder.of(kind).items() if key not in known}
    found = [each for each in checked.findings if each.severity == "error"]
    return [each for each in found if each.file in files or each in folder.findings]


def _doubts(checked: Checked) -> list[Finding]:
    """Warnings about the tests themselves: one that passes may say less than it seems to."""
    tests = {str(each.path) for each in checked.folder.tests}
    return [each for each in checked.findings if each.severity != "error" and each.file in tests]


def _broken(finding: Finding) -> TestResult:
    """A file that cannot be tested, as JUnit shows it."""
    return TestResult(file=finding.file, journey="", name=finding.path, zone="UTC", problems=(finding.message,))
