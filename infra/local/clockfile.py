"""The clock of a local system, which goes on where it stopped: virtual time never runs backwards in a data folder."""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from infra.clock import Clock
from infra.local.folder import replace


class ClockState(BaseModel):
    """The last virtual instant that was seen, UTC."""

    model_config = ConfigDict(frozen=True)

    virtual: AwareDatetime


def continued(path: Path, *, factor: float, start: datetime | None, real_now: datetime) -> Clock:
    """A clock that starts now at `start`, or else at the later of the real time and the last virtual one in `path`."""
    last = ClockState.model_validate_json(path.read_text()).virtual if path.exists() else real_now
    return Clock(factor=factor, real_anchor=real_now, virtual_anchor=start or max(real_now, last))


def keep(path: Path, clock: Clock) -> None:
    """Writes where `clock` stands."""
    replace(path, ClockState(virtual=clock.now()).model_dump_json())


def clock_env(clock: Clock) -> dict[str, str]:
    """The settings that give a process this clock."""
    return {
        "REIS_CLOCK_FACTOR": repr(clock.factor),
        "REIS_CLOCK_REAL_ANCHOR": clock.real_anchor.isoformat(),
        "REIS_CLOCK_VIRTUAL_ANCHOR": clock.virtual_anchor.isoformat(),
    }
