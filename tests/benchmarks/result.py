"""What a benchmark found."""

from __future__ import annotations

from dataclasses import dataclass


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
