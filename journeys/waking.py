"""What `event` can be at a step: what has woken the journey on every way there, if anything."""

from dataclasses import dataclass

from journeys.flow import reachable
from journeys.index import JourneyIndex
from journeys.model import EventPath, MessagePath, WaitFor, WaitPath


@dataclass(frozen=True, slots=True)
class Waking:
    """The steps that can be reached after some path of a `wait_for` was taken."""

    woken: frozenset[str]
    told: frozenset[str]
    """Those that can be reached after an event or an outcome of a message: what else wakes a journey brings no properties."""

    @classmethod
    def of(cls, index: JourneyIndex) -> "Waking":
        ways = [(step.id, way) for step in index.steps.values() if isinstance(step, WaitFor) for way in step.paths]
        return cls(_behind(index, ways), _behind(index, [each for each in ways if isinstance(each[1], EventPath | MessagePath)]))

    def lack(self, step: str | None, part: str) -> str | None:
        """Why this part of `event` (such as `properties`) has no value at a step; None where it may have one."""
        if step not in self.woken:
            return "no event can have woken the journey before this step"
        if part == "properties" and step not in self.told:
            return "what can have woken the journey before this step, a segment or a condition, brings no properties"
        return None


def _behind(index: JourneyIndex, ways: list[tuple[str, WaitPath]]) -> frozenset[str]:
    return frozenset(step for at, way in ways for step in reachable(index, index.enter(way.steps, at)))
