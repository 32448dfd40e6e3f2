"""A journey test as a script of the simulator, and the setting around it."""

from collections.abc import Container, Mapping
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from authoring.checks import Checked
from authoring.testing import happenings as told
from authoring.testing.model import JourneyTest, PastEvent, PersonGiven, Workspace
from conditions.duration import Duration, add
from journeys import Journey
from journeys.catalog import TemplateFacts
from journeys.model import EntryByApi, EntryByEvent, EntryBySchedule, EntryBySegment, StartJourney
from journeys.simulation import people as played
from journeys.simulation.people import Answer, Consent, Enrols, Person, Response, Script
from journeys.simulation.setting import Setting, Template
from journeys.timing import parse_anchor, zone_of
from policy import DeliveryPolicy

_ADDRESSES = ("email", "phone", "push_subscription", "push_subscriptions")
_NO_TIME = Duration.parse("PT0S")


class Wall:
    """The person's wall clock: reads the instants and durations of a test."""

    def __init__(self, test: JourneyTest, journey: Journey, workspace: Workspace) -> None:
        own = test.person.traits.get("timezone")
        self.zone: ZoneInfo = zone_of(own if isinstance(own, str) else None, journey.zone, workspace.zone)[0]
        self.start = self.instant(test.start)

    def instant(self, moment: str) -> datetime:
        """A date or time of the test file, which were checked when it was read."""
        found = parse_anchor(moment, self.zone)
        assert found is not None
        return found

    def after(self, duration: Duration) -> datetime:
        return add(self.start, duration, self.zone)

    def either(self, moment: str | None, after: Duration | None) -> datetime:
        """At a moment, or so long after the start (at once where neither is written)."""
        return self.instant(moment) if moment is not None else self.after(after or _NO_TIME)

    def end(self, test: JourneyTest) -> datetime:
        return self.after(test.until) if isinstance(test.until, Duration) else self.instant(test.until)


def setting_of(checked: Checked, journey: Journey, workspace: Workspace) -> Setting:
    """The folder around a journey. Other journeys run along if this one starts them."""
    return Setting(
        journeys={key: checked.journeys[key] for key in started(checked.journeys, journey)},
        segments=dict(checked.segments),
        computed=dict(checked.computed),
        templates={key: _template(facts) for key, facts in checked.templates.items()} if checked.templates else None,
        policy=DeliveryPolicy(quiet_hours=workspace.quiet_hours, caps=workspace.caps),
        zone=workspace.zone,
    )


def _template(facts: TemplateFacts) -> Template:
    return Template.model_validate({"channels": sorted(facts.channels or ()), "purpose": facts.purpose})


def script_of(test: JourneyTest, journey: Journey, wall: Wall, segments: Container[str]) -> Script:
    """What the simulator plays; `segments` are worked out from their conditions."""
    return Script(
        person=_person(test.person, wall),
        happenings=(*_entry(test, journey, wall, segments), *_happenings(test, wall)),
        begins=wall.start,
        enters=entry_segment(journey),
        outcomes=_outcomes(test),
        splits=dict(test.splits),
        answers=_answers(test),
    )


def entry_segment(journey: Journey) -> tuple[str, ...]:
    """The segment by which the journey is entered: whoever belongs to it at the start enters it then."""
    return (journey.entry.segment_entered,) if isinstance(journey.entry, EntryBySegment) else ()


def _person(person: PersonGiven, wall: Wall) -> Person:
    channels = person.reachable
    if channels is None and not any(name in person.traits for name in _ADDRESSES):
        channels = told.CHANNELS
    return Person(
        id="somebody",
        traits=person.traits,
        events=tuple(
            played.PastEvent(at=_past_instant(past, wall), event=past.event, properties=past.properties) for past in person.events
        ),
        segments=person.segments,
        consents="all" if person.consents is None else _consents(person.consents),
        channels=channels,
    )


def _past_instant(past: PastEvent, wall: Wall) -> datetime:
    if past.at is not None:
        return wall.instant(past.at)
    assert past.before is not None
    back = past.before
    return wall.after(Duration(f"-{back.text}", -back.months, -back.days, -back.seconds))


