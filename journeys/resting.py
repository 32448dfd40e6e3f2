"""Whether anybody has to wait on the way from one step to the next: what tells a loop from one that runs without rest."""

from collections.abc import Iterator
from enum import Enum

from conditions import Condition
from conditions.logic import always
from journeys.flow import followers
from journeys.index import JourneyIndex
from journeys.model import ConditionPath, DateRef, MessagePath, Repeat, Step, Timeout, Until, Wait, WaitFor, WaitPath

COME_BY_THEMSELVES = frozenset({"sent", "delivered", "bounced", "rejected"})
"""Outcomes that a message has within moments, whatever the person does: who waits for them alone does not rest."""


class Rest(Enum):
    """How surely somebody rests on a way; the value of what is not sure says what they rest for."""

    NONE = "for nothing"
    DATE = "until dates that will be past"
    CONDITION = "for conditions that may hold already"
    OUTCOME = "for outcomes that messages have within moments"
    SURE = "for some time"


def ways(index: JourneyIndex, step: Step) -> Iterator[tuple[str, Rest]]:
    """The steps that can come right after a step, each with the rest on the way there."""
    match step:
        case Wait():
            rest = _of_wait(step)
            yield from ((target, rest) for target in followers(index, step))
        case WaitFor():
            ends = _ends_of_rounds(index, step)
            found = [(path.steps, _of_path(path, ends)) for path in step.paths]
            if step.timeout is not None:
                found.append((step.timeout.steps, _of_timeout(step.timeout)))
            for steps, rest in found:
                target = index.enter(steps, step.id)
                if target is not None:
                    yield target, rest
        case _:
            yield from ((target, Rest.NONE) for target in followers(index, step))


def at_once(index: JourneyIndex, step: Step) -> Iterator[str]:
    """The steps that come right after a step without anybody having waited."""
    return (target for target, rest in ways(index, step) if rest is Rest.NONE)


def perhaps_at_once(index: JourneyIndex, step: Step) -> Iterator[str]:
    """The steps that may come right after a step without anybody having waited."""
    return (target for target, rest in ways(index, step) if rest is not Rest.SURE)


def _of_wait(step: Wait) -> Rest:
    if step.until is not None:
        # There is a next anniversary, or no date and no way on.
        return Rest.SURE if _yearly(step.until) and step.if_past == "exit" else Rest.DATE
    longest = step.between[1] if step.between is not None else step.for_
    return Rest.SURE if step.at is not None or (longest is not None and longest.is_positive) else Rest.NONE


def _ends_of_rounds(index: JourneyIndex, step: Step) -> list[Condition]:
    """What ends the repetitions around a step."""
    around = [index.steps[parent] for parent in index.places[step.id].parents]
    return [each.until for each in around if isinstance(each, Repeat) and each.until is not None]


def _of_path(path: WaitPath, ends: list[Condition]) -> Rest:
    match path:
        case ConditionPath() if path.if_ in ends:
            return Rest.SURE  # nobody goes round again: it leads out
        case ConditionPath():
            return Rest.NONE if always(path.if_) else Rest.CONDITION
        case MessagePath() if path.status in COME_BY_THEMSELVES:
            return Rest.OUTCOME
        case _:
            return Rest.SURE


def _of_timeout(timeout: Timeout) -> Rest:
    if timeout.until is not None:
        return Rest.SURE if _yearly(timeout.until) else Rest.DATE
    return Rest.SURE if timeout.at is not None or (timeout.after is not None and timeout.after.is_positive) else Rest.NONE


def _yearly(until: Until) -> bool:
    return isinstance(until, DateRef) and until.yearly
