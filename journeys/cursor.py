"""Where one enrolment stands: ids and counts only, no personal data."""

from pydantic import BaseModel, ConfigDict, Field


class Cursor(BaseModel):
    """A position in a journey; plain JSON, carried by the workflow from run to run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str | None = None
    """The step to be performed or waited at; None when finished."""
    visits: dict[str, int] = Field(default_factory=dict)
    """How often each step that can come again was entered; a step that is not here, once."""
    loops: dict[str, int] = Field(default_factory=dict)
    """Completed rounds of the repetitions that the position lies in."""
    offset: int = 0
    """Visits are counted from here: above every visit that was decided before somebody or a migration moved the enrolment."""
    event_id: str | None = None
    """The event that woke the last path, for references to `event`."""
    finished: str | None = None
    """Why the journey ended; None while it runs."""

    @property
    def visit(self) -> int:
        """Which visit of its step this is, from 1."""
        return self.offset + self.visits.get(self.step, 1) if self.step else 0
