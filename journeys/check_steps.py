"""Findings inside single steps, by their kind."""

from collections.abc import Iterator

from conditions.problems import Problem
from journeys.catalog import Catalog
from journeys.check_actions import call_problems, send_problems, update_problems
from journeys.check_choices import branch_problems, path_ids, repeat_problems, split_problems
from journeys.check_waits import wait_for_problems, wait_problems
from journeys.model import (
    Branch,
    Call,
    Journey,
    Repeat,
    Send,
    Split,
    UpdateProfile,
    Wait,
    WaitFor,
)


def step_problems(journey: Journey, catalog: Catalog) -> Iterator[Problem]:
    """Every finding of this kind."""
    index = journey.index
    ends = bool(journey.exit_when) or (journey.goal is not None and journey.goal.on_reached == "exit")
    for step_id, step in index.steps.items():
        path = index.places[step_id].path
        match step:
            case Wait():
                yield from wait_problems(path, step)
            case WaitFor():
                yield from path_ids(path, (way.id for way in step.paths), reserved="timeout")
                yield from wait_for_problems(index, path, step, ends=ends)
            case Branch():
                yield from path_ids(path, (choice.id for choice in step.paths), reserved="otherwise")
                yield from branch_problems(path, step)
            case Split():
                yield from path_ids(path, (share.id for share in step.paths))
                yield from split_problems(path, step)
            case Repeat():
                yield from repeat_problems(index, path, step)
            case Send():
                yield from send_problems(path, step)
            case UpdateProfile():
                yield from update_problems(path, step)
            case Call():
                yield from call_problems(path, step, catalog)
            case _:
                pass
