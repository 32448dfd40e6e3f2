"""Random walks over random journeys: every walk ends or waits, never in two places."""

from datetime import UTC, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from journeys import Cursor, Finish, Journey, Perform, advance, check, parse_journey, plan, start
from journeys.check import errors
from journeys.model import Branch, GoTo, Repeat, Send, Split, Step, Wait, WaitFor
from journeys.outcome import Chose, Deferred, Done, Match, Matched, Outcome, PastDue, Sleep, TimedOut, Waiting, Woke
from tests.journeys.helpers import pause, send, small

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, object]:
    """Small journeys of every kind of step, gotos to anywhere included."""
    names: list[str] = []

    def name() -> str:
        names.append(f"s{len(names)}")
        return names[-1]

    def steps(depth: int) -> list[dict[str, object]]:
        return [step(depth) for _ in range(draw(st.integers(0 if depth else 1, 3)))]

    def step(depth: int) -> dict[str, object]:
        kinds = ["send", "wait", "past", "update", "exit", "goto"]
        kind = draw(st.sampled_from([*kinds, "wait_for", "branch", "split", "repeat", "repeat"] if depth < 3 else kinds))
        step_id = name()
        match kind:
            case "send":
                return send(step_id)
            case "wait":
                return pause(step_id)
            case "past":
                return {"id": step_id, "type": "wait", "until": "2026-01-01", "if_past": {"goto": f"s{draw(st.integers(0, 9))}"}}
            case "update":
                return {"id": step_id, "type": "update_profile", "set": {"x": 1}}
            case "exit":
                return {"id": step_id, "type": "exit"}
            case "goto":
                return {"id": step_id, "type": "goto", "goto": f"s{draw(st.integers(0, 9))}"}
            case "wait_for":
                paths = [{"id": f"p{at}", "event": f"E{at}", "steps": steps(depth + 1)} for at in range(draw(st.integers(1, 2)))]
                timeout = {"timeout": {"after": "P1D", "steps": steps(depth + 1)}} if draw(st.booleans()) else {}
                return {"id": step_id, "type": "wait_for", "paths": paths, **timeout}
            case "branch":
                choices = [{"id": "yes", "if": {"segment": "vip"}, "steps": steps(depth + 1)}]
                return {"id": step_id, "type": "branch", "paths": choices, "otherwise": steps(depth + 1)}
            case "split":
                shares = [{"id": f"w{at}", "weight": 50, "steps": steps(depth + 1)} for at in range(2)]
                return {"id": step_id, "type": "split", "paths": shares}
            case _:
                until = {"until": {"segment": "vip"}} if draw(st.booleans()) else {}
                body = steps(depth + 1) or [pause(name())]
                return {"id": step_id, "type": "repeat", "max": draw(st.integers(1, 3)), **until, "steps": body}

    return small(*steps(0))


def outcomes(step: Step) -> st.SearchStrategy[Outcome]:
    """What can come of a step."""
    match step:
        case Send():
            return st.sampled_from([Done(), Done(), Deferred(wake_at=NOW), Woke()])
        case Wait():
            past = (
                PastDue(action="goto", target=step.if_past.goto) if isinstance(step.if_past, GoTo) else PastDue(action="continue")
            )
            return st.sampled_from([Done(), Woke(), Sleep(wake_at=NOW), past])
        case WaitFor():
            found: list[Outcome] = [Matched(path=path.id, event_id="e") for path in step.paths]
            found += [Waiting(), Waiting(matched=Match(path=step.paths[0].id, event_id="e"))]
            return st.sampled_from(found + ([TimedOut()] if step.timeout else []))
        case Branch():
            return st.sampled_from([Chose(path=path_id) for path_id in (*(path.id for path in step.paths), "otherwise")])
        case Split():
            return st.sampled_from([Chose(path=path.id) for path in step.paths])
        case Repeat():
            return st.sampled_from([Chose(path="again"), Chose(path="done")])
        case _:
            return st.just(Done())


def targets_exist(journey: Journey) -> bool:
    return not any("there is no step" in problem.message for problem in check(journey))


@settings(max_examples=250, deadline=None)
@given(st.data(), definitions())
def test_a_walk_stands_at_one_step_or_is_over_and_never_repeats_a_visit(
    data: st.DataObject, definition: dict[str, object]
) -> None:
    journey = parse_journey(definition)
    assume(targets_exist(journey))
    cursor, seen = start(journey), set()
    for _ in range(40):
        assert Cursor.model_validate_json(cursor.model_dump_json()) == cursor
        assert (cursor.step is None) is (cursor.finished is not None)
        effect = plan(journey, cursor)
        if isinstance(effect, Finish):
            return
        assert (effect.step_id, effect.visit) not in seen
        seen.add((effect.step_id, effect.visit))
        place = journey.index.places[effect.step_id]
        around = {parent for parent in (*place.parents, effect.step_id) if isinstance(journey.index.steps[parent], Repeat)}
        assert set(cursor.loops) == around
        assert set(cursor.visits) <= journey.index.recurring
        while plan(journey, cursor) == effect:
            before, outcome = cursor, data.draw(outcomes(journey.index.steps[effect.step_id]))
            cursor = advance(journey, cursor, outcome, NOW)
            assert cursor == before or plan(journey, cursor) != effect
            if cursor == before and data.draw(st.booleans()):
                break
        else:
            continue
        return


@settings(max_examples=100, deadline=None)
@given(st.data(), definitions())
def test_a_sound_journey_rests_or_ends_before_it_has_performed_all_its_steps_twice(
    data: st.DataObject, definition: dict[str, object]
) -> None:
    journey = parse_journey(definition)
    assume(not errors(check(journey)))
    cursor, without_rest = start(journey), 0
    for _ in range(60):
        effect = plan(journey, cursor)
        if not isinstance(effect, Perform):
            assert effect.reason != "endless"
            return
        step = journey.index.steps[effect.step_id]
        without_rest = 0 if isinstance(step, Wait | WaitFor) else without_rest + 1
        assert without_rest <= len(journey.index.steps)
        cursor = (
            advance(journey, cursor, data.draw(outcomes(step)), NOW)
            if not isinstance(step, Send)
            else advance(journey, cursor, Done(), NOW)
        )
