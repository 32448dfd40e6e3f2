"""Judging what a journey means: everything that is well formed and yet wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from conditions.problems import Problem

from journeys.model import Journey


@dataclass(frozen=True, slots=True)
class Catalog:
    """The names that exist around a journey; None where unknown, which skips the check."""

    templates: frozenset[str] | None = None
    segments: frozenset[str] | None = None
    journeys: frozenset[str] | None = None
    template_variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Template to the dotted names that it cannot do without."""


def check(journey: Journey, catalog: Catalog | None = None) -> tuple[Problem, ...]:
    """All findings, in the order of the definition; those of severity `error` forbid publishing."""
    raise NotImplementedError
