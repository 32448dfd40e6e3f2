"""`reis plan`: what applying a folder would change in the running system, and whom of the people under way it is about."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from authoring.checks import Checked, Names
from authoring.difference import FieldChange, StepChange, field_changes, journey_changes
from authoring.folder import Folder
from authoring.impact import Impact, impact_of
from authoring.kinds import COMPUTED, JOURNEY, KINDS, SEGMENT, TEMPLATE
from authoring.sent import Sent
from authoring.system import System, plain
from journeys.catalog import TemplateFacts


class Change(BaseModel):
    """What becomes of one definition."""

    model_config = ConfigDict(frozen=True)

    kind: str
    key: str
    status: Literal["new", "changed", "unchanged", "only on the server"]
    file: str | None = None
    fields: tuple[FieldChange, ...] = ()
    """Of a changed definition; of a journey without its steps."""
    steps: tuple[StepChange, ...] = ()
    """Of a changed journey."""
    impact: Impact | None = None
    """Of a changed journey on those under way."""
    state: str | None = None
    """Of a journey on the server, unless people enter it as usual: paused, draining, archived."""


class Plan(BaseModel):
    """Everything, in the order in which it is applied."""

    model_config = ConfigDict(frozen=True)

    changes: tuple[Change, ...]

    def of(self, status: str) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.status == status)

    @property
    def is_empty(self) -> bool:
        """Whether applying does nothing."""
        return not self.of("new") and not self.of("changed")


Running = Mapping[str, Mapping[str, dict[str, Any]]]
"""Kind's name to key to definition."""


async def running(system: System) -> Running:
    """All definitions of the running system."""
    return {kind.name: await system.definitions(kind) for kind in KINDS}


def names_of(known: Running, templates: Mapping[str, TemplateFacts], sent: Sent | None = None) -> Names:
    """The names that the running system has, for the check of a folder that refers to them."""
    return Names(
        segments=frozenset(known[SEGMENT.name]),
        templates={key: templates.get(key, TemplateFacts()) for key in known[TEMPLATE.name]},
        journeys=frozenset(known[JOURNEY.name]),
        computed=frozenset(known[COMPUTED.name]),
        sent=sent,
    )


async def plan_for(system: System, folder: Folder, known: Running, checked: Checked) -> Plan:
    """Compares every definition of the folder with the running system's."""
    changes: list[Change] = []
    states = await system.journey_states()
    for kind in KINDS:
        here, there = folder.of(kind), known[kind.name]
        for key, definition in here.items():
            body = plain(kind, definition.body)
            given: dict[str, Any] = {"kind": kind.name, "key": key, "file": str(definition.path)}
            if kind is JOURNEY and states.get(key) not in (None, "published"):
                given["state"] = states[key]
            if key not in there:
                changes.append(Change(status="new", **given))
            elif there[key] == body:
                changes.append(Change(status="unchanged", **given))
            elif kind is JOURNEY:
                fields, steps = journey_changes(there[key], body)
                impact = None if checked.refused(definition) else await impact_of(system, key, steps)
                changes.append(Change(status="changed", fields=fields, steps=steps, impact=impact, **given))
            else:
                changes.append(Change(status="changed", fields=tuple(field_changes(there[key], body)), **given))
        changes += [
            Change(kind=kind.name, key=key, status="only on the server") for key in sorted(there.keys() - folder.keys(kind))
        ]
    return Plan(changes=tuple(changes))
