"""Random journeys that may be published: drawn so that most of each holds, and mended where something does not."""

import re
from collections.abc import Collection
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from journeys import check, parse_journey
from journeys.check import errors
from tests.journeys.asked import OF_ENTRY, OF_EVENT, OF_PROFILE, results
from tests.journeys.strategies import HEAD, Author, Json, frames

LEAST, MOST = 4, 8
REST: Json = {"type": "wait", "for": "P1D"}
_PART = re.compile(r'\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\["(.*?)"\]')


class SoundAuthor(Author):
    """Many steps, which lead to steps, messages and results that exist.

    Only where people are in a journey once at a time do steps let somebody in again: others would double with every round.
    """

    def __init__(self, draw: st.DrawFn, entry: Json, without: Collection[str] = ()) -> None:
        super().__init__(draw, without)
        if entry.get("reentry") not in (None, "never", "when-finished") or "key" in entry:
            self.events, self.journeys = ("E0", "Paid"), ("other",)
        self._by_event = not {"segment_entered", "schedule"} & entry.keys()
        self._woken = False
        self._jumps: list[tuple[Json, str]] = []

    def target(self, step: Json, field: str) -> None:
        """Where to is drawn when all steps are there."""
        self._jumps.append((step, field))

    def message(self) -> str:
        return self.draw(st.sampled_from(self.drawn.get("send", ["s0"])))

    def refs(self) -> list[str]:
        """Of results those of steps so far; of the event, inside the paths that one opens; of the entry, where one lets in."""
        known = [ref for ref in OF_ENTRY if self._by_event or ".properties." not in ref]
        return [
            *known,
            *OF_PROFILE,
            *(2 * OF_EVENT if self._woken else ()),
            *(2 * results(self.drawn.get("call", ())[-1:], self.drawn.get("waited", ())[-1:])),
        ]

    def way(self, at: int, depth: int) -> Json:
        woken = self._woken
        found = super().way(at, depth)
        self._woken = woken
        return found

    def heard(self, kind: str, at: int) -> Json:
        if kind == "message" and "send" not in self.drawn:
            kind = "named"
        found = super().heard(kind, at)
        self._woken = self._woken or kind in {"named", "event", "message"}
        return found

    def kinds(self, depth: int, *, last: bool) -> list[str]:
        """Nothing follows a goto or an exit in its list, and the way on is not cut at the top."""
        ends = last and depth > 0
        return [kind for kind in super().kinds(depth, last=last) if ends or kind not in {"goto", "exit"}]

    def tree(self) -> list[Json]:
        """All steps of a journey."""
        number = self.draw(st.integers(LEAST, MOST))
        found = [self.step(0, last=False) for _ in range(number)]
        for step, field in self._jumps:
            step[field] = self.draw(st.sampled_from(self.names))
        return found


def mended(definition: Json) -> Json:
    """Without what forbids publishing: a step that is never reached goes, any other that is wrong becomes a wait of a day."""
    while found := errors(check(parse_journey(definition))):
        _mend(definition, found[0].path, drop="is never reached" in found[0].message)
    return definition


def _mend(definition: Json, path: str, *, drop: bool) -> None:
    parts: list[Any] = [int(at) if at else name or key for name, at, key in _PART.findall(path)]
    holders: list[Any] = [definition]
    for part in parts[:-1]:
        holders.append(holders[-1][part])
    for at in range(len(parts) - 1, 0, -1):
        if isinstance(parts[at], int) and parts[at - 1] in {"steps", "otherwise", "on_failure"}:
            steps, number = holders[at], parts[at]
            steps[number : number + 1] = [] if drop else [{"id": steps[number]["id"], **REST}]
            return
    match parts:
        case ["entry", "schedule" | "event" | "segment_entered" | "segment", *_]:
            definition["entry"] = HEAD["entry"]
        case ["entry" | "exit_when" as field, part, *_]:
            del definition[field][part]
        case _:
            del definition[parts[0]]


@st.composite
def sound_definitions(draw: st.DrawFn, *, without: Collection[str] = ()) -> Json:
    """Journeys of many steps, with entry, exits and goal; `without` these kinds of step."""
    frame = {**HEAD, **frames(draw)}
    return mended({**frame, "steps": SoundAuthor(draw, frame["entry"], without).tree()})


def drawn(strategy: st.SearchStrategy[Json], start: int, number: int) -> list[Json]:
    """So many of them, the same for the same `start`; later ones resemble each other, those of other starts do not."""
    found: list[Json] = []

    @seed(start)
    @settings(
        max_examples=number + 1, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def keep(one: Json) -> None:
        found.append(one)

    keep()
    return found[1:]  # the first is the smallest that there is
