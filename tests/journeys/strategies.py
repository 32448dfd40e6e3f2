"""Random journeys of every kind of step, entry and exit, from few names so that they meet."""

from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st

from tests.conditions.strategies import filters
from tests.journeys.asked import DATES, OF_ENTRY, OF_EVENT, OF_PROFILE, asked, results, sifted

Json = dict[str, Any]

days = st.sampled_from(["PT0S", "PT1H", "P1D", "P1M", "P1Y2M3DT4H", "P8W"])
clocks = st.sampled_from(["00:00", "02:30", "09:00", "23:59"])
days_to_come = st.sampled_from(["2026-05-01", "2026-05-01T09:00", "2026-05-02T09:00:00Z"])
windows = st.fixed_dictionaries({}, optional={"from": clocks, "to": clocks | st.just("24:00"), "days": st.just(["mon", "sat"])})
_schedules = st.builds(
    lambda rule, at: {"schedule": {"rrule": rule, "starts": "2026-01-01", "at": at}, "segment": "vip"},
    st.sampled_from(["FREQ=WEEKLY;BYDAY=TU", "FREQ=DAYLY", "FREQ=YEARLY;COUNT=1"]),
    clocks,
)
entries: st.SearchStrategy[Json] = st.builds(
    lambda kind, more: {**kind, **more},
    st.sampled_from([{"event": "Order"}, {"segment_entered": "vip"}, {"api": True}])
    | filters.map(lambda where: {"event": "Order", "where": where})
    | _schedules,
    st.fixed_dictionaries(
        {},
        optional={
            "key": st.sampled_from(["event.properties.id", "profile.traits.dog.id"]),
            "reentry": st.sampled_from(["never", "when-finished", "always", {"after": "P1D"}, {"after": "P1M", "since": "end"}]),
            "only_if": asked([*OF_ENTRY, *OF_EVENT, *OF_PROFILE]),
            "caps": st.fixed_dictionaries({}, optional={"per_hour": st.integers(1, 9), "in_all": st.integers(1, 9)}),
        },
    ),
)
"""JSON of entries."""
_HEARD_ALL_ALONG = [*OF_ENTRY, *OF_PROFILE]
_exits: dict[str, st.SearchStrategy[Json]] = {
    "event": st.just({"event": "Order"}),
    "sifted": sifted(_HEARD_ALL_ALONG).map(lambda where: {"event": "Paid", "where": where}),
    "trait": st.just({"trait": "dog.alive", "eq": False}),
    "entered": st.just({"segment_entered": "vip"}),
    "left": st.just({"segment_left": "vip"}),
    "if": asked(_HEARD_ALL_ALONG).map(lambda found: {"if": found}),
}
exits = st.sampled_from(sorted(_exits)).flatmap(_exits.__getitem__)
"""JSON of what ends a journey."""


SIMPLE = ("send", "wait", "random", "until", "update", "emit", "start", "exit", "goto")
NESTING = ("wait_for", "branch", "split", "repeat", "repeat", "call")


