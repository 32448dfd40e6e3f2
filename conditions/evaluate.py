"""Asking a condition of one person."""

from datetime import datetime

from conditions.model import Condition
from conditions.person import Evaluation, Person


def evaluate(condition: Condition, person: Person, now: datetime) -> Evaluation:
    """Whether the condition holds for the person at `now` (aware), on what values, and when that may change by time alone."""
    raise NotImplementedError
