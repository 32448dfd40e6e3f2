"""The one source of time: real in production, accelerated on a local system."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Maps real instants to the instants that customers live in.

    `virtual = virtual_anchor + (real - real_anchor) * factor`. With factor 1 and equal anchors both are
    the same, which is how production runs. All instants are aware and in UTC.
    """

    factor: float = 1.0
    real_anchor: datetime = field(default=_EPOCH)
    virtual_anchor: datetime = field(default=_EPOCH)

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise ValueError(f"the clock's factor is {self.factor}: it must be above 0")

    def real_now(self) -> datetime:
        """The instant of the machine's own clock, UTC."""
        return datetime.now(UTC)

    def now(self) -> datetime:
        """The instant that customers live in, UTC."""
        return self.to_virtual(self.real_now())

    def to_virtual(self, real: datetime) -> datetime:
        return self.virtual_anchor + (real - self.real_anchor) * self.factor

    def to_real(self, virtual: datetime) -> datetime:
        """The real instant at which this clock will show `virtual`."""
        return self.real_anchor + (virtual - self.virtual_anchor) / self.factor

    def real_seconds(self, virtual: timedelta) -> float:
        """How many real seconds a stretch of virtual time takes."""
        return virtual.total_seconds() / self.factor

    @property
    def is_real(self) -> bool:
        """Whether it shows what the clocks of the world show."""
        return self.factor == 1.0 and self.virtual_anchor == self.real_anchor

    @property
    def is_real_time(self) -> bool:
        """Whether a timer set in real time stays true: nothing accelerates this clock."""
        return self.factor == 1.0