class Author:
    """Draws the steps of one journey. This one's lead anywhere: to steps, messages and results that exist or do not."""

    deepest = 3
    most = 3
    events: tuple[str, ...] = ("Order", "E0")
    journeys: tuple[str, ...] = ("small", "other")

    def __init__(self, draw: st.DrawFn, without: Collection[str] = ()) -> None:
        self.draw = draw
        self.names: list[str] = []
        self.drawn: dict[str, list[str]] = {}
        """Kind to the ids of the steps so far; `waited`: journeys that are started and waited for."""
        self._without = without

    def target(self, step: Json, field: str) -> None:
        """Lets `step` go somewhere."""
        step[field] = f"s{self.draw(st.integers(0, 9))}"

    def message(self) -> str:
        """The id of a step whose message is waited for."""
        return f"s{self.draw(st.integers(0, 9))}"

    def refs(self) -> list[str]:
        """What may be referred to."""
        return [*OF_ENTRY, *OF_EVENT, *OF_PROFILE, *results(["s1"], ["s2"])]

    def kinds(self, depth: int, *, last: bool) -> list[str]:
        """What may come now; `last` in its list or not."""
        known = (*SIMPLE, *NESTING) if depth < self.deepest else SIMPLE
        return [kind for kind in known if kind not in self._without]

    def some(self, **optional: st.SearchStrategy[Any]) -> Json:
        return self.draw(st.fixed_dictionaries({}, optional=optional))

    def reference(self) -> Json:
        return {"ref": self.draw(st.sampled_from(self.refs()))}

    def condition(self) -> Json:
        return self.draw(asked(self.refs()))

    def where(self) -> Json:
        return self.draw(sifted(self.refs()))

    def date(self) -> Any:
        if self.draw(st.booleans()):
            return self.draw(days_to_come)
        dates = [ref for ref in self.refs() if ref.endswith(DATES)]
        more = self.some(default=st.just({"after": "P30D"}), yearly=st.booleans())
        return {"ref": self.draw(st.sampled_from(dates)), **more}

    def value(self) -> Any:
        return self.reference() if self.draw(st.booleans()) else self.draw(st.none() | st.integers(0, 3) | st.just("{{ x }}"))

    def properties(self) -> Json:
        return {each: self.value() for each in self.draw(st.lists(st.sampled_from(["a", "b c"]), unique=True))}

    def maybe(self, **fields: Any) -> Json:
        """Some of the fields, each the answer of a function."""
        return {name: make() for name, make in fields.items() if self.draw(st.booleans())}

    def steps(self, depth: int, least: int = 0) -> list[Json]:
        number = self.draw(st.integers(least, self.most))
        return [self.step(depth, last=at == number - 1) for at in range(number)]

    def way(self, at: int, depth: int) -> Json:
        kind = self.draw(st.sampled_from(["named", "event", "message", "segment_entered", "segment_left", "if"]))
        return {"id": f"p{at}", **self.heard(kind, at), "steps": self.steps(depth)}

    def heard(self, kind: str, at: int) -> Json:
        """What opens a path."""
        match kind:
            case "named":
                return {"event": f"E{at}"}
            case "event":
                return {"event": "Order", "where": self.where()}
            case "message":
                return {"message": self.message(), "status": "clicked"}
            case "if":
                return {"if": self.condition()}
            case _:
                return {kind: "vip"}

    def step(self, depth: int, *, last: bool) -> Json:
        kind = self.draw(st.sampled_from(self.kinds(depth, last=last)))
        name = f"s{len(self.names)}"
        self.names.append(name)
        found = self._simple(kind) if kind in SIMPLE else self._nesting(kind, depth + 1)
        found["id"] = name
        self.drawn.setdefault("waited" if kind == "start" and found.get("wait") else kind, []).append(name)
        return found

    def _simple(self, kind: str) -> Json:
        match kind:
            case "send":
                fallback = {} if "fallback" in self._without else {"fallback": {"unless": "delivered", "within": "PT1H"}}
                channels = self.draw(st.sampled_from([["email"], ["whatsapp", "sms"]]))
                more = self.maybe(valid_until=self.date) | self.some(purpose=st.just("transactional"))
                more |= fallback if self.draw(st.booleans()) else {}
                return {"type": "send", "template": "hello", "channels": channels, **more}
            case "wait":
                return {"type": "wait", "for": self.draw(days), **self.some(at=clocks, window=windows, late_by=days)}
            case "random":
                return {"type": "wait", "between": ["PT1H", self.draw(st.sampled_from(["PT1H", "P1D", "P1M"]))]}
            case "until":
                more = self.some(offset=days | st.just("-P1D"), at=clocks, window=windows)
                policy: Any = self.draw(st.sampled_from(["continue", "exit", "goto"]))
                if policy == "goto":
                    policy = {}
                    self.target(policy, "goto")
                return {"type": "wait", "until": self.date(), "if_past": policy, **more}
            case "update":
                return {"type": "update_profile", "set": {"x": self.value()}}
            case "emit":
                return {
                    "type": "emit_event",
                    "event": self.draw(st.sampled_from(self.events)),
                    **self.maybe(properties=self.properties),
                }
            case "start":
                journey = self.draw(st.sampled_from(self.journeys))
                more = self.some(wait=st.booleans()) | self.maybe(properties=self.properties)
                return {"type": "start_journey", "journey": journey, **more}
            case "exit":
                return {"type": "exit", **self.some(reason=st.just("enough"))}
            case _:
                jump: Json = {"type": "goto"}
                self.target(jump, "goto")
                return jump

    def _nesting(self, kind: str, depth: int) -> Json:
        match kind:
            case "wait_for":
                paths = [self.way(at, depth) for at in range(self.draw(st.integers(1, 3)))]
                found = {"type": "wait_for", "paths": paths, **self.some(since=st.sampled_from(["entry", "step"]))}
                if self.draw(st.booleans()):
                    ends = self.draw(st.sampled_from([{"after": "P1D"}, {"after": "PT0S"}, {"offset": "PT3H"}]))
                    until = {"until": self.date()} if "offset" in ends else {}
                    found["timeout"] = {**ends, **until, "steps": self.steps(depth)}
                return found
            case "branch":
                choices = range(self.draw(st.integers(1, 2)))
                paths = [{"id": f"p{at}", "if": self.condition(), "steps": self.steps(depth)} for at in choices]
                return {"type": "branch", "paths": paths, "otherwise": self.steps(depth)}
            case "split":
                shares: list[Json] = [{"id": f"w{at}", "weight": 50, "steps": self.steps(depth)} for at in range(2)]
                if self.draw(st.booleans()):
                    shares.append({"id": "none", "weight": 20, "hold_out": True})
                return {"type": "split", "paths": shares, **self.some(experiment=st.just("price"))}
            case "call":
                more = self.some(
                    method=st.sampled_from(["GET", "POST"]),
                    headers=st.just({"X-Key": "{{ secrets.KEY }}"}),
                    timeout=st.just("PT5S"),
                    retry=st.just({"attempts": 2}),
                )
                body = self.maybe(body=lambda: self.value() if self.draw(st.booleans()) else self.properties())
                return {"type": "call", "url": "https://x.example", **more, **body, "on_failure": self.steps(depth)}
            case _:
                limits: Json = {"max": self.draw(st.integers(1, 3))} if self.draw(st.integers(0, 3)) else {}
                if not limits or self.draw(st.booleans()):
                    limits["until"] = self.condition()
                return {"type": "repeat", **limits, "steps": self.steps(depth, least=1)}


def frames(draw: st.DrawFn) -> Json:
    """Entry, exits, goal and zone."""
    goal = st.sampled_from([{"event": "Paid"}, {"event": "Paid", "within": "P14D", "on_reached": "exit"}])
    zone = st.sampled_from(["Europe/Berlin", "Mars/Olympus"])
    more = st.fixed_dictionaries({}, optional={"exit_when": st.lists(exits, max_size=2), "goal": goal, "zone": zone})
    return {"entry": draw(entries), **draw(more)}


HEAD: Json = {"key": "small", "name": "Small", "purpose": "marketing", "entry": {"event": "Order"}}


@st.composite
def definitions(draw: st.DrawFn) -> Json:
    """Small journeys of everything that the parser reads, gotos to anywhere included; few of them may be published."""
    return {**HEAD, **frames(draw), "steps": Author(draw).steps(0, least=1)}
