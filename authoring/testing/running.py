"""Running journey tests: each is played by the simulator and held against what it expects."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from authoring.checks import Checked
from authoring.testing.expecting import Verdict, judge
from authoring.testing.reading import WrittenTests
from authoring.testing.script import Wall, script_of, setting_of
from authoring.testing.timeline import Reason, Row, reasons
from journeys import Journey
from journeys.simulation import simulate


class TestResult(BaseModel):
    """What came of one test. `problems` is empty where it passed."""

    model_config = ConfigDict(frozen=True)

    file: str
    journey: str
    name: str
    zone: str
    problems: tuple[str, ...] = ()
    timeline: tuple[Row, ...] = ()
    """Of a failed test."""
    reasons: tuple[Reason, ...] = ()
    """Of a failed test: every decision with the values seen."""

    @property
    def passed(self) -> bool:
        return not self.problems


def run_tests(checked: Checked, only: str | None = None) -> Iterator[TestResult]:
    """Plays every test whose journey can be read; `only` those with this text in their name, journey or file."""
    for tests in checked.tests:
        journey = checked.journeys.get(tests.file.journey)
        if journey is None:
            continue
        for position, test in enumerate(tests.file.tests):
            names = f"{tests.path} {tests.file.journey} {test.name}"
            if only is None or only.casefold() in names.casefold():
                yield _run(checked, tests, position, journey)


def _run(checked: Checked, tests: WrittenTests, position: int, journey: Journey) -> TestResult:
    test = tests.file.tests[position]
    wall = Wall(test, journey, tests.file.workspace)
    script = script_of(test, journey, wall, checked.segments)
    setting = setting_of(checked, journey, tests.file.workspace)
    until: datetime = wall.end(test)
    life = simulate(journey, script, setting, until)
    verdict: Verdict = judge(test, journey, life, wall)
    whose = {"file": str(tests.path), "journey": journey.key, "name": test.name, "zone": wall.zone.key}
    if not verdict.problems:
        return TestResult.model_validate(whose)
    return TestResult.model_validate(
        {**whose, "problems": verdict.problems, "timeline": verdict.timeline, "reasons": reasons(life)}
    )
