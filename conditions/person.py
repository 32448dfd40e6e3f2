"""The person a condition is asked about, and the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class EventFact:
    """An event that happened; `timestamp` is aware."""

    id: str
    name: str
    timestamp: datetime
    properties: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one person. The order of events does not matter; `zone` is informative (conditions reckon in UTC)."""

    traits: Mapping[str, JsonValue] = field(default_factory=dict)
    events: Sequence[EventFact] = ()
    segments: frozenset[str] = frozenset()
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer, the values it rests on (`traits.…`, `events.…`, `segments.…`), and when time alone may change it.

    Without new facts the answer stays the same at every instant before `next_change`; None means for ever.
    """

    matches: bool
    seen: dict[str, JsonValue] = field(default_factory=dict)
    next_change: datetime | None = None
