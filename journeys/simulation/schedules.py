"""Entry by schedules on the virtual clock: each occurrence comes in every time zone, for whoever lives there just then."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from journeys.model import EntryBySchedule, Journey
from journeys.recurrence import FIRST_YEAR, next_occurrence, occurrences
from journeys.simulation.agenda import Agenda, Rank
from journeys.simulation.being import Being
from journeys.simulation.facts import Body, body
from journeys.timing import find_zone

_FIRST, _LAST = datetime(FIRST_YEAR - 1, 12, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Schedules:
    """Lets the members of a segment enter. An occurrence is one by its local time: whoever moves enters it once, or misses it."""

    def __init__(self, agenda: Agenda, journeys: Iterable[Journey], enter: Callable[[Being, Journey, Body], object]) -> None:
        self._agenda = agenda
        self._journeys = tuple(journeys)
        self._enter = enter

    def follow(self, being: Being) -> None:
        """From now on, and an occurrence just now counts; anew for somebody who moved to another zone."""
        being.moves += 1
        for journey in self._journeys:
            entry, zone = _entry(journey), being.zone(journey.zone)[0]
            first = next(occurrences(entry.schedule, max(self._agenda.now, _FIRST), _LAST, zone), None)
            self._plan(being, journey, zone, first)

    def _plan(self, being: Being, journey: Journey, zone: ZoneInfo, due: datetime | None) -> None:
        if due is not None:
            self._agenda.plan(due, Rank.CHANGE, being, partial(self._due, being, journey, zone, being.moves))

    def _due(self, being: Being, journey: Journey, zone: ZoneInfo, moves: int) -> None:
        if moves != being.moves:  # lives elsewhere since
            return
        entry, now = _entry(journey), self._agenda.now
        if entry.segment in being.segments:
            local = now.astimezone(find_zone(entry.schedule.zone) or zone)
            self._enter(being, journey, body(f"{local:%Y-%m-%dT%H:%M}:{being.id}", "journey.scheduled", now, {}))
        self._plan(being, journey, zone, next_occurrence(entry.schedule, now, zone))


def _entry(journey: Journey) -> EntryBySchedule:
    assert isinstance(journey.entry, EntryBySchedule)
    return journey.entry
