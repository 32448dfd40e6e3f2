"""Journeys that wait for another: the entry names whoever waits, who then hears how the other ended, or why it never began."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.journeys.steps.results import Answer

PARENT = "parent"
"""Where an entry names the step that waits: beside what references see of it."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The step of another enrolment that waits for this one's end."""

    enrolment_id: UUID
    step: str
    visit: int

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Parent | None:
        """Whom an entry names; None where nobody waits."""
        found = entry.get(PARENT)
        return None if found is None else cls(UUID(found[0]), found[1], found[2])

    def named(self) -> list[Any]:
        """In the form that an entry holds."""
        return [str(self.enrolment_id), self.step, self.visit]

    def heard(self, event_id: str, reason: str, *, goal_reached: bool, at: datetime) -> Answer:
        """What it hears: how the other ended, or why it never began."""
        body = {"reason": reason, "goal_reached": goal_reached}
        return Answer(self.enrolment_id, self.step, self.visit, "ended", event_id, body, at)


def refused(entries: Iterable[tuple[dict[str, Any], str]], at: datetime) -> list[Answer]:
    """For those (entry, reason) that were refused: whoever waits for them waits no more."""
    return [
        parent.heard(str(entry["id"]), f"refused: {reason}", goal_reached=False, at=at)
        for entry, reason in entries
        if (parent := Parent.of(entry)) is not None
    ]
