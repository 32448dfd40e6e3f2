"""Results of journey tests: for people, as JSON and as JUnit's XML."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from authoring.findings import counted
from authoring.testing.running import TestResult
from authoring.testing.timeline import local


def print_results(results: Sequence[TestResult], console: Console, *, verbose: bool) -> None:
    """One line per test; of a failed one what was expected and what happened, and why."""
    for file in dict.fromkeys(result.file for result in results if verbose or not result.passed):
        console.print(Text(file, "bold"), soft_wrap=True)
        for result in results:
            if result.file == file:
                sign = Text("  ✓ ", "green") if result.passed else Text("  ✗ ", "red")
                if verbose or not result.passed:
                    console.print(Text.assemble(sign, result.name), soft_wrap=True)
                if not result.passed:
                    _failure(result, console)
    failed = sum(not result.passed for result in results)
    passed = f"{len(results) - failed} passed"
    console.print(Text(f"{passed}, {failed} failed" if failed else passed, "red" if failed else "green"))


def _failure(result: TestResult, console: Console) -> None:
    zone = ZoneInfo(result.zone)
    for problem in result.problems:
        console.print(Text(f"      {problem}", "red"), soft_wrap=True)
    table = Table(f"when ({result.zone})", Column("expected", overflow="fold"), Column("happened", overflow="fold"), box=None)
    for row in result.timeline:
        style = "" if row.expected and row.actual else "dim" if row.actual in ("", "enters") and not row.expected else "yellow"
        table.add_row("at any time" if row.at is None else local(row.at, zone), row.expected, row.actual, style=style)
    console.print(table)
    if result.reasons:
        console.print(Text("      decisions", "bold"))
    for reason in result.reasons:
        seen = f"  saw {reason.seen}" if reason.seen else ""
        console.print(Text(f"      {local(reason.at, zone)}  {reason.step:16} {reason.what}{seen}", "dim"), soft_wrap=True)


def junit(results: Sequence[TestResult]) -> str:
    """JUnit's XML, which CI systems show: a suite per file, a case per test."""
    root = ET.Element("testsuites", tests=str(len(results)), failures=str(sum(not each.passed for each in results)))
    for file in dict.fromkeys(result.file for result in results):
        cases = [result for result in results if result.file == file]
        failures = str(sum(not each.passed for each in cases))
        suite = ET.SubElement(root, "testsuite", name=Path(file).name, file=file, tests=str(len(cases)), failures=failures)
        for result in cases:
            case = ET.SubElement(suite, "testcase", name=result.name, classname=result.journey, file=file)
            if not result.passed:
                failure = ET.SubElement(case, "failure", message=counted(len(result.problems), "problem"))
                failure.text = "\n".join(result.problems)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)
