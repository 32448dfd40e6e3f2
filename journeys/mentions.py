"""Where a journey mentions traits, events, segments and references."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from conditions.model import Condition, Filter, Ref
from conditions.references import References, placed, placed_in_filter
from journeys.model import (
    Branch,
    Call,
    ConditionPath,
    DateRef,
    EmitEvent,
    EntryByEvent,
    EntryBySchedule,
    EntryBySegment,
    EventPath,
    Journey,
    OnCondition,
    OnEvent,
    OnSegmentEntered,
    OnSegmentLeft,
    Repeat,
    SegmentEnteredPath,
    SegmentLeftPath,
    Send,
    StartJourney,
    Step,
    Until,
    UpdateProfile,
    Value,
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
                yield from _event(path, rule.event, rule.where, "registered", None)
            case OnSegmentEntered():
                yield Mention(f"{path}.segment_entered", References(segments=frozenset({rule.segment_entered})), "registered")
            case OnSegmentLeft():
                yield Mention(f"{path}.segment_left", References(segments=frozenset({rule.segment_left})), "registered")
            case OnCondition():
                yield from _asked(f"{path}.if", rule.if_, "registered")
            case _:
                yield from _asked(path, rule, "registered")
    if journey.goal is not None:
        yield from _event("$.goal", journey.goal.event, journey.goal.where, "registered", None)
    for step_id, step in journey.index.steps.items():
        yield from _step(journey.index.places[step_id].path, step)


def emitted_events(journey: Journey) -> Iterator[str]:
    """Events that the journey itself tells of."""
    return (step.event for step in journey.index.steps.values() if isinstance(step, EmitEvent))


def written_traits(journey: Journey) -> Iterator[str]:
    """Traits that the journey itself writes."""
    return (name for step in journey.index.steps.values() if isinstance(step, UpdateProfile) for name in step.set)


def _entry(journey: Journey) -> Iterator[Mention]:
    match journey.entry:
        case EntryByEvent():
            yield from _event("$.entry", journey.entry.event, journey.entry.where, "entry", None)
        case EntryBySegment():
            yield Mention("$.entry.segment_entered", References(segments=frozenset({journey.entry.segment_entered})), "entry")
        case EntryBySchedule():
            yield Mention("$.entry.segment", References(segments=frozenset({journey.entry.segment})), "entry")
        case _:
            pass
    if journey.entry.only_if is not None:
        yield from _asked("$.entry.only_if", journey.entry.only_if, "key")
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
                here = f"{path}.paths[{position}]"
                match way:
                    case EventPath():
                        yield from _event(here, way.event, way.where, "step", step.id)
                    case SegmentEnteredPath():
                        segments = frozenset({way.segment_entered})
                        yield Mention(f"{here}.segment_entered", References(segments=segments), "step", step.id)
                    case SegmentLeftPath():
                        yield Mention(f"{here}.segment_left", References(segments=frozenset({way.segment_left})), "step", step.id)
                    case ConditionPath():
                        yield from _asked(f"{here}.if", way.if_, "step", step.id)
                    case _:
                        pass
            if step.timeout is not None:
                yield from _until(f"{path}.timeout.until", step.timeout.until, step.id)
        case Branch():
            for position, choice in enumerate(step.paths):
                yield from _asked(f"{path}.paths[{position}].if", choice.if_, "step", step.id)
        case Repeat():
            if step.until is not None:
                yield from _asked(f"{path}.until", step.until, "step", step.id)
        case UpdateProfile():
            yield from _values(f"{path}.set", step.set, step.id)
        case EmitEvent():
            yield from _values(f"{path}.properties", step.properties, step.id)
        case StartJourney():
            yield from _values(f"{path}.properties", step.properties or {}, step.id)
        case Call():
            for where, ref in _refs_in(step.body, f"{path}.body"):
                yield Mention(where, References(refs=frozenset({ref})), "step", step.id)
        case _:
            return


def _values(path: str, values: Mapping[str, Value], step: str) -> Iterator[Mention]:
    for name, value in values.items():
        if isinstance(value, Ref):
            yield Mention(f'{path}["{name}"]', References(refs=frozenset({value.ref})), "step", step)


def _refs_in(body: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    """The references in a call's body, each with its JSON path."""
    if isinstance(body, dict):
        ref = body.get("ref")
        if isinstance(ref, str) and len(body) == 1:
            yield path, ref
            return
        for name, part in body.items():
            yield from _refs_in(part, f'{path}["{name}"]')
    elif isinstance(body, list):
        for position, part in enumerate(body):
            yield from _refs_in(part, f"{path}[{position}]")


def _until(path: str, until: Until | None, step: str) -> Iterator[Mention]:
    if isinstance(until, DateRef):
        yield Mention(f"{path}.ref", References(refs=frozenset({until.ref})), "step", step)


def _event(path: str, event: str, where: Filter | None, scope: Scope, step: str | None) -> Iterator[Mention]:
    yield Mention(f"{path}.event", References(events=frozenset({event})), scope, step)
    for place, names in placed_in_filter(f"{path}.where", where):
        yield Mention(place, names, scope, step)


def _asked(path: str, condition: Condition, scope: Scope, step: str | None = None) -> Iterator[Mention]:
    for place, names in placed(path, condition):
        yield Mention(place, names, scope, step)
