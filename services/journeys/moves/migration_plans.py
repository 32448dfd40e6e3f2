"""What a migration is to do, as it is asked for and kept: from which versions, to which, by which mapping, for whom."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from journeys import draw

Action = Literal["map", "stay", "exit"]


class CohortRule(BaseModel):
    """What happens to some of the people: to those for whom everything holds that the rule names. The first such rule counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[str, ...] | None = None
    """Who stands at one of these steps of their version."""
    share: int | None = Field(default=None, ge=0, le=100)
    """This percentage of them, always the same ones."""
    entered_before: AwareDatetime | None = None
    entered_after: AwareDatetime | None = None
    action: Action
    """`map`: goes to the other version, by the mapping; `stay`: stays in theirs; `exit`: ends."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.steps is None and self.share is None and self.entered_before is None and self.entered_after is None:
            raise ValueError("a cohort names nobody: give it steps, a share, entered_before or entered_after")
        return self

    def chooses(self, step: str | None, enrolment_id: UUID, entered_at: datetime) -> bool:
        """Whether it is for this person."""
        return (
            (self.steps is None or step in self.steps)
            and (self.entered_before is None or entered_at < self.entered_before)
            and (self.entered_after is None or entered_at >= self.entered_after)
            and (self.share is None or draw("migration", enrolment_id) * 100 < self.share)
        )


class MigrationRequest(BaseModel):
    """`from`: a version's hash or `all-older`, which is every earlier one; `to`: a hash or `current`.

    `mapping` leads from steps that people stand at to steps of the other version, or to `exit`. A step that is in both, of the
    same type, needs none. Everybody whom no rule of `cohorts` chooses is mapped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: str = Field(default="all-older", alias="from")
    to: str = "current"
    mapping: dict[str, str] = {}
    cohorts: tuple[CohortRule, ...] = ()


class MigrationPlan(BaseModel):
    """A request with its versions found: what the job works by."""

    model_config = ConfigDict(frozen=True)

    sources: tuple[str, ...]
    mapping: dict[str, str]
    cohorts: tuple[CohortRule, ...]

    def action(self, step: str | None, enrolment_id: UUID, entered_at: datetime) -> Action:
        """What happens to this person."""
        return next((rule.action for rule in self.cohorts if rule.chooses(step, enrolment_id, entered_at)), "map")
