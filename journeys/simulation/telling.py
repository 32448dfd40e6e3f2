"""Who writes down what a simulation does: every line of a few lives, or the numbers of many."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from journeys.simulation.being import Being
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.report import Hour, Report, StepReport
from journeys.simulation.stage import Stage
from journeys.simulation.story import End, Life, Line, Message, Refused, Run, Standing


class Posted(NamedTuple):
    """A message that went out."""

    at: datetime
    step: str
    visit: int
    template: str
    channel: str
    attempt: int


class Teller(Protocol):
    """Hears of everything, in order."""

    def line(
        self, run: Enrolment, at: datetime, kind: str, step: str | None, visit: int, outcome: dict[str, Any], seen: dict[str, Any]
    ) -> None: ...

    def passed(self, run: Enrolment, step: str) -> None: ...

    def message(self, being: Being, run: Enrolment, posted: Posted) -> None: ...

    def refused(self, being: Being, journey: str, at: datetime, reason: str) -> None: ...


@dataclass(slots=True)
class Tale:
    """Keeps everything of one person."""

    runs: list[Enrolment] = field(default_factory=list)
    _lines: dict[str, list[Line]] = field(default_factory=dict)
    _messages: dict[str, list[Message]] = field(default_factory=dict)
    _refused: list[Refused] = field(default_factory=list)

    def line(
        self, run: Enrolment, at: datetime, kind: str, step: str | None, visit: int, outcome: dict[str, Any], seen: dict[str, Any]
    ) -> None:
        if run.id not in self._lines:
            self.runs.append(run)
        told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in outcome.items()}
        line = Line(at=at, kind=kind, step=step, visit=visit or None, outcome=told, seen=seen)
        lines = self._lines.setdefault(run.id, [])
        if kind == "followed":
            _amend(lines, line)
        lines.append(line)

    def passed(self, run: Enrolment, step: str) -> None:
        """Nothing is decided at an `exit`, a `goto` or a repetition without condition: as in the real story."""

    def message(self, being: Being, run: Enrolment, posted: Posted) -> None:  # noqa: ARG002  there is one person
        message = Message.model_validate(posted._asdict() | {"journey": run.journey.key})
        self._messages.setdefault(run.id, []).append(message)

    def refused(self, being: Being, journey: str, at: datetime, reason: str) -> None:  # noqa: ARG002  as above
        self._refused.append(Refused(at=at, journey=journey, reason=reason))

    def life(self, being: Being, stage: Stage, until: datetime) -> Life:
        """Everything so far."""
        runs = sorted(self.runs, key=lambda run: run.journey.key != stage.under_test.key)
        return Life(
            person=being.id,
            journey=stage.under_test.key,
            runs=tuple(self._run(run) for run in runs),
            refused=tuple(self._refused),
            traits=being.traits,
            until=until,
        )

    def _run(self, run: Enrolment) -> Run:
        end = None if run.ended_at is None else End(at=run.ended_at, reason=run.reason or "")
        return Run(
            id=run.id,
            journey=run.journey.key,
            key=run.key,
            number=run.number,
            entered_at=run.entered_at,
            lines=tuple(self._lines.get(run.id, ())),
            messages=tuple(self._messages.get(run.id, ())),
            goal_at=run.goal_at,
            end=end,
            stands=_standing(run),
        )


def _amend(lines: list[Line], followed: Line) -> None:
    """The decision that a wait rests on is one, and told as it became: as in the real story."""
    for number, line in enumerate(lines):
        if (line.step, line.visit) == (followed.step, followed.visit) and line.kind in ("sleep", "waiting"):
            earlier = line.seen.get("followed", [])
            seen = line.seen | {"followed": [*earlier, {"at": followed.at.isoformat(), **followed.seen}]}
            kind = "past_due" if "action" in followed.outcome else line.kind
            lines[number] = line.model_copy(update={"kind": kind, "outcome": followed.outcome, "seen": seen})


def _standing(run: Enrolment) -> Standing | None:
    if run.ended_at is not None or run.cursor.step is None:
        return None
    kind = run.pending.kind if run.pending is not None else "held"
    until = run.pending.until if run.pending is not None else None
    return Standing(step=run.cursor.step, visit=run.cursor.visit, kind=kind, until=until)


@dataclass(slots=True)
class Tally:
    """Counts the enrolments of the journey under test; of the others nothing."""

    journey: str
    people: int = 0
    entered: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    held: int = 0
    under_way: int = 0
    held_out: int = 0
    goals: int = 0
    visits: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    skipped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    deferred: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    paths: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    past_due: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    templates: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    hours: Counter[datetime] = field(default_factory=Counter)
    by_person: dict[str, dict[str, int]] = field(default_factory=dict)
    _last: dict[str, tuple[str, int]] = field(default_factory=dict)

    def line(
        self,
        run: Enrolment,
        at: datetime,  # noqa: ARG002  it counts, and tells no time
        kind: str,
        step: str | None,
        visit: int,
        outcome: dict[str, Any],
        seen: dict[str, Any],
    ) -> None:
        if run.journey.key != self.journey:
            return
        if step is not None:
            self._step(run, kind, step, visit, outcome, seen)
            return
        match kind:
            case "entered":
                self.entered += 1
            case "ended":
                self.ended[str(outcome["reason"])] += 1
                self._last.pop(run.id, None)
            case "goal met":
                self.goals += 1
            case _:
                pass

    def passed(self, run: Enrolment, step: str) -> None:
        if run.journey.key == self.journey:
            self.visits[step] += 1

    def message(self, being: Being, run: Enrolment, posted: Posted) -> None:
        if run.journey.key != self.journey:
            return
        self.templates[posted.template] += 1
        self.channels[posted.channel] += 1
        self.hours[posted.at.replace(minute=0, second=0, microsecond=0)] += 1
        mine = self.by_person.setdefault(being.id, {})
        mine[posted.template] = mine.get(posted.template, 0) + 1

    def refused(self, being: Being, journey: str, at: datetime, reason: str) -> None:  # noqa: ARG002  as for lines
        if journey == self.journey:
            self.refusals[reason] += 1

    def close(self, being: Being) -> None:
        """The person's time is up: who still waits, and where."""
        self.people += 1
        for run in being.enrolments:
            if run.journey.key != self.journey or not run.running or run.cursor.step is None:
                continue
            self.under_way += 1
            if run.begun:
                self.waiting[run.cursor.step] += 1
            else:
                self.held += 1

    def report(self, stage: Stage) -> Report:
        return Report(
            journey=self.journey,
            people=self.people,
            entered=self.entered,
            refused=dict(self.refusals),
            held=self.held,
            under_way=self.under_way,
            ended=dict(self.ended),
            held_out=self.held_out,
            goal_reached=self.goals,
            steps=tuple(self._report(step) for step in stage.under_test.index.steps if step in self.visits),
            messages=dict(self.templates),
            channels=dict(self.channels),
            curve=tuple(Hour(at=at, sent=count) for at, count in sorted(self.hours.items())),
            by_person=self.by_person,
        )

    def _step(
        self, run: Enrolment, kind: str, step: str, visit: int, outcome: Mapping[str, Any], seen: Mapping[str, Any]
    ) -> None:
        if self._last.get(run.id) != (step, visit):
            self._last[run.id] = (step, visit)
            self.visits[step] += 1
        match kind:
            case "sent":
                self.sent[step] += 1
            case "skipped":
                self.skipped[step][str(seen["reason"])] += 1
            case "deferred":
                self.deferred[step][str(seen["reason"])] += 1
            case "followed" if "action" not in outcome:
                pass
            case "past_due" | "followed":
                self.past_due[step][str(outcome["action"])] += 1
            case "held_out":
                self.held_out += 1
                self.paths[step][str(outcome["path"])] += 1
            case _:
                if "path" in outcome:
                    self.paths[step][str(outcome["path"])] += 1

    def _report(self, step: str) -> StepReport:
        return StepReport(
            step=step,
            entered=self.visits[step],
            waiting=self.waiting[step],
            sent=self.sent[step],
            skipped=dict(self.skipped.get(step, {})),
            deferred=dict(self.deferred.get(step, {})),
            paths=dict(self.paths.get(step, {})),
            past_due=dict(self.past_due.get(step, {})),
        )
