"""How punctual the system was: what a wait promised, and when the next thing was decided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import quantiles
from typing import Any

LATE_SECONDS = 1.5
"""Real; more at the 95th percentile says that the machine was too busy for the clock's pace."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Real seconds after the promised instant: of half, and of 95 in 100."""

    half: float
    most: float

    def __str__(self) -> str:
        return f"Waits ended {self.half:.2f} s (half of them) to {self.most:.2f} s (95 in 100) after their time, in real seconds."

    @property
    def too_busy(self) -> bool:
        return self.most > LATE_SECONDS


def lateness(stories: Iterable[Mapping[str, Any]], until: datetime, factor: float) -> Lateness | None:
    """Of plain waits that ended before `until` (virtual); None when there were too few."""
    found = sorted(each / factor for story in stories for each in _late(story["lines"], until))
    if len(found) < 20:
        return None
    marks = quantiles(found, n=20)
    return Lateness(marks[9], marks[18])


def _late(lines: Sequence[Mapping[str, Any]], until: datetime) -> Iterable[float]:
    for line, after in pairwise(lines):
        if line["what"] != "sleep" or after["what"] == "ended":
            continue
        promised, decided = datetime.fromisoformat(line["outcome"]["until"]), datetime.fromisoformat(after["at"])
        if decided <= until and decided - promised > timedelta(0):
            yield (decided - promised).total_seconds()
