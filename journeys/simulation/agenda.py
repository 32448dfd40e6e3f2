"""The virtual clock: deeds with their instants, done in order, each with everything that follows from it at once."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from heapq import heappop, heappush

from journeys.simulation.being import Being
from journeys.simulation.facts import Moment

Deed = Callable[[], None]
BEGINNING = datetime.min.replace(tzinfo=UTC)
CROWD = 20_000
"""More deeds than this for one person at one instant go in a circle."""


class Rank(IntEnum):
    """What comes first of several things at one instant: what happened, then what time changes, then timers of waits."""

    HAPPENING = 0
    CHANGE = 1
    TIMER = 2


@dataclass(slots=True)
class Agenda:
    """`give_up` is told of a person for whom things go in a circle."""

    give_up: Callable[[Being], None]
    now: datetime = BEGINNING
    _count: int = 0
    _planned: list[tuple[datetime, int, int, Being, Deed]] = field(default_factory=list)
    _next: deque[tuple[Being, Deed]] = field(default_factory=deque)

    def tick(self) -> Moment:
        """Now, after everything that was before."""
        self._count += 1
        return self.now, self._count

    def plan(self, at: datetime, rank: Rank, being: Being, do: Deed) -> None:
        """At an instant; one that has passed is now."""
        self._count += 1
        heappush(self._planned, (max(at, self.now), rank, self._count, being, do))

    def then(self, being: Being, do: Deed) -> None:
        """At once, after what was said so before."""
        self._next.append((being, do))

    def run(self, until: datetime) -> None:
        """Everything up to and including `until`."""
        while self._planned and self._planned[0][0] <= until:
            self.now, _, _, being, do = heappop(self._planned)
            do()
            while self._next:
                being, do = self._next.popleft()
                if self.crowded(being):
                    self.give_up(being)
                else:
                    do()
        self.now = max(self.now, until)

    def clear(self) -> None:
        """Nothing is planned any more, and the clock goes back to the beginning: for somebody else's time."""
        self.now = BEGINNING
        self._planned.clear()
        self._next.clear()

    def crowded(self, being: Being) -> bool:
        """Counts one more deed for this person now; whether there are too many."""
        if being.busy_at != self.now:
            being.busy_at, being.busy = self.now, 0
        being.busy += 1
        return being.busy > CROWD
