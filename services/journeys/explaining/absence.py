"""Why somebody never entered: the trigger held against what the services saw, one finding per reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from conditions import matches_filter, references
from conditions.model import Filter, PropertyIs, WhereAll, WhereAny, WhereNot
from conditions.values import lookup
from contracts.profiles import TrackedEvent
from journeys import Journey
from journeys.model import EntryByApi, EntryByEvent, EntryBySchedule, EntryBySegment
from services.journeys.explaining.model import Finding
from services.journeys.explaining.register import JourneyPast
from services.journeys.explaining.sentences import instant, values
from services.journeys.explaining.witnesses import Witnesses
from services.journeys.lifecycle.versions import Versions

_SHOWN = 5
_CLOSED = {"draining": "draining", "archived": "archived", "draft": "not_published"}


class Absence:
    """Looks into the triggers of one journey for one person. May raise `CallFailed`."""

    def __init__(self, *, witnesses: Witnesses, versions: Versions) -> None:
        self._witnesses = witnesses
        self._versions = versions

    async def why(self, past: JourneyPast, profile_id: UUID, refused: frozenset[str], occasions: list[Any]) -> list[Finding]:
        """Every reason found, the journey's own state first. `refused` are triggers that have their refusal already."""
        found: list[Finding] = []
        if past.current is None or past.first_published is None:
            return [Finding(kind="not_published", text="The journey has never been published.", seen={"state": past.state})]
        if past.state in _CLOSED:
            found.append(_state(past))
        journey = await self._versions.journey(past.current)
        match journey.entry:
            case EntryByEvent():
                found += await self._by_event(past, journey.entry, profile_id, refused)
            case EntryBySegment():
                found += await self._by_segment(past, journey.entry.segment_entered, profile_id)
            case EntryBySchedule():
                found += await self._by_schedule(journey.entry, profile_id, occasions)
            case EntryByApi():
                text = "The journey is entered by the API or from another journey only, and neither asked for this person."
                found.append(Finding(kind="never_asked_for", text=text))
            case _:
                assert_never(journey.entry)
        return found + await self._rules(past, journey, profile_id)

    async def _by_event(self, past: JourneyPast, entry: EntryByEvent, profile_id: UUID, refused: frozenset[str]) -> list[Finding]:
        events = await self._witnesses.events(profile_id, entry.event)
        if not events:
            text = f"The event {entry.event!r}, which starts the journey, was never seen for this person."
            return [Finding(kind="event_never_seen", text=text, seen={"event": entry.event})]
        return [await self._event(past, event) for event in events if event.id not in refused][-_SHOWN:]

    async def _event(self, past: JourneyPast, event: TrackedEvent) -> Finding:
        at, seen = event.timestamp, {"event": event.name, "id": event.id}
        version = past.version_at(at)
        if version is None:
            text = f"{event.name!r} at {instant(at)} came before the journey was published, at {instant(past.first_published)}."
            return Finding(kind="did_not_exist_yet", text=text, at=at, seen=seen)
        then = (await self._versions.journey(version)).entry
        if not isinstance(then, EntryByEvent) or then.event != event.name:
            text = f"{event.name!r} at {instant(at)} did not start the version that was published then."
            return Finding(kind="did_not_exist_yet", text=text, at=at, seen=seen | {"version": version})
        if not matches_filter(then.where, event.properties):
            found = {path: lookup(event.properties, tuple(path.split("."))) for path in _properties(then.where)}
            told = ", ".join(f"{path} was {value!r}" for path, value in found.items())
            text = f"{event.name!r} at {instant(at)} does not pass the entry's 'where': {told}."
            where = then.where.model_dump(mode="json", by_alias=True, exclude_none=True) if then.where else None
            return Finding(kind="where_failed", text=text, at=at, seen=seen | {"properties": found, "where": where})
        state = past.state_at(at)
        if state in _CLOSED:
            kind = _CLOSED[state]
            text = f"{event.name!r} came at {instant(at)}, when the journey was {state}."
            return Finding(kind=kind, text=text, at=at, seen=seen | {"state": state})  # type: ignore[arg-type]  # by _CLOSED
        text = (
            f"{event.name!r} at {instant(at)} should have started the journey: either it has not arrived here yet, or it came "
            "with a time before it was published."
            + (" Whoever meets the trigger in a pause is enrolled and held until the resume." if state == "paused" else "")
        )
        return Finding(kind="should_have_entered", text=text, at=at, seen=seen)

    async def _by_segment(self, past: JourneyPast, segment: str, profile_id: UUID) -> list[Finding]:
        outside = await self._outside(segment, profile_id)
        if outside is not None:
            return [outside]
        stays = [stay for stay in await self._witnesses.stays(profile_id, segment) if stay.member]
        since, open_since = (stays[-1].at if stays else None), await self._open_since(past, segment)
        if since is not None and open_since is not None and since < open_since:
            text = (
                f"A member of {segment!r} since {instant(since)}, before the journey was published with this entry at "
                f"{instant(open_since)}: only a back-fill takes in who is a member already."
            )
            return [Finding(kind="in_segment_before", text=text, at=since, seen={"segment": segment})]
        text = f"Became a member of {segment!r} at {instant(since)} and should enter as soon as that arrives here."
        return [Finding(kind="should_have_entered", text=text, at=since, seen={"segment": segment})]

    async def _open_since(self, past: JourneyPast, segment: str) -> datetime | None:
        """Since when, without a break, becoming a member of this segment is the way in."""
        since = None
        for at, version in reversed(past.published):
            entry = (await self._versions.journey(version)).entry
            if not isinstance(entry, EntryBySegment) or entry.segment_entered != segment:
                break
            since = at
        return since

    async def _by_schedule(self, entry: EntryBySchedule, profile_id: UUID, occasions: list[Any]) -> list[Finding]:
        found = [] if (outside := await self._outside(entry.segment, profile_id)) is None else [outside]
        if not occasions:
            text = f"The schedule {entry.schedule.rrule!r} has had no occasion yet."
            return [*found, Finding(kind="no_occasion_yet", text=text, seen={"rrule": entry.schedule.rrule})]
        newest = occasions[0]
        text = f"The newest occasion was at {instant(newest.at)} ({newest.state}); the person was not among those who entered."
        seen = {"occasion": newest.occasion, "zone": newest.zone, "state": newest.state}
        return [*found, Finding(kind="occasions_passed", text=text, at=newest.at, seen=seen)]

    async def _outside(self, segment: str, profile_id: UUID) -> Finding | None:
        """That the person is not in the segment, with the values its condition looked at; None for a member."""
        condition = await self._witnesses.condition_of(segment)
        if condition is None:
            return Finding(kind="no_such_segment", text=f"The segment {segment!r} does not exist.", seen={"segment": segment})
        answer = await self._witnesses.evaluate(profile_id, condition)
        if answer.matches:
            return None
        return Finding(
            kind="not_in_segment",
            text=f"The person is not in the segment {segment!r}: {values(answer.seen)}.",
            seen={"segment": segment, "seen": answer.seen},
        )

    async def _rules(self, past: JourneyPast, journey: Journey, profile_id: UUID) -> list[Finding]:
        """What would keep the person out now, whatever the trigger."""
        found: list[Finding] = []
        caps, only_if = journey.entry.caps, journey.entry.only_if
        if caps is not None and caps.in_all is not None and past.entered >= caps.in_all:
            text = f"The journey is full: {past.entered} have entered, its cap in all is {caps.in_all}."
            found.append(Finding(kind="full", text=text, seen={"entered": past.entered, "in_all": caps.in_all}))
        if only_if is not None and not references(only_if).refs:
            answer = await self._witnesses.evaluate(profile_id, only_if.model_dump(mode="json", by_alias=True))
            if not answer.matches:
                text = f"'only_if' does not hold now: {values(answer.seen)}."
                found.append(Finding(kind="only_if", text=text, seen=answer.seen))
        return found


def _state(past: JourneyPast) -> Finding:
    kind = _CLOSED[past.state]
    text = f"The journey is {past.state} since {instant(past.state_since)}: nobody enters it."
    return Finding(kind=kind, text=text, at=past.state_since, seen={"state": past.state})  # type: ignore[arg-type]  # by _CLOSED


def _properties(where: Filter | None) -> Iterator[str]:
    """The properties that a filter looks at, in their order."""
    match where:
        case None:
            return
        case WhereAll():
            for part in where.all:
                yield from _properties(part)
        case WhereAny():
            for part in where.any:
                yield from _properties(part)
        case WhereNot():
            yield from _properties(where.not_)
        case PropertyIs():
            yield where.property
        case _:
            assert_never(where)
