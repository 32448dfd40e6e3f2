"""The flow graph of a journey: which step can follow which, and the cycles in it."""

from collections.abc import Callable, Iterator
from typing import assert_never

from journeys.index import JourneyIndex
from journeys.model import (
    Branch,
    Call,
    EmitEvent,
    Exit,
    GoTo,
    Jump,
    Repeat,
    Send,
    Split,
    StartJourney,
    Step,
    UpdateProfile,
    Wait,
    WaitFor,
)


def followers(index: JourneyIndex, step: Step) -> Iterator[str]:
    """The steps that can come right after a step (the end of the journey and unknown targets left out)."""
    return (target for target in _followers(index, step) if target is not None and target in index.steps)


def _followers(index: JourneyIndex, step: Step) -> Iterator[str | None]:
    after = index.places[step.id].successor
    match step:
        case Send() | UpdateProfile() | EmitEvent() | StartJourney():
            yield after
        case Call():
            yield after
            yield index.enter(step.on_failure, step.id)
        case Wait():
            if isinstance(step.if_past, GoTo):
                yield step.if_past.goto
            yield after
        case WaitFor():
            for path in step.paths:
                yield index.enter(path.steps, step.id)
            if step.timeout is not None:
                yield index.enter(step.timeout.steps, step.id)
        case Branch():
            for choice in step.paths:
                yield index.enter(choice.steps, step.id)
            yield index.enter(step.otherwise, step.id)
        case Split():
            for share in step.paths:
                yield index.enter(share.steps, step.id)
        case Repeat():
            yield index.enter(step.steps, step.id)
            yield after
        case Jump():
            yield step.goto
        case Exit():
            return
        case _:
            assert_never(step)


def reachable(index: JourneyIndex, start: str | None) -> frozenset[str]:
    """Every step that can be reached from this one, itself included."""
    seen: set[str] = set()
    todo = [start] if start is not None else []
    while todo:
        step = todo.pop()
        if step not in seen and step in index.steps:
            seen.add(step)
            todo.extend(followers(index, index.steps[step]))
    return frozenset(seen)


def cycles(index: JourneyIndex, follow: Callable[[JourneyIndex, Step], Iterator[str]] | None = None) -> list[tuple[str, ...]]:
    """The groups of steps among which one can go round for ever (strongly connected components).

    `follow` answers the steps that come right after one; all that can, where left out.
    """
    following = follow or followers
    graph = {name: [target for target in following(index, step) if target in index.steps] for name, step in index.steps.items()}
    groups = _components(graph)
    return [group for group in groups if len(group) > 1 or group[0] in graph[group[0]]]


def _components(graph: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """Kosaraju's algorithm without recursion; groups and their members in the order of the definition."""
    order: list[str] = []
    seen: set[str] = set()
    for root in graph:
        todo: list[tuple[str, bool]] = [(root, False)]
        while todo:
            node, done = todo.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo.append((node, True))
                todo.extend((target, False) for target in graph[node] if target not in seen)
    back: dict[str, list[str]] = {node: [] for node in graph}
    for node, targets in graph.items():
        for target in targets:
            back[target].append(node)
    rank = {node: position for position, node in enumerate(graph)}
    groups: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for root in reversed(order):
        if root in taken:
            continue
        group, todo_back = [], [root]
        taken.add(root)
        while todo_back:
            node = todo_back.pop()
            group.append(node)
            for source in back[node]:
                if source not in taken:
                    taken.add(source)
                    todo_back.append(source)
        groups.append(tuple(sorted(group, key=rank.__getitem__)))
    return sorted(groups, key=lambda group: rank[group[0]])
