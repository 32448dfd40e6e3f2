"""Findings inside single steps: paths that are never taken, weights, hold-outs, outcomes of messages, times and windows."""

from collections.abc import Iterable, Iterator

from conditions.model import All, AnyOf, Condition
from conditions.problems import Problem, did_you_mean
from journeys.flow import reachable
from journeys.index import JourneyIndex
from journeys.model import (
    Branch,
    Call,
    ConditionPath,
    DateRef,
    EmitEvent,
    EntryBySchedule,
    EventPath,
    Journey,
    MessagePath,
    OnCondition,
    ReentryAfter,
    SegmentEnteredPath,
    SegmentLeftPath,
    Send,
    Split,
    StartJourney,
    Wait,
    WaitFor,
    WaitPath,
)


def step_problems(journey: Journey) -> Iterator[Problem]:
    """Every finding of this kind."""
    index = journey.index
    yield from _not_yet(journey)
    for step_id, step in index.steps.items():
        path = index.places[step_id].path
        match step:
            case Wait():
                yield from _wait(path, step)
            case WaitFor():
                yield from _path_ids(path, (way.id for way in step.paths))
                yield from _wait_for(index, path, step)
            case Branch():
                yield from _path_ids(path, (choice.id for choice in step.paths))
                yield from _branch(path, step)
            case Split():
                yield from _path_ids(path, (share.id for share in step.paths))
                yield from _split(path, step)
            case Send():
                yield from _send(path, step)
            case _:
                pass
    if journey.goal is not None and journey.goal.within is not None and not journey.goal.within.is_positive:
        yield Problem(path="$.goal.within", message="leaves no time for the goal", remedy="write a positive duration")
    if journey.zone is not None:
        yield from _zone(journey.zone)


def _not_yet(journey: Journey) -> Iterator[Problem]:
    """What the services cannot carry out yet must not be published."""
    for step_id, step in journey.index.steps.items():
        path = journey.index.places[step_id].path
        if isinstance(step, Call | EmitEvent) or (isinstance(step, StartJourney) and (step.wait or step.properties is not None)):
            yield Problem(path=f"{path}.type", message=f"{step.type} is not carried out yet", remedy="leave it out")
        if isinstance(step, WaitFor):
            for position, way in enumerate(step.paths):
                if isinstance(way, SegmentEnteredPath | SegmentLeftPath | ConditionPath):
                    here = f"{path}.paths[{position}]"
                    yield Problem(path=here, message="only events and messages are waited for yet", remedy="leave it out")
    entry = journey.entry
    if isinstance(entry, EntryBySchedule):
        yield Problem(path="$.entry.schedule", message="schedules are not carried out yet", remedy="enter by a segment")
    if entry.only_if is not None or entry.caps is not None or isinstance(entry.reentry, ReentryAfter):
        yield Problem(path="$.entry", message="only_if, caps and windows are not kept yet", remedy="leave them out")
    for position, rule in enumerate(journey.exit_when):
        if isinstance(rule, OnCondition):
            yield Problem(path=f"$.exit_when[{position}]", message="conditions do not end it yet", remedy="name a trait")


