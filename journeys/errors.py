"""Errors of the journey core.

JourneysError
├── JourneyError        a definition that is wrong (`problems`)
├── UnknownStep         a cursor stands at a step that the definition lacks
└── OutcomeMismatch     an outcome that does not fit the step the cursor stands at
"""

from collections.abc import Sequence

from conditions.problems import Problem


class JourneysError(Exception):
    """Base of the errors of this package."""


class JourneyError(JourneysError):
    """A definition that cannot be read; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class UnknownStep(JourneysError):
    """The journey has no step of this id."""

    def __init__(self, journey: str, step_id: str) -> None:
        self.journey, self.step_id = journey, step_id
        super().__init__(f"journey {journey!r} has no step {step_id!r}")


class OutcomeMismatch(JourneysError):
    """The outcome cannot come from the step that the cursor stands at."""

    def __init__(self, step_id: str | None, outcome: str, why: str = "") -> None:
        self.step_id, self.outcome = step_id, outcome
        super().__init__(f"step {step_id!r} cannot end with {outcome!r}" + (f": {why}" if why else ""))
