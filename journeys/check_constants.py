"""Findings about conditions that compare a constant where a reference was meant."""

from collections.abc import Iterator

from conditions.model import All, AnyOf, Condition, Not, Nothing, Ref, ValueIs
from conditions.problems import Problem
from journeys.model import Branch, BranchPath, ConditionPath, Journey, OnCondition, Repeat, WaitFor
from journeys.refs import parse_ref


def constant_problems(journey: Journey) -> Iterator[Problem]:
    """Every finding of this kind."""
    for path, condition in _conditions(journey):
        for place, compared in _values(path, condition):
            yield from _constant(f"{place}.value", compared)


def _constant(path: str, compared: ValueIs) -> Iterator[Problem]:
    subject = compared.subject
    if isinstance(subject, Ref | Nothing):
        return
    if isinstance(subject, dict) and "ref" in subject:
        more = ", ".join(repr(name) for name in subject if name != "ref")
        message, remedy = f"a reference has no other key beside 'ref': here is {more}", 'write {"value": {"ref": "…"}} alone'
        yield Problem(path=path, message=message, remedy=remedy)
    elif isinstance(subject, str) and parse_ref(subject) is not None:
        message = f"compares the text {subject!r}, not the value that it names"
        yield Problem(path=path, message=message, remedy=f'write {{"value": {{"ref": "{subject}"}}, …}}')
    else:
        message = f"compares the constant {subject!r}, so that the answer is always the same"
        yield Problem(path=path, message=message, remedy='write {"value": {"ref": "…"}, …}', severity="warning")


def _conditions(journey: Journey) -> Iterator[tuple[str, Condition]]:
    if journey.entry.only_if is not None:
        yield "$.entry.only_if", journey.entry.only_if
    for position, rule in enumerate(journey.exit_when):
        if isinstance(rule, OnCondition):
            yield f"$.exit_when[{position}].if", rule.if_
    for step_id, step in journey.index.steps.items():
        path = journey.index.places[step_id].path
        match step:
            case Branch() | WaitFor():
                for position, way in enumerate(step.paths):
                    if isinstance(way, BranchPath | ConditionPath):
                        yield f"{path}.paths[{position}].if", way.if_
            case Repeat(until=until) if until is not None:
                yield f"{path}.until", until
            case _:
                pass


def _values(path: str, condition: Condition) -> Iterator[tuple[str, ValueIs]]:
    match condition:
        case All():
            for position, part in enumerate(condition.all):
                yield from _values(f"{path}.all[{position}]", part)
        case AnyOf():
            for position, part in enumerate(condition.any):
                yield from _values(f"{path}.any[{position}]", part)
        case Not():
            yield from _values(f"{path}.not", condition.not_)
        case ValueIs():
            yield path, condition
        case _:
            return
