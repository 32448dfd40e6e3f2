"""What all simulated people share: the journeys, made ready once, and the setting around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import assert_never
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from conditions import (
    Asker,
    Condition,
    Filter,
    References,
    bind,
    bind_filter,
    compile_condition,
    compile_filter,
    filter_references,
    references,
)
from conditions.filters import Predicate
from journeys.model import EntryByEvent, EntryBySchedule, EntryBySegment, Journey
from journeys.refs import MISSING, resolve
from journeys.simulation.facts import Source
from journeys.simulation.setting import Setting
from journeys.timing import zone_of
from policy import QuietHours

Context = Mapping[str, JsonValue]
Sees = Callable[[frozenset[str]], Context]
"""What these references see."""


@lru_cache(maxsize=1000)
def zone_for(own: str | None, journey: str | None, workspace: str) -> tuple[ZoneInfo, str | None]:
    """The zone of a person in a journey, and what was wrong with those passed over."""
    zone, problem = zone_of(own, journey, workspace)
    return zone, None if problem is None else problem.message


@dataclass(frozen=True, slots=True)
class Question:
    """A condition with what it mentions, so that it is asked only when that changes."""

    ask: Asker
    mentions: References

    @classmethod
    def of(cls, condition: Condition) -> "Question":
        return cls(compile_condition(condition), references(condition))

    def concerned(self, source: Source, name: str) -> bool:
        """Whether the answer may have changed by a fact."""
        match source:
            case "event":
                return name in self.mentions.events
            case "profile":
                return bool(self.mentions.traits)
            case "segment_entered" | "segment_left":
                return name in self.mentions.segments
            case "receipt":
                return False
            case _:
                assert_never(source)


def resolver(context: Context) -> Callable[[str], JsonValue]:
    """What conditions put in the place of references."""

    def value(ref: str) -> JsonValue:
        found = resolve(ref, context)
        return None if found is MISSING else found  # type: ignore[return-value]

    return value


@dataclass(slots=True)
class Stage:
    """The journey under test among the others; filters and conditions without references are made ready once."""

    under_test: Journey
    setting: Setting
    journeys: Mapping[str, Journey]
    by_event: Mapping[str, tuple[Journey, ...]]
    by_segment: Mapping[str, tuple[Journey, ...]]
    by_schedule: tuple[Journey, ...]
    segments: Mapping[str, Question]
    quiet_hours: QuietHours | None
    _filters: dict[int, tuple[frozenset[str], Predicate | None]] = field(default_factory=dict)
    _questions: dict[int, Question] = field(default_factory=dict)

    @classmethod
    def of(cls, journey: Journey, setting: Setting) -> "Stage":
        journeys = {**setting.journeys, journey.key: journey}
        by_event: dict[str, tuple[Journey, ...]] = {}
        by_segment: dict[str, tuple[Journey, ...]] = {}
        for each in journeys.values():
            match each.entry:
                case EntryByEvent():
                    by_event[each.entry.event] = (*by_event.get(each.entry.event, ()), each)
                case EntryBySegment():
                    by_segment[each.entry.segment_entered] = (*by_segment.get(each.entry.segment_entered, ()), each)
                case _:
                    pass
        return cls(
            journey,
            setting,
            journeys,
            by_event,
            by_segment,
            tuple(each for each in journeys.values() if isinstance(each.entry, EntryBySchedule)),
            {key: Question.of(condition) for key, condition in setting.segments.items()},
            QuietHours.parse(setting.policy.quiet_hours, setting.zone),
        )

    @property
    def caps_entries(self) -> bool:
        """Whether one person's entry can hinder another's."""
        return any(journey.entry.caps is not None for journey in self.journeys.values())

    def passes(self, where: Filter | None, sees: Sees) -> Predicate:
        """A filter of a definition, its references bound."""
        key = id(where)
        if key not in self._filters:
            refs = filter_references(where).refs
            self._filters[key] = refs, None if refs else compile_filter(where)
        refs, ready = self._filters[key]
        if ready is not None or where is None:
            return ready or compile_filter(None)
        return compile_filter(bind_filter(where, resolver(sees(refs))))

    def question(self, condition: Condition, sees: Sees) -> Question:
        """A condition of a definition, its references bound."""
        key = id(condition)
        if key not in self._questions:
            self._questions[key] = Question.of(condition)
        ready = self._questions[key]
        if not ready.mentions.refs:
            return ready
        return Question(compile_condition(bind(condition, resolver(sees(ready.mentions.refs)))), ready.mentions)
