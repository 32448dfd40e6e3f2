"""Judging what a journey means: everything that is well formed and yet wrong."""

import re
from collections.abc import Iterable

from conditions.problems import Problem
from journeys.catalog import Catalog
from journeys.check_choices import experiment_problems
from journeys.check_circles import circle_problems
from journeys.check_dates import date_problems
from journeys.check_entry import entry_problems
from journeys.check_flow import flow_problems, size_problems
from journeys.check_names import name_problems
from journeys.check_steps import step_problems
from journeys.model import Journey


def check(journey: Journey, catalog: Catalog | None = None) -> tuple[Problem, ...]:
    """All findings, by path; those of severity `error` forbid publishing. Without a catalog, names go unchecked."""
    known = catalog or Catalog()
    found = list(size_problems(journey))
    if not found:  # what is far too large is not looked at any further
        found.extend(step_problems(journey, known))
        found.extend(entry_problems(journey))
        found.extend(experiment_problems(journey))
        found.extend(flow_problems(journey))
        found.extend(date_problems(journey))
        found.extend(name_problems(journey, known))
        found.extend(circle_problems(journey, known))
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: _position(problem.path)))


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The findings that forbid publishing."""
    return tuple(problem for problem in problems if problem.severity == "error")


def _position(path: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts paths with `[10]` behind `[9]`."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"[.\[\]]+", path) if part)


__all__ = ["Catalog", "check", "errors"]
