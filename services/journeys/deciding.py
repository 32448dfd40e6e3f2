"""Deciding one step for one person: what each kind of step looks at, and what comes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from pydantic import JsonValue

from conditions import Condition, bind, references
from conditions.model import Ref
from contracts.channels import Channel, Fallback, SendRequest
from contracts.profiles import ProfileUpdate
from contracts.segments import EvaluatedItem, EvaluateItem
from infra.clock import Clock
from journeys import MISSING, choose, resolve
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
from services.journeys.cases import Case, FactFinder
from services.journeys.entering import Entrant
from services.journeys.facts import Facts, bare_fact
from services.journeys.rulings import Ruling, decision_of
from services.journeys.versions import Versions
from services.journeys.waits import WaitDecider
from services.journeys.world import World


class Decider:
    """Decides steps with the help of the neighbours. May raise `Unavailable`: then nothing was decided."""

    def __init__(self, *, world: World, versions: Versions, clock: Clock, workspace_zone: str) -> None:
        self._world = world
        self._versions = versions
        self._clock = clock
        self._finder = FactFinder(world, workspace_zone)
        self._waits = WaitDecider(finder=self._finder, clock=clock)

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
                return await self._update(case, case.step)
            case StartJourney():
                return await self._start_journey(case, case.step, current)
            case EmitEvent() | Call():
                raise TypeError("not carried out yet, and therefore not published")
            case Exit() | Jump():
                return self._ruling(case, "done", {"kind": "done"}, {})
            case _:
                assert_never(case.step)

    async def _send(self, case: Case, step: Send) -> Ruling:
        enrolment = case.enrolment
        until = step.valid_until
        dated = await self._finder.dated(case, until) if until is not None else None
        request = SendRequest(
            key=f"{enrolment.id}:{step.id}:{case.visit}",
            profile_id=enrolment.profile_id,
            template=step.template,
            channels=tuple(Channel(channel) for channel in step.channels),
            purpose=step.purpose or case.journey.purpose,
            fallback=_fallback(step),
            valid_until=dated.anchor(until) if dated is not None else None,
            context={"entry": case.entry, "event": case.event},
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
                outcome = {"kind": "deferred"}
                return self._ruling(case, "deferred", outcome, seen | {"reason": result.reason}, deadline=result.until)
            case _:
                assert_never(result.status)

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

    async def _update(self, case: Case, step: UpdateProfile) -> Ruling:
        refs = [value.ref for value in step.set.values() if isinstance(value, Ref)]
        facts = await self._finder.facts(case, refs)
        context = facts.context()
        values: dict[str, JsonValue] = {}
        for trait, value in step.set.items():
            found = resolve(value.ref, context) if isinstance(value, Ref) else value
            if found is not MISSING:
                values[trait] = found  # type: ignore[assignment]
        if values:
            message = f"{case.enrolment.id}:{step.id}:{case.visit}"
            now = self._clock.now()
            await self._world.update(
                ProfileUpdate(profile_id=case.enrolment.profile_id, message_id=message, set=values, timestamp=now)
            )
        return self._ruling(case, "updated", {"kind": "done"}, {"set": values})

    async def _start_journey(self, case: Case, step: StartJourney, current: dict[str, str]) -> Ruling:
        version = current.get(step.journey)
        if version is None:
            return self._ruling(case, "not_started", {"kind": "done", "detail": "unknown"}, {"journey": step.journey})
        journey = await self._versions.journey(version)
        profile = await self._world.profile(case.enrolment.profile_id) if journey.entry.key else None
        now = self._clock.now()
        entry = bare_fact(f"{case.enrolment.id}:{step.id}:{case.visit}", "journey.started", now, dict(case.entry["properties"]))
        traits = profile.traits if profile else {}
        entrant = Entrant(journey, version, case.enrolment.profile_id, entry, now, traits, look_back=True)
        ruling = self._ruling(case, "started", {"kind": "done"}, {"journey": step.journey, "version": version})
        return Ruling(ruling.decision, entrants=[entrant])

    async def _evaluate(self, case: Case, condition: Condition, facts: Facts) -> EvaluatedItem:
        context = facts.context()

        def value(ref: str) -> JsonValue:
            found = resolve(ref, context)
            return None if found is MISSING else found  # type: ignore[return-value]

        bound = bind(condition, value).model_dump(mode="json")
        return await self._world.evaluate(
            EvaluateItem(profile_id=case.enrolment.profile_id, condition=bound, position=case.position)
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


def _fallback(step: Send) -> Fallback | None:
    if step.fallback is None:
        return None
    return Fallback.model_validate({"unless": step.fallback.unless, "within": step.fallback.within.longest})
