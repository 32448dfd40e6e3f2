"""Judging what a journey means: everything that is well formed and yet wrong."""

import re
from collections.abc import Iterable

from conditions.problems import Problem
from journeys.catalog import Catalog
from journeys.check_choices import experiment_problems
from journeys.check_circles import circle_problems
from journeys.check_constants import constant_problems
from journeys.check_dates import date_problems
from journeys.check_entry import entry_problems
from journeys.check_exits import exit_problems
from journeys.check_flow import flow_problems, size_problems
from journeys.check_ids import id_problems, told_apart
from journeys.check_names import name_problems
from journeys.check_steps import step_problems
from journeys.errors import JourneyError
from journeys.model import Journey
from journeys.parse import parse_journey
from journeys.salvage import Salvage


def check(journey: Journey, catalog: Catalog | None = None) -> tuple[Problem, ...]:
    """All findings, by path; those of severity `error` forbid publishing. Without a catalog, names go unchecked."""
    known = catalog or Catalog()
    found = list(size_problems(journey))
    if not found:  # what is far too large is not looked at any further
        found.extend(id_problems(journey))
        journey = told_apart(journey)
        found.extend(step_problems(journey, known))
        found.extend(entry_problems(journey))
        found.extend(exit_problems(journey))
        found.extend(constant_problems(journey))
        found.extend(experiment_problems(journey))
        found.extend(flow_problems(journey))
        found.extend(date_problems(journey))
        found.extend(name_problems(journey, known))
        found.extend(circle_problems(journey, known))
    return _in_order(found)


def check_definition(data: object, catalog: Catalog | None = None) -> tuple[Journey | None, tuple[Problem, ...]]:
    """The journey (None where it cannot be read) and all findings: of one that cannot be read, those about the rest as well."""
    try:
        journey = parse_journey(data)
    except JourneyError as error:
        found = list(error.problems)
        rest = Salvage.of(data) if isinstance(data, dict) else None
        readable = None if rest is None else rest.journey()
        if rest is not None and readable is not None:
            found.extend(rest.true_findings(check(readable, catalog)))
        return None, _in_order(found)
    return journey, check(journey, catalog)


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The findings that forbid publishing."""
    return tuple(problem for problem in problems if problem.severity == "error")


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: _position(problem.path)))


def _position(path: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts paths with `[10]` behind `[9]`."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"[.\[\]]+", path) if part)


__all__ = ["Catalog", "check", "check_definition", "errors"]
