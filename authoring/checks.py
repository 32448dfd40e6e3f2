"""A whole folder judged offline: every definition by itself and with the others, and the tests beside them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from authoring.findings import Finding, findings, in_order
from authoring.folder import Definition, Folder
from authoring.kinds import COMPUTED, JOURNEY, KINDS, SEGMENT, TEMPLATE, Kind
from authoring.parts import read_call_template, read_computed, read_segment, read_template, segment_findings
from authoring.sent import Sent, listened_to, sent
from authoring.testing.reading import WrittenTests, findings_of_tests, read_tests
from conditions import Condition
from conditions.computed import ComputedTrait
from journeys import Catalog, Journey, JourneyError, check_definition, parse_journey
from journeys.catalog import TemplateFacts
from journeys.mentions import emitted_events, written_traits


@dataclass(frozen=True, slots=True)
class Names:
    """Names that exist besides those of the folder, such as a running system's."""

    segments: frozenset[str] = frozenset()
    templates: Mapping[str, TemplateFacts] = field(default_factory=dict)
    journeys: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()
    sent: Sent | None = None
    """What people have sent to that system; None where nobody can say: then what the folder's own people show stands in."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a folder says, as far as it can be read, and everything that was found."""

    folder: Folder
    journeys: Mapping[str, Journey]
    segments: Mapping[str, Condition]
    computed: Mapping[str, ComputedTrait]
    templates: Mapping[str, TemplateFacts]
    tests: tuple[WrittenTests, ...]
    findings: tuple[Finding, ...]

    def refused(self, definition: Definition) -> bool:
        """Whether something is wrong with the file of this definition."""
        return any(each.file == str(definition.path) and each.severity == "error" for each in self.findings)


def check_folder(folder: Folder, besides: Names | None = None) -> Checked:
    """Judges everything. Names count that the folder has, or that exist `besides` it."""
    names = besides or Names()
    found = list(folder.findings)
    for kind in KINDS:
        found += [finding for each in folder.of(kind).values() for finding in _key_findings(kind, each)]
    journeys: dict[str, Journey] = {}
    for key, definition in folder.of(JOURNEY).items():
        with suppress(JourneyError):
            journeys[key] = parse_journey(definition.body)
    segments: dict[str, Condition] = {}
    for key, definition in folder.of(SEGMENT).items():
        condition, problems = read_segment(definition)
        found += problems
        if condition is not None:
            segments[key] = condition
    computed: dict[str, ComputedTrait] = {}
    for key, definition in folder.of(COMPUTED).items():
        trait, problems = read_computed(definition)
        found += problems
        if trait is not None:
            computed[key] = trait
    templates: dict[str, TemplateFacts] = {}
    for key, definition in folder.of(TEMPLATE).items():
        template, problems = read_template(definition)
        found += problems
        if template is not None:
            templates[key] = template

    tests: list[WrittenTests] = []
    for source in folder.tests:
        read = read_tests(source)
        if isinstance(read, WrittenTests):
            tests.append(read)
        else:
            found += read

    known = folder.keys(SEGMENT) | names.segments
    found += segment_findings(folder.of(SEGMENT), segments, known)
    shown = sent(tests, folder.people) if names.sent is None else names.sent
    catalog = Catalog(
        templates=folder.keys(TEMPLATE) | frozenset(names.templates),
        segments=known,
        journeys=folder.keys(JOURNEY) | names.journeys,
        definitions=journeys,
        computed=folder.keys(COMPUTED) | names.computed,
        events=_extended(shown.events, (name for journey in journeys.values() for name in emitted_events(journey))),
        traits=_extended(shown.traits, (name for journey in journeys.values() for name in written_traits(journey))),
        all_seen=names.sent is not None,
        template_facts={**names.templates, **templates},
        call_template=read_call_template,
    )
    for definition in folder.of(JOURNEY).values():
        found += findings(definition.path, check_definition(definition.body, catalog)[1])
    whole = not folder.unread and len(journeys) == len(folder.of(JOURNEY)) and len(segments) == len(folder.of(SEGMENT))
    heard = listened_to(journeys, segments, computed) if whole else None
    for each in tests:
        found += findings_of_tests(each, journeys, folder.keys(JOURNEY), frozenset(segments), heard)
    return Checked(folder, journeys, segments, computed, templates, tuple(tests), tuple(in_order(found)))


def _extended(sent: frozenset[str] | None, more: Iterable[str]) -> frozenset[str] | None:
    return None if sent is None else sent.union(more)


_KEYS = {
    COMPUTED.name: (re.compile(r"[a-z][a-z0-9_]{0,99}"), "lower-case letters, digits and _, a letter first"),
    SEGMENT.name: (re.compile(r"[a-z0-9][a-z0-9_-]{0,99}"), "lower-case letters, digits, - and _"),
    TEMPLATE.name: (re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}"), "lower-case letters, digits, -, _ and ."),
}


def _key_findings(kind: Kind, definition: Definition) -> Iterator[Finding]:
    if kind.name in _KEYS:
        pattern, allowed = _KEYS[kind.name]
        if not pattern.fullmatch(definition.key):
            message = f"{definition.key!r} is no key of a {kind.name}"
            remedy = f"use {allowed}; 100 at most"
            yield Finding(file=str(definition.path), path="$.key", message=message, remedy=remedy)
    if definition.path.stem != definition.key:
        message = f"the file is called {definition.path.name!r} and the key is {definition.key!r}"
        remedy = f"rename the file {definition.key}.json: exporting writes that name"
        yield Finding(file=str(definition.path), path="$.key", message=message, remedy=remedy, severity="warning")
