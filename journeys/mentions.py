"""Where a journey mentions traits, events, segments and references."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from conditions.model import Filter, Ref
from conditions.references import References, filter_references, references
from journeys.model import (
    Branch,
    DateRef,
    EntryByEvent,
    EntryBySegment,
    EventPath,
    Journey,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    Repeat,
    Send,
    Step,
    Until,
    UpdateProfile,
    Wait,
    WaitFor,
)

Scope = Literal["entry", "key", "registered", "step"]


@dataclass(frozen=True, slots=True)
class Mention:
    """Names mentioned at a JSON path.

    Scope tells when they are looked up: `entry` while deciding who enters, `key` with the entering event at hand, `registered`
    for exit rules and the goal, fixed on entry, `step` when the step is performed.
    """

    path: str
    names: References
    scope: Scope
    step: str | None = None


def mentions(journey: Journey) -> Iterator[Mention]:
    """Every place of the definition that mentions names, in its order."""
    yield from _entry(journey)
    for position, rule in enumerate(journey.exit_when):
        path = f"$.exit_when[{position}]"
        match rule:
            case OnEvent():
                yield _event(path, rule.event, rule.where, "registered", None)
            case OnSegmentEntered():
                yield Mention(f"{path}.segment_entered", References(segments=frozenset({rule.segment_entered})), "registered")
            case OnSegmentLeft():
                yield Mention(f"{path}.segment_left", References(segments=frozenset({rule.segment_left})), "registered")
            case _:
                yield Mention(path, references(rule), "registered")
    if journey.goal is not None:
        yield _event("$.goal", journey.goal.event, journey.goal.where, "registered", None)
    for step_id, step in journey.index.steps.items():
        yield from _step(journey.index.places[step_id].path, step)


def _entry(journey: Journey) -> Iterator[Mention]:
    match journey.entry:
        case EntryByEvent():
            yield _event("$.entry", journey.entry.event, journey.entry.where, "entry", None)
        case EntryBySegment():
            yield Mention("$.entry.segment_entered", References(segments=frozenset({journey.entry.segment_entered})), "entry")
        case _:
            pass
    if journey.entry.key is not None:
        yield Mention("$.entry.key", References(refs=frozenset({journey.entry.key})), "key")


def _step(path: str, step: Step) -> Iterator[Mention]:
    match step:
        case Send():
            yield from _until(f"{path}.valid_until", step.valid_until, step.id)
        case Wait():
            yield from _until(f"{path}.until", step.until, step.id)
        case WaitFor():
            for position, way in enumerate(step.paths):
                if isinstance(way, EventPath):
                    yield _event(f"{path}.paths[{position}]", way.event, way.where, "step", step.id)
            if step.timeout is not None:
                yield from _until(f"{path}.timeout.until", step.timeout.until, step.id)
        case Branch():
            for position, choice in enumerate(step.paths):
                yield Mention(f"{path}.paths[{position}].if", references(choice.if_), "step", step.id)
        case Repeat():
            if step.until is not None:
                yield Mention(f"{path}.until", references(step.until), "step", step.id)
        case UpdateProfile():
            for trait, value in step.set.items():
                if isinstance(value, Ref):
                    yield Mention(f'{path}.set["{trait}"]', References(refs=frozenset({value.ref})), "step", step.id)
        case _:
            return


def _until(path: str, until: Until | None, step: str) -> Iterator[Mention]:
    if isinstance(until, DateRef):
        yield Mention(f"{path}.ref", References(refs=frozenset({until.ref})), "step", step)


def _event(path: str, event: str, where: Filter | None, scope: Scope, step: str | None) -> Mention:
    return Mention(path, References(events=frozenset({event})) | filter_references(where), scope, step)
