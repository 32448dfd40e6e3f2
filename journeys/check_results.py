"""Findings about `results.STEP.…`: whether that step has a result, of this kind, and comes before."""

from collections.abc import Iterator

from conditions.problems import Problem, did_you_mean
from journeys.flow import reachable
from journeys.index import JourneyIndex
from journeys.mentions import Mention
from journeys.model import Call, StartJourney, Step

_OF_CALL = ("status", "headers", "body", "error")
_OF_JOURNEY = ("reason", "goal_reached")


def result_problems(index: JourneyIndex, mention: Mention, step_id: str, part: str) -> Iterator[Problem]:
    """Findings about one reference to a result, for the place where it stands."""
    ref = f"results.{step_id}.{part}"
    step = index.steps.get(step_id)
    if mention.scope != "step":
        message = f"{ref} is not known yet: this is asked or fixed on entry"
        yield Problem(path=mention.path, message=message, remedy="refer to entry.… or profile.…")
    elif step is None:
        message = f"{ref} leads nowhere: there is no step {step_id!r}"
        yield Problem(path=mention.path, message=message, remedy=did_you_mean(step_id, _with_results(index)))
    elif not (parts := _parts(step)):
        message = f"{ref} leads nowhere: step {step_id!r} is no call, and no start_journey that waits"
        remedy = 'add "wait": true to it' if isinstance(step, StartJourney) else did_you_mean(step_id, _with_results(index))
        yield Problem(path=mention.path, message=message, remedy=remedy)
    elif part not in parts:
        message = f"{ref} leads nowhere: step {step_id!r} is a {step.type}"
        yield Problem(path=mention.path, message=message, remedy=f"it has {', '.join(parts)}")
    elif mention.step is not None and (
        mention.step not in reachable(index, step_id) or _only_itself(index, mention.step, step_id)
    ):
        message = f"{ref} is not known yet: step {step_id!r} does not come before"
        yield Problem(path=mention.path, message=message, remedy="move that step before this one")


def _only_itself(index: JourneyIndex, here: str, step_id: str) -> bool:
    """A step's own result is known to it in a later round only."""
    return here == step_id and here not in index.recurring


def _parts(step: Step) -> tuple[str, ...]:
    match step:
        case Call():
            return _OF_CALL
        case StartJourney(wait=True):
            return _OF_JOURNEY
        case _:
            return ()


def _with_results(index: JourneyIndex) -> list[str]:
    return [step_id for step_id, step in index.steps.items() if _parts(step)]