def _consents(consents: Mapping[str, bool | tuple[played.ChannelName, ...]]) -> tuple[Consent, ...]:
    return tuple(
        Consent(channel=channel, purpose=purpose)
        for purpose, channels in consents.items()
        for channel in (channels if isinstance(channels, tuple) else told.CHANNELS if channels else ())
    )


def _entry(test: JourneyTest, journey: Journey, wall: Wall, segments: Container[str]) -> list[played.AnyHappening]:
    entry = journey.entry
    match entry:
        case EntryByEvent():
            return [played.EventHappens(at=wall.start, event=entry.event, properties=test.entry.properties)]
        case EntryBySegment():
            segment = entry.segment_entered
            return [] if segment in segments else [played.SegmentEntered(at=wall.start, segment_entered=segment)]
        case EntryByApi():
            return [played.Enrolled(at=wall.start, enrol=Enrols(properties=test.entry.properties))]
        case EntryBySchedule():
            return []


def _happenings(test: JourneyTest, wall: Wall) -> list[played.AnyHappening]:
    found: list[played.AnyHappening] = []
    for each in test.happenings:
        at = wall.either(each.at, each.after)
        match each:
            case told.EventHappens():
                found.append(played.EventHappens(at=at, event=each.event, properties=each.properties))
            case told.TraitsChange():
                found.append(played.TraitsChange(at=at, traits=each.traits))
            case told.SegmentEntered():
                found.append(played.SegmentEntered(at=at, segment_entered=each.segment_entered))
            case told.SegmentLeft():
                found.append(played.SegmentLeft(at=at, segment_left=each.segment_left))
            case told.MessageOutcome() if each.at is not None:
                found.append(played.MessageOutcome(at=at, message=each.message, status=each.status, text=each.text, url=each.url))
            case told.CallAnswer() if each.at is not None:
                answer = each.model_dump(include={"call", "status", "headers", "body", "error"})
                found.append(played.CallAnswered(at=at, **answer))
            case told.Agrees() | told.Withdraws():
                purpose = each.agrees if isinstance(each, told.Agrees) else each.withdraws
                state = "granted" if isinstance(each, told.Agrees) else "withdrawn"
                for channel in each.channels:
                    consent = Consent.model_validate({"channel": channel, "purpose": purpose, "state": state})
                    found.append(played.ConsentChanges(at=at, consent=consent))
            case told.MessageOutcome() | told.CallAnswer():
                pass  # they follow from what the journey does, not from the calendar
    return found


def _outcomes(test: JourneyTest) -> dict[str, tuple[Response, ...]]:
    """Step to what becomes of each of its messages: delivered at once, unless the test says that they are not."""
    told_of: dict[str, list[told.MessageOutcome]] = {}
    for each in test.happenings:
        if isinstance(each, told.MessageOutcome):
            told_of.setdefault(each.message, []).append(each)
    found: dict[str, tuple[Response, ...]] = {}
    for step, outcomes in told_of.items():
        responses = [
            Response(status=each.status, after=(each.after or _NO_TIME,) * 2, text=each.text, url=each.url)
            for each in outcomes
            if each.at is None
        ]
        if not {each.status for each in outcomes} & {"delivered", "bounced", "rejected"}:
            responses.append(Response(status="delivered"))
        found[step] = tuple(responses)
    return found


def _answers(test: JourneyTest) -> dict[str, tuple[Answer, ...]]:
    found: dict[str, tuple[Answer, ...]] = {}
    for each in test.happenings:
        if isinstance(each, told.CallAnswer) and each.at is None:
            answer = Answer(
                status=each.status, headers=each.headers, body=each.body, error=each.error, after=each.after or _NO_TIME
            )
            found[each.call] = (*found.get(each.call, ()), answer)
    return found


def started(journeys: Mapping[str, Journey], journey: Journey) -> frozenset[str]:
    """Journeys of the folder that this one starts, directly or through others."""
    found: set[str] = set()
    ahead = [journey]
    while ahead:
        for step in ahead.pop().index.steps.values():
            if isinstance(step, StartJourney) and step.journey in journeys and step.journey not in {*found, journey.key}:
                found.add(step.journey)
                ahead.append(journeys[step.journey])
    return frozenset(found)


def trait_at(traits: Mapping[str, JsonValue], path: str) -> JsonValue:
    """The trait of a dotted path; None where there is none."""
    value: JsonValue = cast("dict[str, JsonValue]", traits)
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
