"""Whom a changed journey is about: how many people are under way at which step, and what becomes of those steps."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from authoring.difference import StepChange
from authoring.system import System


class Parked(BaseModel):
    """People who are at a step now, and whether it stays, changes, moves or vanishes."""

    model_config = ConfigDict(frozen=True)

    step: str
    people: int
    fate: Literal["stays", "changed", "moved", "removed"]


class Impact(BaseModel):
    """People under way keep their version until they are migrated."""

    model_config = ConfigDict(frozen=True)

    under_way: int
    parked: tuple[Parked, ...]


async def impact_of(system: System, key: str, steps: Sequence[StepChange]) -> Impact:
    """Asks the journeys service who is where."""
    client = system.client("journeys")
    stats = await client.get_json(f"/v1/journeys/{key}/stats")
    fates = {change.step: change.kind for change in steps if change.kind != "added"}
    parked = tuple(
        Parked(step=each["step"], people=each["waiting_now"], fate=_fate(fates.get(each["step"])))
        for each in stats["steps"]
        if each.get("waiting_now")
    )
    return Impact(under_way=stats["running"], parked=parked)


def _fate(kind: str | None) -> Literal["stays", "changed", "moved", "removed"]:
    match kind:
        case "changed" | "moved" | "removed":
            return kind
        case _:
            return "stays"
