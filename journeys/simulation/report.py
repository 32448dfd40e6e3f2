"""A population in numbers: what each step came to, when messages went out, and the difference between two versions."""

from collections.abc import Mapping

from pydantic import AwareDatetime, Field

from journeys.simulation.people import Shape


class StepReport(Shape):
    """What one step came to."""

    step: str
    entered: int = 0
    """Visits."""
    waiting: int = 0
    """Who stands here at the end."""
    sent: int = 0
    """Visits with a message."""
    skipped: dict[str, int] = Field(default_factory=dict)
    """Reason to visits without one."""
    deferred: dict[str, int] = Field(default_factory=dict)
    """Reason (`quiet hours`, `frequency cap`) to times that a message was put off."""
    paths: dict[str, int] = Field(default_factory=dict)
    """Path to who took it: of branches, splits, repetitions, waits (`timeout` too), calls (`ok`, `failed`)."""
    past_due: dict[str, int] = Field(default_factory=dict)
    """Policy to visits whose instant had passed."""


class Hour(Shape):
    """Messages that went out from `at` on for an hour (UTC)."""

    at: AwareDatetime
    sent: int


class Report(Shape):
    """A journey's people, counted."""

    journey: str
    people: int = 0
    """Who was looked at."""
    entered: int = 0
    """Enrolments."""
    refused: dict[str, int] = Field(default_factory=dict)
    """Reason to times that somebody met the trigger and did not enter."""
    held: int = 0
    """Enrolments that still wait for a place under the cap per hour."""
    under_way: int = 0
    ended: dict[str, int] = Field(default_factory=dict)
    """Reason to enrolments."""
    held_out: int = 0
    goal_reached: int = 0
    steps: tuple[StepReport, ...] = ()
    """In the definition's order."""
    messages: dict[str, int] = Field(default_factory=dict)
    """Template to messages, those of fallbacks included."""
    channels: dict[str, int] = Field(default_factory=dict)
    """Channel to messages."""
    curve: tuple[Hour, ...] = ()
    """The send curve; hours without a message left out."""
    by_person: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Person to template to messages."""

    def step(self, step: str) -> StepReport:
        """The report of a step; an empty one for a step that the journey lacks."""
        return next((each for each in self.steps if each.step == step), StepReport(step=step))


class Change(Shape):
    """A number before and after."""

    before: int
    after: int


class MessageChange(Shape):
    """A template before and after, and whom the change is about."""

    before: int
    after: int
    more: tuple[str, ...]
    """Who gets it more often."""
    fewer: tuple[str, ...]
    """Who gets it less often."""


class Difference(Shape):
    """What changes from one version to another, unchanged numbers left out."""

    entered: Change | None = None
    goal_reached: Change | None = None
    held_out: Change | None = None
    refused: dict[str, Change] = Field(default_factory=dict)
    """Reason to times."""
    ended: dict[str, Change] = Field(default_factory=dict)
    steps: dict[str, dict[str, Change]] = Field(default_factory=dict)
    """Step to `entered`, `waiting`, `sent`, `skipped: REASON`, `put off: REASON`, `past due: POLICY` and `path ID`."""
    channels: dict[str, Change] = Field(default_factory=dict)
    """Channel to messages."""
    messages: dict[str, MessageChange] = Field(default_factory=dict)
    """By template."""


def compare(before: Report, after: Report) -> Difference:
    """What the second version does otherwise. Both are about the same people."""
    steps = {
        step: changes
        for step in dict.fromkeys((*(each.step for each in before.steps), *(each.step for each in after.steps)))
        if (changes := _changes(_numbers(before.step(step)), _numbers(after.step(step))))
    }
    totals = _changes(_totals(before), _totals(after))
    return Difference(
        entered=totals.get("entered"),
        goal_reached=totals.get("goal_reached"),
        held_out=totals.get("held_out"),
        refused=_changes(before.refused, after.refused),
        ended=_changes(before.ended, after.ended),
        steps=steps,
        channels=_changes(before.channels, after.channels),
        messages=_messages(before, after),
    )


def _totals(report: Report) -> dict[str, int]:
    return {"entered": report.entered, "goal_reached": report.goal_reached, "held_out": report.held_out}


def _numbers(step: StepReport) -> dict[str, int]:
    numbers = {"entered": step.entered, "waiting": step.waiting, "sent": step.sent}
    kinds = {"skipped: ": step.skipped, "put off: ": step.deferred, "past due: ": step.past_due, "path ": step.paths}
    return numbers | {f"{kind}{name}": count for kind, counts in kinds.items() for name, count in counts.items()}


def _changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Change]:
    return {
        name: Change(before=before.get(name, 0), after=after.get(name, 0))
        for name in dict.fromkeys((*before, *after))
        if before.get(name, 0) != after.get(name, 0)
    }


def _messages(before: Report, after: Report) -> dict[str, MessageChange]:
    found: dict[str, MessageChange] = {}
    people = sorted({*before.by_person, *after.by_person})
    for template in dict.fromkeys((*before.messages, *after.messages)):
        more: list[str] = []
        fewer: list[str] = []
        for person in people:
            was, now = (report.by_person.get(person, {}).get(template, 0) for report in (before, after))
            if now != was:
                (more if now > was else fewer).append(person)
        if more or fewer:
            found[template] = MessageChange(
                before=before.messages.get(template, 0),
                after=after.messages.get(template, 0),
                more=tuple(more),
                fewer=tuple(fewer),
            )
    return found
