"""Templates, segments and computed traits of a folder, read and judged as their services would."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from authoring.findings import Finding, findings
from authoring.folder import Definition
from conditions import Condition, ConditionError, Problem, did_you_mean, parse_condition
from conditions.computed import ComputedDraft, ComputedTrait, computed_problems
from conditions.problems import problems_of
from conditions.references import references
from contracts.segments import SegmentDraft
from contracts.templates import TemplateInput
from infra.errors import Flaw
from infra.liquid import parse, parse_fields
from journeys.catalog import CallTemplate, TemplateFacts
from journeys.refs import PARTS, REMEDY, parse_ref

_Model = TypeVar("_Model", bound=BaseModel)


def bare(definition: Definition) -> dict[str, Any]:
    """The definition as its service takes it: without its key, which the address says, and without the editor's hint."""
    return {name: value for name, value in definition.body.items() if name not in ("key", "$schema")}


def read_template(definition: Definition) -> tuple[TemplateFacts | None, list[Finding]]:
    """What journeys need to know of the template, and every problem with its form and its Liquid."""
    given = _validated(TemplateInput, definition)
    if isinstance(given, list):
        return None, given
    flaws: list[Flaw] = []
    used: dict[str, frozenset[str]] = {}
    required: dict[str, frozenset[str]] = {}
    for channel, part in given.parts().items():
        sources, found = parse_fields(part.texts(), f"$.{channel.value}", made_from=part.made_from())
        flaws += found
        used[channel.value] = frozenset(name for source in sources.values() for name in source.variables)
        required[channel.value] = frozenset(name for source in sources.values() for name in source.required)
    facts = TemplateFacts(used, required, frozenset(used), given.purpose)
    return facts, findings(definition.path, flaws)


def read_segment(definition: Definition) -> tuple[Condition | None, list[Finding]]:
    """The segment's condition."""
    given = _validated(SegmentDraft, definition)
    if isinstance(given, list):
        return None, given
    try:
        condition = parse_condition(given.condition, "$.condition")
    except ConditionError as error:
        return None, findings(definition.path, error.problems)
    open_references = [
        Problem(path="$.condition", message=f"nothing here can resolve the reference {ref!r}", remedy="write the value itself")
        for ref in sorted(references(condition).refs)
    ]
    return (None if open_references else condition), findings(definition.path, open_references)


def read_computed(definition: Definition) -> tuple[ComputedTrait | None, list[Finding]]:
    """The computed trait."""
    given = _validated(ComputedDraft, definition)
    if isinstance(given, list):
        return None, given
    problems = computed_problems(given)
    return (None if problems else ComputedTrait(definition.key, given)), findings(definition.path, problems)


def read_call_template(text: str) -> CallTemplate:
    """A Liquid template of a `call` step; which secrets there are, only the server knows."""
    source, flaws = parse(text, "$", roots=(*PARTS, "secrets"))
    if source is None:
        return CallTemplate(flaws[0].message)
    flaw = next((f"{name} leads nowhere: {REMEDY}" for name in source.variables if _leads_nowhere(name)), None)
    return CallTemplate(flaw, frozenset(source.variables), frozenset(source.required))


def _leads_nowhere(name: str) -> bool:
    root, *rest = name.split(".")
    if root == "results":
        return len(rest) > 1 and parse_ref(".".join((root, *rest[:2]))) is None
    return root != "secrets" and bool(rest) and rest[0] not in PARTS[root]


def segment_findings(
    sources: Mapping[str, Definition], conditions: Mapping[str, Condition], known: frozenset[str]
) -> Iterator[Finding]:
    """Segments that name unknown segments, or depend on themselves."""
    uses = {key: references(condition).segments for key, condition in conditions.items()}
    for key, named in uses.items():
        problems = [
            Problem(path="$.condition", message=f"there is no segment {name!r}", remedy=did_you_mean(name, known))
            for name in sorted(named - known)
        ]
        if (circle := _circle(key, uses)) is not None:
            message = f"the segment would depend on itself: {' → '.join(circle)}"
            problems.append(Problem(path="$.condition", message=message, remedy="refer to another segment"))
        yield from findings(sources[key].path, problems)


def _circle(key: str, uses: Mapping[str, frozenset[str]]) -> list[str] | None:
    ways = [[key, name] for name in sorted(uses[key])]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == key:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, name] for name in sorted(uses.get(way[-1], ()))]
    return None


def _validated(model: type[_Model], definition: Definition) -> _Model | list[Finding]:
    try:
        return model.model_validate(bare(definition))
    except ValidationError as error:
        return findings(definition.path, problems_of(error, model))
