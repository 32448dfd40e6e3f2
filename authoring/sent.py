"""What the people beside the journeys of a folder have sent: names of events and traits, in tests and in files of people."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from authoring.population import read_people
from authoring.testing.happenings import TraitsChange
from authoring.testing.reading import WrittenTests
from conditions import Condition
from conditions.computed import ComputedTrait
from conditions.references import references
from conditions.values import dotted_names
from infra.errors import BadInput
from journeys import Journey
from journeys.mentions import mentions


@dataclass(frozen=True, slots=True)
class Sent:
    """Names that somebody has sent; None where nobody has sent anything of the kind."""

    events: frozenset[str] | None = None
    traits: frozenset[str] | None = None


def sent(tests: Iterable[WrittenTests], people: Iterable[Path]) -> Sent:
    """What tests and files of people show, but for the events that happen in tests: those are held against what listens to them.

    Files that cannot be read show nothing: trying a journey on them tells why.
    """
    events: set[str] = set()
    traits: set[str] = set()
    for written in tests:
        for test in written.file.tests:
            traits |= {*dotted_names(test.person.traits)}
            events |= {event.event for event in test.person.events}
            for happening in test.happenings:
                if isinstance(happening, TraitsChange):
                    traits |= set(happening.traits)
    for path in people:
        try:
            known = read_people(path).people
        except (BadInput, OSError, UnicodeDecodeError):
            continue
        for person in known:
            traits |= {*dotted_names(person.traits), *(name for change in person.changes for name in change.traits)}
            events |= {did.event for did in person.events}
    return Sent(frozenset(events) or None, frozenset(traits) or None)


def listened_to(
    journeys: Mapping[str, Journey], segments: Mapping[str, Condition], computed: Mapping[str, ComputedTrait]
) -> frozenset[str]:
    """Events that anything in a folder takes notice of."""
    return frozenset(_listened_to(journeys, segments, computed))


def _listened_to(
    journeys: Mapping[str, Journey], segments: Mapping[str, Condition], computed: Mapping[str, ComputedTrait]
) -> Iterator[str]:
    for journey in journeys.values():
        for mention in mentions(journey):
            yield from mention.names.events
    for condition in segments.values():
        yield from references(condition).events
    for trait in computed.values():
        yield trait.definition.event
