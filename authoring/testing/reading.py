"""Test files read and held against the journey that they test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from authoring.findings import Finding, findings
from authoring.folder import SourceOfTests
from authoring.testing.happenings import CallAnswer, EventHappens, MessageOutcome
from authoring.testing.model import JourneyTest, JourneyTests
from conditions.problems import Problem, did_you_mean, join, problems_of
from journeys import Journey
from journeys.model import Branch, Call, GoTo, Repeat, Send, Split, StartJourney, Step, Wait, WaitFor
from journeys.timing import find_zone


@dataclass(frozen=True, slots=True)
class WrittenTests:
    """A test file and what it says."""

    path: Path
    file: JourneyTests


def read_tests(source: SourceOfTests) -> WrittenTests | list[Finding]:
    """The tests of a file, or everything that is wrong with its form."""
    try:
        return WrittenTests(source.path, JourneyTests.model_validate(source.body))
    except ValidationError as error:
        return findings(source.path, problems_of(error, JourneyTests))


def findings_of_tests(
    tests: WrittenTests,
    journeys: Mapping[str, Journey],
    written: frozenset[str],
    segments: frozenset[str],
    heard: frozenset[str] | None = None,
) -> Iterator[Finding]:
    """What the tests name and the journey lacks. `written` are the keys of all files, readable or not.

    `segments` are worked out from their conditions. `heard` are the events that anything here takes notice of, if known.
    """
    journey = journeys.get(tests.file.journey)
    if find_zone(tests.file.workspace.zone) is None:
        problem = Problem(path="$.workspace.zone", message="is no time zone", remedy="use a name such as 'Europe/Berlin'")
        yield from findings(tests.path, [problem])
    if journey is not None:
        for position, test in enumerate(tests.file.tests):
            yield from findings(tests.path, _problems(test, journey, segments, heard), within=f"$.tests[{position}]")
    elif tests.file.journey not in written:
        remedy = did_you_mean(tests.file.journey, written) if written else "name the folder that holds it too; --only picks tests"
        problem = Problem(path="$.journey", message=f"there is no journey {tests.file.journey!r}", remedy=remedy)
        yield from findings(tests.path, [problem])


def ways(step: Step) -> tuple[str, ...]:
    """The paths that a step can take; none for a step that takes no path."""
    match step:
        case WaitFor():
            return (*(way.id for way in step.paths), *(("timeout",) if step.timeout is not None else ()))
        case Branch():
            return (*(choice.id for choice in step.paths), "otherwise")
        case Split():
            return tuple(share.id for share in step.paths)
        case Repeat(until=None):
            return ()
        case Repeat():
            return ("again", "done")
        case Call():
            return ("ok", "failed")
        case StartJourney(wait=True):
            return ("ended",)
        case Wait():
            return (step.if_past.goto if isinstance(step.if_past, GoTo) else step.if_past,)
        case _:
            return ()


def _problems(test: JourneyTest, journey: Journey, segments: frozenset[str], heard: frozenset[str] | None) -> Iterator[Problem]:
    steps = journey.index.steps
    sends = [step_id for step_id, step in steps.items() if isinstance(step, Send)]
    calls = [step_id for step_id, step in steps.items() if isinstance(step, Call)]
    splits = [step_id for step_id, step in steps.items() if isinstance(step, Split)]
    templates = [step.template for step in steps.values() if isinstance(step, Send)]
    for step_id, path in test.splits.items():
        where = join("$.splits", step_id)
        yield from _known(where, "split", step_id, splits)
        if step_id in splits:
            yield from _known(where, "path", path, ways(steps[step_id]))
    for position, segment in enumerate(test.person.segments):
        if segment in segments:
            yield _worked_out(f"$.person.segments[{position}]", segment)
    for position, happening in enumerate(test.happenings):
        here = f"$.happenings[{position}]"
        changed = getattr(happening, "segment_entered", None) or getattr(happening, "segment_left", None)
        if changed in segments:
            yield _worked_out(here, changed)
        if isinstance(happening, EventHappens) and heard is not None and happening.event not in heard:
            yield _unheard(f"{here}.event", happening.event, heard)
        if isinstance(happening, MessageOutcome):
            yield from _known(f"{here}.message", "send step", happening.message, sends)
        elif isinstance(happening, CallAnswer):
            yield from _known(f"{here}.call", "call step", happening.call, calls)
        elif happening.at is None and happening.after is None:
            yield Problem(path=here, message="says not when", remedy="add 'after' or 'at'")
    for position, message in enumerate(test.expect.messages):
        here = f"$.expect.messages[{position}]"
        if message.step is not None:
            yield from _known(f"{here}.step", "send step", message.step, sends)
        if message.template is not None:
            yield from _known(f"{here}.template", "template in this journey", message.template, templates)
    for step_id, taken in test.expect.path.items():
        where = join("$.expect.path", step_id)
        yield from _known(where, "step that takes a path", step_id, [each for each, step in steps.items() if ways(step)])
        for path in (taken,) if isinstance(taken, str) else taken:
            if step_id in steps and (able := ways(steps[step_id])):
                yield from _known(where, "path", path, able)
    if test.expect.waits_at is not None:
        yield from _known("$.expect.waits_at", "step", test.expect.waits_at, list(steps))


def _worked_out(path: str, segment: str) -> Problem:
    message = f"the segment {segment!r} is worked out from its file: nobody is made a member"
    return Problem(path=path, message=message, remedy="give the person what its condition looks at")


def _unheard(path: str, event: str, heard: frozenset[str]) -> Problem:
    message = f"nothing listens to the event {event!r}, so that it changes nothing"
    return Problem(path=path, message=message, remedy=did_you_mean(event, heard), severity="warning")


def _known(path: str, what: str, name: str, known: list[str] | tuple[str, ...]) -> Iterator[Problem]:
    if name not in known:
        yield Problem(path=path, message=f"there is no {what} {name!r}", remedy=did_you_mean(name, known))
