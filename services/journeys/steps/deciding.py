"""Deciding one step for one person: what each kind of step looks at, and what comes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from conditions import Condition, Person, add, bind, evaluate, references
from contracts.channels import Channel, Fallback, SendRequest
from contracts.segments import EvaluatedItem, EvaluateItem
from infra.clock import Clock
from journeys import MISSING, Journey, choose, resolve
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
    UpdateProfile,
    Wait,
    WaitFor,
)
from services.journeys.lifecycle.versions import Versions
from services.journeys.steps.acting import ActDecider
from services.journeys.steps.calling import CallDecider
from services.journeys.steps.cases import Case, FactFinder
from services.journeys.steps.facts import Facts
from services.journeys.steps.requests import Secrets
from services.journeys.steps.results import Results
from services.journeys.steps.rulings import Ruling, decision_of
from services.journeys.waits.deciding import WaitDecider
from services.journeys.world import World

_NO_SECRETS = Secrets({})


class Decider:
    """Decides steps with the help of the neighbours. May raise `Unavailable`: then nothing was decided."""

    def __init__(
        self,
        *,
        world: World,
        versions: Versions,
        results: Results,
        clock: Clock,
        workspace_zone: str,
        secrets: Secrets = _NO_SECRETS,
    ) -> None:
        self._world = world
        self._clock = clock
        self._finder = FactFinder(world, workspace_zone, results)
        self._waits = WaitDecider(finder=self._finder, clock=clock)
        self._acts = ActDecider(finder=self._finder, world=world, versions=versions, clock=clock)
        self._calls = CallDecider(finder=self._finder, secrets=secrets, clock=clock)

    async def decide(self, case: Case, current: dict[str, str]) -> Ruling:
        """The ruling for one step. `current` holds the published journeys."""
        match case.step:
            case Send():
                return await self._send(case, case.step)
            case Wait():
                return await self._waits.wait(case, case.step)
            case WaitFor():
                return await self._waits.wait_for(case, case.step)
            case Branch():
                return await self._branch(case, case.step)
            case Split():
                return self._split(case, case.step)
            case Repeat():
                return await self._repeat(case, case.step)
            case UpdateProfile():
                return await self._acts.update(case, case.step)
            case EmitEvent():
                return await self._acts.emit(case, case.step)
            case StartJourney():
                return await self._acts.start(case, case.step, current)
            case Call():
                return await self._calls.call(case, case.step)
            case Exit() | Jump():
                return self._ruling(case, "done", {"kind": "done"}, {})
            case _:
                assert_never(case.step)

    async def _send(self, case: Case, step: Send) -> Ruling:
        enrolment = case.enrolment
        until, within = step.valid_until, step.fallback.within if step.fallback is not None else None
        zoned = until is not None or (within is not None and within.counts_days)
        dated = await self._finder.dated(case, until) if zoned else None
        request = SendRequest(
            key=f"{enrolment.id}:{step.id}:{case.visit}",
            profile_id=enrolment.profile_id,
            template=step.template,
            channels=tuple(Channel(channel) for channel in step.channels),
            purpose=step.purpose or case.journey.purpose,
            fallback=_fallback(step, self._clock.now(), dated.zone if dated is not None else "UTC"),
            valid_until=dated.anchor(until) if dated is not None else None,
            zone=case.journey.zone,
            context=await self._context(case, step),
            enrolment=enrolment.id,
            journey=enrolment.journey,
            step=step.id,
            visit=case.visit,
        )
        result = await self._world.send(request)
        seen: dict[str, Any] = dated.seen if dated is not None else {}
        seen |= {
            "template": step.template,
            "channel": result.channel,
            "message_id": str(result.message_id) if result.message_id else None,
        }
        match result.status:
            case "accepted":
                return self._ruling(case, "sent", {"kind": "done"}, seen)
            case "skipped":
                seen |= {"reason": result.reason, "detail": result.detail}
                return self._ruling(case, "skipped", {"kind": "done", "detail": "skipped"}, seen)
            case "deferred":
                assert result.until is not None
                seen |= {"reason": result.reason} | ({"detail": result.detail} if result.detail else {})
                return self._ruling(case, "deferred", {"kind": "deferred"}, seen, deadline=result.until)
            case _:
                assert_never(result.status)

    async def _context(self, case: Case, step: Send) -> dict[str, JsonValue]:
        """What the template sees beside the profile: earlier results only if it uses them."""
        context: dict[str, JsonValue] = {"entry": case.entry, "event": case.event}
        if has_results(case.journey):
            roots = {name.partition(".")[0] for name in await self._world.variables(step.template)}
            if "results" in roots:
                facts = await self._finder.facts(case, ["results.any.status"])
                context["results"] = facts.context()["results"]
        return context

    async def _branch(self, case: Case, step: Branch) -> Ruling:
        facts = await self._conditional(case, [path.if_ for path in step.paths])
        seen: dict[str, Any] = {}
        chosen = "otherwise"
        for path in step.paths:
            answer = await self._evaluate(case, path.if_, facts)
            seen[path.id] = {"matches": answer.matches, "seen": answer.seen}
            if answer.matches:
                chosen = path.id
                break
        return self._ruling(case, "chose", {"kind": "chose", "path": chosen}, seen)

    def _split(self, case: Case, step: Split) -> Ruling:
        chosen = choose(step, str(case.enrolment.profile_id), case.journey.key)
        held = any(path.hold_out for path in step.paths if path.id == chosen)
        return self._ruling(case, "held_out" if held else "chose", {"kind": "chose", "path": chosen}, {"hold_out": held})

    async def _repeat(self, case: Case, step: Repeat) -> Ruling:
        if step.until is None:
            return self._ruling(case, "chose", {"kind": "chose", "path": "again"}, {})
        answer = await self._evaluate(case, step.until, await self._conditional(case, [step.until]))
        path = "done" if answer.matches else "again"
        return self._ruling(
            case, "chose", {"kind": "chose", "path": path}, {"until": {"matches": answer.matches, "seen": answer.seen}}
        )

    async def _evaluate(self, case: Case, condition: Condition, facts: Facts) -> EvaluatedItem:
        context = facts.context()

        def value(ref: str) -> JsonValue:
            found = resolve(ref, context)
            return None if found is MISSING else found  # type: ignore[return-value]

        bound = bind(condition, value)
        if not references(bound).of_a_person:
            own = evaluate(bound, Person(), self._clock.now())
            return EvaluatedItem(matches=own.matches, seen=own.seen, next_change=own.next_change)
        return await self._world.evaluate(
            EvaluateItem(profile_id=case.enrolment.profile_id, condition=bound.model_dump(mode="json"), position=case.position)
        )

    async def _conditional(self, case: Case, conditions: list[Condition]) -> Facts:
        return await self._finder.facts(case, [ref for condition in conditions for ref in references(condition).refs])

    def _ruling(
        self,
        case: Case,
        kind: str,
        outcome: dict[str, Any],
        seen: dict[str, Any],
        *,
        deadline: datetime | None = None,
    ) -> Ruling:
        return Ruling(decision_of(case, kind, outcome, seen, self._clock.now(), deadline))


def has_results(journey: Journey) -> bool:
    """Whether any of its steps comes to something that references see later."""
    return any(isinstance(step, Call) or (isinstance(step, StartJourney) and step.wait) for step in journey.index.steps.values())


def _fallback(step: Send, now: datetime, zone: str) -> Fallback | None:
    """With its time as long as it is from now on, on the clock of a zone."""
    if step.fallback is None:
        return None
    within = add(now, step.fallback.within, ZoneInfo(zone)) - now
    return Fallback.model_validate({"unless": step.fallback.unless, "within": within})
