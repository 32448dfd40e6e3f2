"""A journey's steps by id: where each stands, what follows it, and which can come again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from journeys.model import Branch, Call, Journey, Repeat, Split, Step, WaitFor


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands."""

    path: str
    """JSON path of the step in the definition."""
    parents: tuple[str, ...]
    """Ids of the steps that contain it, outermost first."""
    successor: str | None
    """The step that follows in its list or, at the list's end, where the flow rejoins: in a repetition, the repetition itself."""


@dataclass(frozen=True, slots=True)
class JourneyIndex:
    """Built by `Journey.index`; where an id is taken twice, the first counts."""

    steps: Mapping[str, Step]
    places: Mapping[str, Place]
    first: str | None
    """Where a new enrolment begins; None in a journey without steps."""
    recurring: frozenset[str]
    """Steps that one enrolment can enter more than once."""
    duplicates: tuple[tuple[str, str], ...]
    """(id, JSON path) of steps whose id was taken."""
    rounds: Mapping[str, tuple[str, ...]]
    """The repetitions that a step lies in, outermost first; of a repetition, itself too."""

    @classmethod
    def of(cls, journey: Journey) -> "JourneyIndex":
        """Walks the definition once."""
        steps: dict[str, Step] = {}
        places: dict[str, Place] = {}
        duplicates: list[tuple[str, str]] = []

        def walk(listed: tuple[Step, ...], path: str, parents: tuple[str, ...], rejoin: str | None) -> None:
            for position, step in enumerate(listed):
                successor = listed[position + 1].id if position + 1 < len(listed) else rejoin
                here = f"{path}[{position}]"
                if step.id in steps:
                    duplicates.append((step.id, here))
                else:
                    steps[step.id], places[step.id] = step, Place(here, parents, successor)
                for where, inner in lists(step):
                    walk(inner, here + where, (*parents, step.id), step.id if isinstance(step, Repeat) else successor)

        walk(journey.steps, "$.steps", (), None)
        first = journey.steps[0].id if journey.steps else None
        rounds = {
            name: tuple(each for each in (*place.parents, name) if isinstance(steps[each], Repeat))
            for name, place in places.items()
        }
        index = cls(MappingProxyType(steps), MappingProxyType(places), first, frozenset(), tuple(duplicates), rounds)
        return replace(index, recurring=_recurring(index))

    def enter(self, steps: tuple[Step, ...], container: str) -> str | None:
        """The first of a container's listed steps, or where the flow rejoins when the list is empty."""
        if steps:
            return steps[0].id
        return container if isinstance(self.steps[container], Repeat) else self.places[container].successor


def lists(step: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The lists of steps inside a step, each with its JSON path relative to the step."""
    match step:
        case WaitFor():
            for position, path in enumerate(step.paths):
                yield f".paths[{position}].steps", path.steps
            if step.timeout is not None:
                yield ".timeout.steps", step.timeout.steps
        case Branch():
            for position, choice in enumerate(step.paths):
                yield f".paths[{position}].steps", choice.steps
            yield ".otherwise", step.otherwise
        case Split():
            for position, share in enumerate(step.paths):
                yield f".paths[{position}].steps", share.steps
        case Repeat():
            yield ".steps", step.steps
        case Call():
            yield ".on_failure", step.on_failure
        case _:
            return


def _recurring(index: JourneyIndex) -> frozenset[str]:
    from journeys.flow import cycles  # noqa: PLC0415  the flow is drawn from the index

    return frozenset(step for cycle in cycles(index) for step in cycle)
