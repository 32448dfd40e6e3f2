"""Findings about dates that are over before they count: a wait has already gone past them."""

from collections.abc import Iterator
from datetime import timedelta

from conditions.problems import Problem
from conditions.values import parse_instant
from journeys.index import JourneyIndex, lists
from journeys.model import Call, DateRef, Journey, Send, StartJourney, Step, Until, UpdateProfile, Wait, WaitFor


def date_problems(journey: Journey) -> Iterator[Problem]:
    """Sends that are no longer valid, and waits for dates that are past, behind a wait in the same run of steps.

    A jump may come in behind that wait: so these are warnings.
    """
    yield from _run(journey.index, journey.steps, ())


def _run(index: JourneyIndex, steps: tuple[Step, ...], passed: tuple[Wait, ...]) -> Iterator[Problem]:
    for step in steps:
        path = index.places[step.id].path
        if isinstance(step, Send) and step.valid_until is not None:
            wait = next((wait for wait in passed if _not_before(wait, step.valid_until)), None)
            if wait is not None:
                message = f"is over before the message can be sent: step {wait.id!r} waits until then or longer"
                remedy = "write a later date, or wait less"
                yield Problem(path=f"{path}.valid_until", message=message, remedy=remedy, severity="warning")
        passed = _still_known(step, passed)
        for _, inner in lists(step):
            yield from _run(index, inner, passed)
        if isinstance(step, Wait) and step.until is not None:
            if step.offset is None and step.at is None and step.window is None:
                wait = next((wait for wait in passed if _not_before(wait, step.until) and wait.until != step.until), None)
                if wait is not None:
                    message = f"is always past: step {wait.id!r} before it waits until then or longer"
                    yield Problem(path=f"{path}.until", message=message, remedy="change the order", severity="warning")
            passed = (*passed, step)


def _still_known(step: Step, passed: tuple[Wait, ...]) -> tuple[Wait, ...]:
    """The waits whose dates a step, and whatever is inside it, leaves as they were."""
    changed = {*_changes(step)}
    return tuple(
        wait
        for wait in passed
        if not isinstance(wait.until, DateRef) or not any(f"{wait.until.ref}.".startswith(f"{name}.") for name in changed)
    )


def _changes(step: Step) -> Iterator[str]:
    """What references may lead elsewhere behind a step, by the beginning of their names."""
    match step:
        case WaitFor():
            yield "event"
        case Call() | StartJourney():
            yield f"results.{step.id}"
        case UpdateProfile():
            yield from (f"profile.traits.{name}" for name in step.set)
        case _:
            pass
    for _, inner in lists(step):
        for each in inner:
            yield from _changes(each)


def _not_before(wait: Wait, date: Until) -> bool:
    """Whether the wait provably ends at that date or later (a wait for a date that is past ends later still)."""
    if wait.offset is not None and wait.offset.is_negative:
        return False
    shifted = wait.offset is not None and wait.offset.shortest.days >= 2
    if wait.at is not None and not shifted:
        return False  # the time of day may move it back
    if isinstance(wait.until, DateRef) and isinstance(date, DateRef):
        return wait.until.ref == date.ref and not wait.until.yearly and not date.yearly
    if isinstance(wait.until, str) and isinstance(date, str):
        one, other = parse_instant(wait.until), parse_instant(date)
        # A wall clock and UTC lie less than a day apart.
        apart = timedelta(0) if _on_wall_clock(wait.until) is _on_wall_clock(date) else timedelta(days=1)
        return one is not None and other is not None and one >= other + apart
    return False


def _on_wall_clock(text: str) -> bool:
    """Whether it has no offset, and so means the person's own clock."""
    return not text.endswith("Z") and not {"+", "-"} & set(text[10:])
