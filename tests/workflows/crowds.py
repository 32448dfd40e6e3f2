"""Cohorts as a scripted journeys service gathers them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from contracts.journeys import CohortProgress


@dataclass
class Crowd:
    """`batch` members enter each time the cohort is advanced; then it rests for `pause` while there are more.

    `paused_behind`: when so many have entered, somebody pauses it.
    """

    members: Sequence[UUID]
    batch: int = 1
    pause: timedelta | None = None
    paused_behind: int | None = None
    id: UUID = field(default_factory=uuid4)
    entered: list[UUID] = field(default_factory=list)

    def advance(self) -> CohortProgress:
        """One batch further."""
        so_far = len(self.entered)
        self.entered.extend(self.members[so_far : so_far + self.batch])
        taken = len(self.entered)
        if taken == len(self.members):
            return CohortProgress(state="done", taken=taken)
        if self.paused_behind is not None and taken >= self.paused_behind:
            return CohortProgress(state="paused", taken=taken)
        return CohortProgress(state="running", taken=taken, wake_at=datetime.now(UTC) + self.pause if self.pause else None)


def people(number: int) -> list[UUID]:
    """So many who are to enter."""
    return [uuid4() for _ in range(number)]