def _path_ids(path: str, ids: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for position, path_id in enumerate(ids):
        if path_id in seen:
            message = f"the path id {path_id!r} is taken by an earlier path of this step"
            yield Problem(path=f"{path}.paths[{position}].id", message=message, remedy="give every path its own id")
        seen.add(path_id)


def _branch(path: str, step: Branch) -> Iterator[Problem]:
    earlier: list[tuple[str, Condition]] = []
    for position, choice in enumerate(step.paths):
        here = f"{path}.paths[{position}]"
        if choice.id == "otherwise":
            yield Problem(path=f"{here}.id", message="'otherwise' names the path of everybody else", remedy="choose another id")
        winner = next((path_id for path_id, condition in earlier if condition == choice.if_ or _always(condition)), None)
        if winner is not None:
            message = f"path {choice.id!r} is never taken: {winner!r} before it takes everybody who would"
            yield Problem(path=f"{here}.if", message=message, remedy="change the order or the condition", severity="warning")
        elif choice.if_ == AnyOf(any=()):
            message = f"path {choice.id!r} is never taken: an empty 'any' holds for nobody"
            yield Problem(path=f"{here}.if", message=message, remedy="say what must hold", severity="warning")
        earlier.append((choice.id, choice.if_))


def _always(condition: Condition) -> bool:
    return condition == All(all=())


def _split(path: str, step: Split) -> Iterator[Problem]:
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


def _wait_for(index: JourneyIndex, path: str, step: WaitFor) -> Iterator[Problem]:
    for position, way in enumerate(step.paths):
        here = f"{path}.paths[{position}]"
        if any(_same_trigger(way, before) for before in step.paths[:position]):
            message = f"path {way.id!r} is never taken: an earlier path waits for the same"
            yield Problem(path=here, message=message, remedy="remove it, or wait for something else", severity="warning")
        if isinstance(way, MessagePath):
            yield from _message(index, here, way, step)
    if step.since == "entry" and step.id in index.recurring:
        message = "in a loop, 'since': 'entry' finds the same event again in every round"
        yield Problem(path=f"{path}.since", message=message, remedy='write "since": "step"', severity="warning")
    timeout = step.timeout
    if timeout is not None and isinstance(timeout.until, DateRef) and timeout.until.default is None:
        message = f"whoever has no {timeout.until.ref} waits without end"
        remedy = 'add "default": {"after": "P30D"} beside the ref'
        yield Problem(path=f"{path}.timeout.until", message=message, remedy=remedy, severity="warning")


def _same_trigger(one: WaitPath, other: WaitPath) -> bool:
    if isinstance(one, EventPath) and isinstance(other, EventPath):
        return one.event == other.event and (one.where == other.where or other.where is None)
    if isinstance(one, MessagePath) and isinstance(other, MessagePath):
        return (one.message, one.status) == (other.message, other.status)
    return False


def _message(index: JourneyIndex, here: str, way: MessagePath, step: WaitFor) -> Iterator[Problem]:
    sends = [step_id for step_id, known in index.steps.items() if isinstance(known, Send)]
    if way.message not in sends:
        message = f"there is no send step {way.message!r}"
        yield Problem(path=f"{here}.message", message=message, remedy=did_you_mean(way.message, sends))
    elif step.id not in reachable(index, way.message):
        message = f"{way.message!r} is never sent before this step"
        yield Problem(path=f"{here}.message", message=message, remedy="send it earlier, or wait for another message")


def _wait(path: str, step: Wait) -> Iterator[Problem]:
    window = step.window
    if window is not None and step.at is not None and not window.from_ <= step.at < window.to:
        message = f"{step.at} never fits the window from {window.from_} to {window.to}, so it is never kept"
        yield Problem(
            path=f"{path}.at", message=message, remedy="move 'at' into the window, or drop one of them", severity="warning"
        )


def _send(path: str, step: Send) -> Iterator[Problem]:
    if len(set(step.channels)) < len(step.channels):
        yield Problem(path=f"{path}.channels", message="a channel is named twice", remedy="name each channel once")
    if step.fallback is not None and not step.fallback.within.is_positive:
        message = "leaves the first channel no time"
        yield Problem(path=f"{path}.fallback.within", message=message, remedy="write a positive duration")
    if step.fallback is not None and len(step.channels) == 1:
        message = "there is no second channel to fall back to"
        yield Problem(path=f"{path}.fallback", message=message, remedy="add a channel, or drop 'fallback'", severity="warning")


def _zone(zone: str) -> Iterator[Problem]:
    # Time zones are read from disk: not for whoever merely imports the core.
    from journeys.timing import find_zone  # noqa: PLC0415

    if find_zone(zone) is None:
        yield Problem(path="$.zone", message=f"{zone!r} is no time zone", remedy="use a name such as 'Europe/Berlin'")
