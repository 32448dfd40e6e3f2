"""Random journeys of every kind of step, entry and exit, from few names so that they meet, and what can come of a step."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from journeys.model import Branch, Call, GoTo, Repeat, Send, Split, StartJourney, Step, Wait, WaitFor
from journeys.outcome import (
    Chose,
    Deferred,
    Done,
    Match,
    Matched,
    Outcome,
    PastDue,
    Sleep,
    TimedOut,
    Waiting,
    Woke,
)
from tests.conditions.strategies import conditions, filters

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Json = dict[str, Any]

days = st.sampled_from(["PT0S", "PT1H", "P1D", "P1M", "P1Y2M3DT4H", "P8W"])
clocks = st.sampled_from(["00:00", "02:30", "09:00", "23:59"])
refs = st.sampled_from(
    ["entry.properties.at", "event.properties.at", "profile.traits.dog.birthdate", "profile.computed.out", "results.s1.body.at"]
)
dates: st.SearchStrategy[Any] = st.sampled_from(["2026-05-01", "2026-05-01T09:00", "2026-05-02T09:00:00Z"]) | st.builds(
    lambda ref, more: {"ref": ref, **more},
    refs,
    st.fixed_dictionaries({}, optional={"default": st.just({"after": "P30D"}), "yearly": st.booleans()}),
)
windows = st.fixed_dictionaries({}, optional={"from": clocks, "to": clocks | st.just("24:00"), "days": st.just(["mon", "sat"])})
values: st.SearchStrategy[Any] = st.none() | st.integers(0, 3) | st.just("{{ x }}") | refs.map(lambda ref: {"ref": ref})
properties = st.dictionaries(st.sampled_from(["a", "b c"]), values, max_size=2)


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
            "only_if": conditions,
            "caps": st.fixed_dictionaries({}, optional={"per_hour": st.integers(1, 9), "in_all": st.integers(1, 9)}),
        },
    ),
)
"""JSON of entries."""
exits: st.SearchStrategy[Json] = st.one_of(
    st.just({"event": "Order"}),
    filters.map(lambda where: {"event": "Paid", "where": where}),
    st.just({"trait": "dog.alive", "eq": False}),
    st.sampled_from([{"segment_entered": "vip"}, {"segment_left": "vip"}]),
    conditions.map(lambda found: {"if": found}),
)


@st.composite
def definitions(draw: st.DrawFn, *, framed: bool = True) -> Json:
    """Journeys of every kind of step, gotos to anywhere included; `framed`: entry, exits and goal are drawn as well."""
    names: list[str] = []

    def name() -> str:
        names.append(f"s{len(names)}")
        return names[-1]

    def steps(depth: int) -> list[Json]:
        return [step(depth) for _ in range(draw(st.integers(0 if depth else 1, 3)))]

    def some(**optional: st.SearchStrategy[Any]) -> Json:
        return draw(st.fixed_dictionaries({}, optional=optional))

    def target() -> str:
        return f"s{draw(st.integers(0, 9))}"

    def way(at: int, depth: int) -> Json:
        kinds: list[st.SearchStrategy[Json]] = [
            st.just({"event": f"E{at}"}),
            filters.map(lambda where: {"event": "Order", "where": where}),
            st.integers(0, 9).map(lambda step: {"message": f"s{step}", "status": "clicked"}),
            st.sampled_from([{"segment_entered": "vip"}, {"segment_left": "vip"}]),
            conditions.map(lambda found: {"if": found}),
        ]
        return {"id": f"p{at}", **draw(st.one_of(kinds)), "steps": steps(depth)}

    def step(depth: int) -> Json:
        simple = ["send", "wait", "random", "until", "update", "emit", "start", "exit", "goto"]
        kind = draw(
            st.sampled_from([*simple, "wait_for", "branch", "split", "repeat", "repeat", "call"] if depth < 3 else simple)
        )
        base: Json = {"id": name()}
        match kind:
            case "send":
                fallback = st.just({"unless": "delivered", "within": "PT1H"})
                channels = draw(st.sampled_from([["email"], ["whatsapp", "sms"]]))
                more = some(valid_until=dates, purpose=st.just("transactional"), fallback=fallback)
                return {**base, "type": "send", "template": "hello", "channels": channels, **more}
            case "wait":
                return {**base, "type": "wait", "for": draw(days), **some(at=clocks, window=windows, late_by=days)}
            case "random":
                return {**base, "type": "wait", "between": ["PT1H", draw(st.sampled_from(["PT1H", "P1D", "P1M"]))]}
            case "until":
                policy = draw(st.sampled_from(["continue", "exit", {"goto": target()}]))
                more = some(offset=days | st.just("-P1D"), at=clocks, window=windows)
                return {**base, "type": "wait", "until": draw(dates), "if_past": policy, **more}
            case "update":
                return {**base, "type": "update_profile", "set": {"x": draw(values)}}
            case "emit":
                return {
                    **base,
                    "type": "emit_event",
                    "event": draw(st.sampled_from(["Order", "E0"])),
                    **some(properties=properties),
                }
            case "start":
                journey = draw(st.sampled_from(["small", "other"]))
                return {**base, "type": "start_journey", "journey": journey, **some(wait=st.booleans(), properties=properties)}
            case "exit":
                return {**base, "type": "exit", **some(reason=st.just("enough"))}
            case "goto":
                return {**base, "type": "goto", "goto": target()}
            case "wait_for":
                paths = [way(at, depth + 1) for at in range(draw(st.integers(1, 3)))]
                ends = draw(st.sampled_from([{"after": "P1D"}, {"after": "PT0S"}, {"until": draw(dates), "offset": "PT3H"}]))
                timeout = {"timeout": {**ends, "steps": steps(depth + 1)}} if draw(st.booleans()) else {}
                return {**base, "type": "wait_for", "paths": paths, **timeout, **some(since=st.sampled_from(["entry", "step"]))}
            case "branch":
                choices = [
                    {"id": f"p{at}", "if": draw(conditions), "steps": steps(depth + 1)} for at in range(draw(st.integers(1, 2)))
                ]
                return {**base, "type": "branch", "paths": choices, "otherwise": steps(depth + 1)}
            case "split":
                shares = [{"id": f"w{at}", "weight": 50, "steps": steps(depth + 1)} for at in range(2)]
                return {**base, "type": "split", "paths": shares, **some(experiment=st.just("price"))}
            case "call":
                more = some(
                    method=st.sampled_from(["GET", "POST"]),
                    headers=st.just({"X-Key": "{{ secrets.KEY }}"}),
                    body=values | properties,
                    timeout=st.just("PT5S"),
                    retry=st.just({"attempts": 2}),
                )
                return {**base, "type": "call", "url": "https://x.example", **more, "on_failure": steps(depth + 1)}
            case _:
                until = {"until": draw(conditions)} if draw(st.booleans()) else {}
                body = steps(depth + 1) or [{"id": name(), "type": "wait", "for": "P1D"}]
                return {**base, "type": "repeat", "max": draw(st.integers(1, 3)), **until, "steps": body}

    frame: Json = {"key": "small", "name": "Small", "purpose": "marketing", "entry": {"event": "Order"}}
    if framed:
        goal = st.sampled_from([{"event": "Paid"}, {"event": "Paid", "within": "P14D", "on_reached": "exit"}])
        more = some(exit_when=st.lists(exits, max_size=2), goal=goal, zone=st.sampled_from(["Europe/Berlin", "Mars/Olympus"]))
        frame |= {"entry": draw(entries), **more}
    return {**frame, "steps": steps(0)}


def outcomes(step: Step) -> st.SearchStrategy[Outcome]:
    """What can come of a step."""
    patience: list[Outcome] = [Deferred(wake_at=NOW)]
    match step:
        case Wait():
            past = PastDue(action="continue" if step.if_past == "continue" else "exit")
            if isinstance(step.if_past, GoTo):
                past = PastDue(action="goto", target=step.if_past.goto)
            return st.sampled_from([Done(), Woke(), Sleep(wake_at=NOW), past, *patience])
        case WaitFor():
            found: list[Outcome] = [Matched(path=path.id, event_id="e") for path in step.paths]
            found += [Waiting(), Waiting(matched=Match(path=step.paths[0].id, event_id="e")), *patience]
            return st.sampled_from(found + ([TimedOut(), Done()] if step.timeout else []))
        case Branch():
            ways = [*(path.id for path in step.paths), "otherwise"]
            return st.sampled_from([*(Chose(path=path_id) for path_id in ways), *patience])
        case Split():
            return st.sampled_from([*(Chose(path=path.id) for path in step.paths), *patience])
        case Repeat():
            return st.sampled_from([Chose(path="again"), Chose(path="done"), *patience])
        case Call():
            ends = [Waiting(), Waiting(matched=Match(path="ok", event_id="c")), Woke()]
            return st.sampled_from([*ends, Matched(path="ok", event_id="c"), Matched(path="failed", event_id="c"), *patience])
        case StartJourney(wait=True):
            return st.sampled_from([Waiting(), Matched(path="ended", event_id="j"), Done(), Woke(), *patience])
        case Send():
            return st.sampled_from([Done(), Woke(), *patience])
        case _:
            return st.sampled_from([Done(), *patience])
