"""Random outcomes of a step."""

from datetime import UTC, datetime

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

NOW = datetime(2026, 3, 1, tzinfo=UTC)


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
