"""Deciding one step for one simulated person: the journeys service's decisions, asked of what the simulation knows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol, assert_never

from pydantic import JsonValue

from conditions import Condition
from conditions.model import Ref
from conditions.person import Evaluation
from journeys.model import (
    Branch,
    Call,
    EmitEvent,
    Exit,
    Jump,
    Repeat,
    Send,
    Split,
    StartJourney,
    Step,
    UpdateProfile,
    Value,
    Wait,
    WaitFor,
)
from journeys.outcome import Chose, Done, Outcome
from journeys.refs import MISSING, resolve
from journeys.simulation.being import Being
from journeys.simulation.calling import Caller
from journeys.simulation.enrolment import Enrolment, Pending
from journeys.simulation.facts import DEPTH, Body, Moment, body
from journeys.simulation.mail import Mail
from journeys.simulation.sending import judge
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Teller
from journeys.simulation.waiting import Waits, anchor
from journeys.splitting import choose
from policy import Asked, Go, Later, No

DONE = Done()
MOST_LINKS = 10
"""How many journeys may lead to each other in a row, by events and starts, before the chain is taken for a circle."""
TIGHT = timedelta(hours=1)
"""Links further apart than this are a rhythm, not a circle: the count begins anew."""


class World(Protocol):
    """What a decision may do in the town."""

    @property
    def now(self) -> datetime: ...

    def tick(self) -> Moment: ...

    def change(self, being: Being, traits: Mapping[str, JsonValue], identifier: str) -> None: ...

    def track(self, being: Being, event: str, properties: Mapping[str, JsonValue], identifier: str, depth: int = 0) -> None: ...

    def start_child(self, being: Being, parent: Enrolment, journey: str, entry: Body, *, wait: bool) -> str | None: ...


class Decider:
    """What comes of a step, or what the enrolment waits for there."""

    def __init__(self, stage: Stage, world: World, mail: Mail, teller: Teller) -> None:
        self._stage = stage
        self._world = world
        self._mail = mail
        self._teller = teller
        self._waits = Waits(stage, teller)
        self._caller = Caller(stage, teller)

    @property
    def waits(self) -> Waits:
        return self._waits

    @property
    def caller(self) -> Caller:
        return self._caller

    def decide(self, being: Being, run: Enrolment, step: Step, visit: int) -> Outcome | Pending:
        """The outcome for `advance`, or a wait."""
        now = self._world.now
        match step:
            case Send():
                return self._send(being, run, step, visit)
            case Wait():
                return self._waits.wait(being, run, step, visit, now)
            case WaitFor():
                return self._waits.wait_for(being, run, step, visit, self._world.tick())
            case Branch():
                return self._branch(being, run, step, visit)
            case Split():
                return self._split(being, run, step, visit)
            case Repeat():
                return self._repeat(being, run, step, visit)
            case UpdateProfile():
                values = self._values(being, run, step.set)
                self._tell(run, "updated", step, visit, {}, {"set": values})
                if values:
                    self._world.change(being, values, f"{run.id}:{step.id}:{visit}")
                return DONE
            case EmitEvent():
                return self._emit(being, run, step, visit)
            case Call():
                return self._caller.call(being, run, step, visit, now)
            case StartJourney():
                return self._start_journey(being, run, step, visit)
            case Exit() | Jump():
                return DONE
            case _:
                assert_never(step)

    def _send(self, being: Being, run: Enrolment, step: Send, visit: int) -> Outcome | Pending:
        now = self._world.now
        seen: dict[str, Any] = {}
        valid_until = None
        if step.valid_until is not None:
            zone, _ = being.zone(run.journey.zone)
            valid_until = anchor(step.valid_until, being, run, zone, seen)
        purpose = step.purpose or run.journey.purpose
        message = f"{run.id}:{step.id}:{visit}"
        asked = Asked(message, step.template, step.channels, purpose, valid_until, zone=run.journey.zone)
        answer = judge(asked, being, now)
        seen["template"] = step.template
        match answer:
            case Go():
                run.newest[step.id] = visit
                run.rests.wrote(step, now)
                self._tell(run, "sent", step, visit, {}, seen | {"channel": answer.channel})
                self._mail.post(being, run, step, visit, asked, answer)
                return DONE
            case No():
                run.newest[step.id] = visit
                run.rests.skipped(step)
                seen |= {"reason": answer.reason, "detail": answer.detail}
                self._tell(run, "skipped", step, visit, {"detail": "skipped"}, seen)
                return DONE
            case Later():
                seen |= {"channel": answer.channel, "reason": answer.reason} | (
                    {"detail": answer.detail} if answer.detail else {}
                )
                self._tell(run, "deferred", step, visit, {"until": answer.until}, seen)
                return Pending("deferred", now, answer.until)
            case _:
                assert_never(answer)

    def _branch(self, being: Being, run: Enrolment, step: Branch, visit: int) -> Outcome:
        seen: dict[str, Any] = {}
        chosen = "otherwise"
        for path in step.paths:
            answer = self._ask(being, run, path.if_)
            seen[path.id] = {"matches": answer.matches, "seen": answer.seen}
            if answer.matches:
                chosen = path.id
                break
        self._tell(run, "chose", step, visit, {"path": chosen}, seen)
        return _chose(chosen)

    def _split(self, being: Being, run: Enrolment, step: Split, visit: int) -> Outcome:
        forced = being.script.splits.get(step.id) if run.journey is self._stage.under_test else None
        known = any(path.id == forced for path in step.paths)
        chosen = forced if known and forced is not None else choose(step, being.id, run.journey.key)
        held = any(path.hold_out for path in step.paths if path.id == chosen)
        self._tell(run, "held_out" if held else "chose", step, visit, {"path": chosen}, {"hold_out": held})
        return _chose(chosen)

    def _repeat(self, being: Being, run: Enrolment, step: Repeat, visit: int) -> Outcome:
        if step.until is None:
            return _chose("again")
        answer = self._ask(being, run, step.until)
        path = "done" if answer.matches else "again"
        seen = {"until": {"matches": answer.matches, "seen": answer.seen}}
        self._tell(run, "chose", step, visit, {"path": path}, seen)
        return _chose(path)

    def _emit(self, being: Being, run: Enrolment, step: EmitEvent, visit: int) -> Outcome:
        depth = self._depth(run) + 1
        if depth > MOST_LINKS:
            seen = {"event": step.event, "reason": _circle("emitting events")}
            self._tell(run, "skipped", step, visit, {"detail": "skipped"}, seen)
            return DONE
        values = self._values(being, run, step.properties)
        self._tell(run, "emitted", step, visit, {"event": step.event}, {"event": step.event, "properties": values})
        self._world.track(being, step.event, values, f"{run.id}:{step.id}:{visit}", depth)
        return DONE

    def _depth(self, run: Enrolment, *, always: bool = False) -> int:
        """How many journeys led to each other in a row until here: by the entry, or by the event that woke the last path."""
        tight = (self._world.now - TIGHT).isoformat()
        depths = [fact.get(DEPTH, 0) for fact in (run.entry, run.event) if always or str(fact["timestamp"]) > tight]
        return max((depth for depth in depths if isinstance(depth, int)), default=0)

    def _start_journey(self, being: Being, run: Enrolment, step: StartJourney, visit: int) -> Outcome | Pending:
        now = self._world.now
        depth = self._depth(run, always=step.wait) + 1
        why = None if step.journey in self._stage.journeys else f"there is no journey {step.journey!r} to enter"
        detail = "unknown" if why is not None else "circle"
        if why is None and depth > MOST_LINKS:
            why = _circle("starting each other")
        if why is not None:
            self._tell(run, "not_started", step, visit, {"detail": detail}, {"journey": step.journey, "reason": why})
            return self._refused(run, step, visit, why)
        own = run.entry["properties"]
        assert isinstance(own, dict)
        properties = own if step.properties is None else self._values(being, run, step.properties)
        self._tell(run, "started", step, visit, {}, {"journey": step.journey, "properties": properties})
        entry = body(f"{run.id}:{step.id}:{visit}", "journey.started", now, properties) | {DEPTH: depth}
        refused = self._world.start_child(being, run, step.journey, entry, wait=step.wait)
        if refused is not None or not step.wait:
            return self._refused(run, step, visit, refused)
        return Pending("child", now)

    def _refused(self, run: Enrolment, step: StartJourney, visit: int, why: str | None) -> Outcome:
        """Whoever would have waited hears that there is nothing to wait for."""
        if step.wait:
            result: dict[str, JsonValue] = {"reason": f"refused: {why}", "goal_reached": False}
            run.results[step.id] = result
            self._tell(run, "wait met", step, visit, {"path": "ended"}, dict(result))
        return DONE

    def _values(self, being: Being, run: Enrolment, given: Mapping[str, Value]) -> dict[str, JsonValue]:
        """Constants, and what references lead to; one that leads nowhere is left out."""
        context = run.context(being.seen_by(value.ref for value in given.values() if isinstance(value, Ref)))
        values: dict[str, JsonValue] = {}
        for name, value in given.items():
            found = resolve(value.ref, context) if isinstance(value, Ref) else value
            if found is not MISSING:
                values[name] = found  # type: ignore[assignment]
        return values

    def _ask(self, being: Being, run: Enrolment, condition: Condition) -> Evaluation:
        question = self._stage.question(condition, lambda refs: run.context(being.seen_by(refs)))
        return being.ask(question, self._world.now)

    def _tell(self, run: Enrolment, kind: str, step: Step, visit: int, outcome: dict[str, Any], seen: dict[str, Any]) -> None:
        self._teller.line(run, self._world.now, kind, step.id, visit, outcome, seen)


@lru_cache(maxsize=1000)
def _chose(path: str) -> Chose:
    return Chose(path=path)


def _circle(what: str) -> str:
    return f"journeys have been {what} {MOST_LINKS} times in a row: this looks like a circle"
