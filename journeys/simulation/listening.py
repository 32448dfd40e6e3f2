"""What an enrolment listens for: the paths of its wait, exit rules and the goal, as the journeys service registers them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal, assert_never

from pydantic import JsonValue

from conditions import Person, add, evaluate
from conditions.filters import Predicate
from conditions.model import Ref, TraitIs
from conditions.person import Evaluation
from journeys.model import (
    ConditionPath,
    EventPath,
    Goal,
    Journey,
    MessagePath,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    SegmentEnteredPath,
    SegmentLeftPath,
    WaitFor,
)
from journeys.simulation.facts import Fact, Moment, reached
from journeys.simulation.stage import Question, Sees, Stage

ListenerSource = Literal["event", "receipt", "profile", "segment_entered", "segment_left", "condition"]


@dataclass(slots=True, eq=False)
class Listener:
    """Met by a fact, or (`condition`) by what is so. `reason` says why an exit ended it."""

    source: ListenerSource
    name: str
    path: str
    reason: str = ""
    passes: Predicate | None = None
    status: str = ""
    trait: TraitIs | None = None
    question: Question | None = None
    answer: Evaluation | None = None
    """What was said when it was asked last."""
    until: datetime | None = None
    token: int = 0
    """Counts when it was asked: a later look makes an earlier timer void."""

    def met_by(self, fact: Fact, enrolment: str) -> bool:
        """Whether a fact meets it (a condition never: it is asked)."""
        if fact.source != self.source or (fact.name != self.name and self.source != "profile"):
            return False
        if self.until is not None and fact.at > self.until:
            return False
        match self.source:
            case "event":
                return self.passes is None or self.passes(fact.properties)
            case "receipt":
                return fact.enrolment == enrolment and self.status in reached(fact.event)
            case "profile":
                return self.trait is not None and evaluate(self.trait, Person(traits=fact.properties), fact.at).matches
            case _:
                return True

    def takes(self, fact: Fact) -> str:
        """What it takes by a fact that meets it: an outcome that tells of a lower one as well may be taken as each of them."""
        return f"{fact.id}:{self.status}" if self.source == "receipt" and self.status != fact.event else fact.id

    def stands(self, traits: Mapping[str, JsonValue], segments: Collection[str], since: Moment, enrolment: str) -> bool:
        """Whether it is met by what is so since somebody entered (a condition is asked)."""
        if self.source == "profile":
            return self.met_by(Fact(f"{enrolment}:entry", "profile", "", "profile.changed", traits, since), enrolment)
        return self.source == "segment_entered" and self.name in segments

    def concerned(self, fact: Fact) -> bool:
        """Whether a condition's answer may have changed by this fact."""
        return self.question is not None and self.question.concerned(fact.source, fact.name)


def exits_of(journey: Journey, stage: Stage, sees: Sees) -> tuple[Listener, ...]:
    """The exit rules, fixed on entry."""
    found: list[Listener] = []
    for number, rule in enumerate(journey.exit_when):
        path = f"exit_when[{number}]"
        match rule:
            case OnEvent():
                passes = stage.passes(rule.where, sees)
                found.append(Listener("event", rule.event, path, f"exit: event {rule.event!r}", passes))
            case TraitIs() if rule.op in ("older_than", "newer_than") or isinstance(rule.value, Ref):
                question = stage.question(rule, sees)
                found.append(Listener("condition", "", path, f"exit: condition {path}", question=question))
            case TraitIs():
                found.append(Listener("profile", "", path, f"exit: trait {rule.trait!r}", trait=rule))
            case OnSegmentEntered():
                key = rule.segment_entered
                found.append(Listener("segment_entered", key, path, f"exit: entered segment {key!r}"))
            case OnSegmentLeft():
                key = rule.segment_left
                found.append(Listener("segment_left", key, path, f"exit: left segment {key!r}"))
            case OnCondition():
                question = stage.question(rule.if_, sees)
                found.append(Listener("condition", "", path, f"exit: condition {path}", question=question))
            case _:
                assert_never(rule)
    return tuple(found)


def goal_of(journey: Journey, stage: Stage, sees: Sees, entered_at: datetime, zone: tzinfo) -> Listener | None:
    """The goal, with its term on the person's wall clock."""
    goal: Goal | None = journey.goal
    if goal is None:
        return None
    until: datetime | None = None
    if goal.within is not None:
        until = add(entered_at, goal.within, zone)
    return Listener("event", goal.event, goal.on_reached, "goal", stage.passes(goal.where, sees), until=until)


def paths_of(step: WaitFor, stage: Stage, sees: Sees) -> tuple[Listener, ...]:
    """One listener per path, in the paths' order."""
    found: list[Listener] = []
    for path in step.paths:
        match path:
            case EventPath():
                found.append(Listener("event", path.event, path.id, passes=stage.passes(path.where, sees)))
            case MessagePath():
                found.append(Listener("receipt", path.message, path.id, status=path.status))
            case SegmentEnteredPath():
                found.append(Listener("segment_entered", path.segment_entered, path.id))
            case SegmentLeftPath():
                found.append(Listener("segment_left", path.segment_left, path.id))
            case ConditionPath():
                question = stage.question(path.if_, sees)
                found.append(Listener("condition", "", path.id, question=question))
            case _:
                assert_never(path)
    return tuple(found)
