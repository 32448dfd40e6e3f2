"""What a benchmark found, and what it may come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limit:
    """What a measurement must keep: `of` says of which of its two numbers."""

    bound: float
    at: Literal["most", "least"] = "most"
    of: Literal["ratio", "value"] = "ratio"

    def __str__(self) -> str:
        return f"{self.of} at {self.at} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """`value` and `baseline` in `unit`, `ratio` their quotient; both None where nothing compares.

    `note` says how it was measured.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    note: str = ""
    limit: Limit | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it keeps its limit; None where it has none."""
        if self.limit is None:
            return None
        number = self.ratio if self.limit.of == "ratio" else self.value
        if number is None:
            return False
        return number <= self.limit.bound if self.limit.at == "most" else number >= self.limit.bound


def against(name: str, value: float, unit: str, baseline: float, note: str, limit: Limit | None = None) -> Result:
    """With a baseline of the same run."""
    return Result(name, value, unit, baseline, value / baseline, note, limit)


def shown(name: str, value: float, unit: str, note: str, limit: Limit | None = None) -> Result:
    """With nothing to compare it to."""
    return Result(name, value, unit, None, None, note, limit)
