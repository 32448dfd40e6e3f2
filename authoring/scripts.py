"""People on record as scripts of the simulator: what lies before an instant is past, what lies behind it happens."""

from collections.abc import Container, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from authoring.population import OnRecord
from authoring.testing.script import entry_segment
from journeys import Journey
from journeys.model import EntryByApi, EntryByEvent, EntryBySchedule, EntryBySegment
from journeys.simulation.people import (
    AnyHappening,
    Enrolled,
    Enrols,
    EventHappens,
    PastEvent,
    Person,
    Script,
    SegmentEntered,
    TraitsChange,
)


def as_recorded(people: Sequence[OnRecord], begins: datetime) -> list[Script]:
    """For a back-test: what is on record from `begins` on happens again."""
    return [Script(person=_person(each, begins), happenings=_recorded(each, begins), begins=begins) for each in people]


def as_entering(
    journey: Journey,
    people: Sequence[OnRecord],
    begins: datetime,
    over: timedelta,
    properties: dict[str, JsonValue] | None,
    segments: Container[str],
) -> list[Script]:
    """For a simulation: everybody meets the entry, one after the other from `begins` on, spread evenly over a span.

    The entering event carries `properties`, else what the person's newest such event carries. A person's own such events are
    left out until it has come, so that nobody meets the entry before their time; what they do later happens, as all else.
    Schedules come by themselves. A segment of the entry that is among `segments` is worked out: who belongs to it enters.
    """
    scripts = []
    for position, each in enumerate(people):
        at = begins + over * position / max(len(people), 1)
        entry = _entry(journey, each, at, properties)
        enters = entry_segment(journey)
        if enters and enters[0] in segments:
            entry, since = (), at
        else:
            since = begins
        own = [happening for happening in _recorded(each, begins) if happening.at > at or not _enters(journey, happening)]
        scripts.append(Script(person=_person(each, begins), happenings=(*own, *entry), begins=since, enters=enters))
    return scripts


def _entry(journey: Journey, person: OnRecord, at: datetime, properties: dict[str, JsonValue] | None) -> tuple[AnyHappening, ...]:
    entry = journey.entry
    match entry:
        case EntryByEvent():
            newest = max((did for did in person.events if did.event == entry.event), key=lambda did: did.at, default=None)
            given = properties if properties is not None else newest.properties if newest is not None else {}
            return (EventHappens(at=at, event=entry.event, properties=given),)
        case EntryBySegment():
            return (SegmentEntered(at=at, segment_entered=entry.segment_entered),)
        case EntryByApi():
            return (Enrolled(at=at, enrol=Enrols(properties=properties or {})),)
        case EntryBySchedule():
            return ()


def _enters(journey: Journey, happening: AnyHappening) -> bool:
    entry = journey.entry
    return isinstance(entry, EntryByEvent) and isinstance(happening, EventHappens) and happening.event == entry.event


def _person(person: OnRecord, begins: datetime) -> Person:
    traits = dict(person.traits)
    for change in sorted(person.changes, key=lambda each: each.at):
        if change.at < begins:
            for path, value in change.traits.items():
                _write(traits, path.split("."), value)
    return Person(
        id=person.id,
        traits=traits,
        events=tuple(
            PastEvent(at=did.at, event=did.event, properties=did.properties, id=did.id)
            for did in person.events
            if did.at < begins
        ),
        segments=person.segments,
        consents=person.consents,
        channels=person.channels,
    )


def _recorded(person: OnRecord, begins: datetime) -> tuple[AnyHappening, ...]:
    did = [
        EventHappens(at=each.at, event=each.event, properties=each.properties, id=each.id)
        for each in person.events
        if each.at >= begins
    ]
    became = [TraitsChange(at=each.at, traits=each.traits) for each in person.changes if each.at >= begins]
    return (*did, *became)


def _write(traits: dict[str, JsonValue], path: list[str], value: JsonValue) -> None:
    *parents, last = path
    inner = traits
    for part in parents:
        known = inner.get(part)
        copied: dict[str, JsonValue] = dict(known) if isinstance(known, dict) else {}
        inner[part] = copied
        inner = copied
    if value is None:
        inner.pop(last, None)
    else:
        inner[last] = value
