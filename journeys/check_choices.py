"""Findings in branches, splits and repetitions: paths that are never taken, weights, hold-outs, rounds that never run."""

from collections.abc import Iterable, Iterator

from conditions.logic import always, implies, never, opposite
from conditions.model import Condition
from conditions.problems import Problem
from journeys.index import JourneyIndex, lists
from journeys.model import Branch, BranchPath, Exit, Journey, Jump, Repeat, Split, Step


def path_ids(path: str, ids: Iterable[str], reserved: str = "") -> Iterator[Problem]:
    """Path ids that are taken, or mean something else."""
    seen: set[str] = set()
    for position, path_id in enumerate(ids):
        here = f"{path}.paths[{position}].id"
        if path_id in seen:
            message = f"the path id {path_id!r} is taken by an earlier path of this step"
            yield Problem(path=here, message=message, remedy="give every path its own id")
        if path_id == reserved:
            who = "everybody else" if reserved == "otherwise" else "those whose time is over"
            yield Problem(path=here, message=f"{reserved!r} names the path of {who}", remedy="choose another id")
        seen.add(path_id)


def branch_problems(path: str, step: Branch) -> Iterator[Problem]:
    """Findings in a `branch`."""
    earlier: list[tuple[str, Condition]] = []
    for position, choice in enumerate(step.paths):
        here = f"{path}.paths[{position}].if"
        winner = _winner(choice.if_, earlier)
        if (reason := never(choice.if_)) is not None:
            message = f"path {choice.id!r} is never taken: {reason}"
            yield Problem(path=here, message=message, remedy="say what can hold, or remove the path", severity="warning")
        elif winner is not None:
            message = f"path {choice.id!r} is never taken: {winner} before it takes everybody who would"
            yield Problem(path=here, message=message, remedy="change the order or the condition", severity="warning")
        earlier.append((choice.id, choice.if_))
    if step.otherwise and (winner := _takes_all(earlier)) is not None:
        message = f"is never taken: {winner} before it takes everybody"
        yield Problem(path=f"{path}.otherwise", message=message, remedy="remove these steps", severity="warning")


def _winner(condition: Condition, earlier: list[tuple[str, Condition]]) -> str | None:
    one = next((repr(path_id) for path_id, before in earlier if implies(condition, before)), None)
    return one or _takes_all(earlier)


def _takes_all(earlier: list[tuple[str, Condition]]) -> str | None:
    for position, (path_id, condition) in enumerate(earlier):
        if always(condition):
            return repr(path_id)
        for other_id, before in earlier[:position]:
            if opposite(condition, before):
                return f"{other_id!r} or {path_id!r}"
    return None


def split_problems(path: str, step: Split) -> Iterator[Problem]:
    """Findings in a `split`."""
    total = sum(share.weight for share in step.paths)
    if total == 0:
        yield Problem(path=f"{path}.paths", message="all weights are 0", remedy="give at least one path a weight")
    elif total != 100:
        shares = ", ".join(f"{share.id} {100 * share.weight / total:.3g} %" for share in step.paths)
        message = f"the weights add up to {total}, so the shares are {shares}"
        yield Problem(path=f"{path}.paths", message=message, remedy="let the weights add up to 100", severity="warning")
    for position, share in enumerate(step.paths):
        here = f"{path}.paths[{position}]"
        if share.hold_out and share.steps:
            message = f"path {share.id!r} is a hold-out and yet has steps"
            yield Problem(path=f"{here}.steps", message=message, remedy="empty its steps, or drop 'hold_out'")
        if total and share.weight == 0:
            message = f"path {share.id!r} is never taken: its weight is 0"
            yield Problem(path=f"{here}.weight", message=message, remedy="give it a weight, or remove it", severity="warning")


def experiment_problems(journey: Journey) -> Iterator[Problem]:
    """Splits that share an experiment's name and divide people differently."""
    known: dict[str, tuple[str, tuple[tuple[str, int], ...]]] = {}
    for step_id, step in journey.index.steps.items():
        if isinstance(step, Split) and step.experiment is not None:
            shares = tuple((share.id, share.weight) for share in step.paths)
            first, as_there = known.setdefault(step.experiment, (step_id, shares))
            if shares != as_there:
                message = f"the experiment {step.experiment!r} has other paths or weights in {first!r}"
                remedy = "give both the same paths and weights, or this one another name"
                yield Problem(path=f"{journey.index.places[step_id].path}.experiment", message=message, remedy=remedy)


def repeat_problems(index: JourneyIndex, path: str, step: Repeat) -> Iterator[Problem]:
    """Findings in a `repeat`."""
    if step.until is None:
        return
    if always(step.until):
        message, remedy = "always holds, so that no round ever runs", "say when to stop, or remove the repetition"
        yield Problem(path=f"{path}.until", message=message, remedy=remedy, severity="warning")
        return
    known = _known_on_arrival(index, step)
    if known is not None and implies(known.if_, step.until):
        message = f"holds for everybody who comes by path {known.id!r}, so that no round ever runs"
        yield Problem(path=f"{path}.until", message=message, remedy="change one of the conditions", severity="warning")
    reason = never(step.until)
    if reason is not None and step.max is None and not any(isinstance(inner, Exit | Jump) for inner in _inside(step)):
        message = f"never holds ({reason}), so that the repetition never ends"
        yield Problem(path=f"{path}.until", message=message, remedy="add 'max', or say when to stop", severity="warning")


def _known_on_arrival(index: JourneyIndex, step: Step) -> BranchPath | None:
    """The branch path whose first step this is: its condition has just been found to hold."""
    parents = index.places[step.id].parents
    parent = index.steps[parents[-1]] if parents else None
    if not isinstance(parent, Branch):
        return None
    return next((choice for choice in parent.paths if choice.steps and choice.steps[0] is step), None)


def _inside(step: Step) -> Iterator[Step]:
    for _, steps in lists(step):
        for inner in steps:
            yield inner
            yield from _inside(inner)
