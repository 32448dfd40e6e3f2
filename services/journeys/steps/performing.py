"""Performing steps in batches: what was decided before is answered again, the rest is decided and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from contracts.journeys import FinishItem, StepItem
from infra.clock import Clock
from infra.db import Database, is_outage
from infra.errors import CallFailed
from journeys.model import Call, StartJourney, WaitFor
from journeys.outcome import Chose, Deferred, Done, Ended, Later, Match, Moved, PastDue, ServiceOutcome, Sleep, Waiting
from services.journeys import enrolments, places
from services.journeys.enrolments import Decision, Known
from services.journeys.entry.entering import enter
from services.journeys.lifecycle.resuming import Paused, acts, late_waits, parked, too_late
from services.journeys.lifecycle.versions import Versions
from services.journeys.merging import hold
from services.journeys.moves.moving import Mover
from services.journeys.moves.wishes import stir_movers
from services.journeys.outgoing import Outgoing
from services.journeys.steps import calls
from services.journeys.steps.cases import Case
from services.journeys.steps.circles import turning
from services.journeys.steps.deciding import Decider
from services.journeys.steps.results import answer
from services.journeys.steps.rulings import Ruling
from services.journeys.waits import watches
from services.journeys.waits.listeners import register
from services.journeys.waits.matching import matched
from services.journeys.waits.missed import Missed
from services.journeys.waits.rendezvous import Rendezvous
from services.journeys.world import World

log = structlog.get_logger(__name__)

# A timer of Temporal may fire this much before our clock shows its instant (real time).
_EARLY = timedelta(milliseconds=50)


class Steps:
    """The service behind `POST /v1/steps` and `POST /v1/finishes`."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        decider: Decider,
        mover: Mover,
        world: World,
        clock: Clock,
        deliver: Callable[[Sequence[Outgoing]], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._versions = versions
        self._decider = decider
        self._mover = mover
        self._world = world
        self._missed = Missed(database=database, rendezvous=Rendezvous(database=database, world=world, clock=clock), clock=clock)
        self._clock = clock
        self._deliver = deliver
        self._wake = wake

    async def perform(self, items: Sequence[StepItem]) -> list[ServiceOutcome]:
        """One outcome per item, in order. `Later` for those that something did not answer for."""
        async with self._database.read() as session:
            known = await enrolments.load(session, items)
            current = await self._versions.current(session)
            paused = await Paused.of(session)
        moving = await self._mover(items, known)
        found = [case for item in items if _key_of(item) not in moving and (case := await self._case(item, known)) is not None]
        cases = {_key(case): case for case in found}
        undecided = await self._arrived([case for key, case in cases.items() if key not in known.decisions])
        settled = await self._held_back(undecided, paused)
        decided, failed = await self._decide([case for case in undecided if _key(case) not in settled], current)
        rulings = [*settled.values(), *decided]
        decisions, unwritten = await self._keep(rulings, known)
        failed |= unwritten
        matches, unseen = await self._find_missed(cases.values(), decisions)
        matches |= await self._answered(cases.values(), decisions)
        failed |= unseen
        await self._note_asked([item for item in items if item.confirm or _key_of(item) in failed])
        failed |= {key: _later(answer, key) for key, answer in moving.items() if isinstance(answer, BaseException)}
        moved = {key: answer for key, answer in moving.items() if not isinstance(answer, BaseException)}
        return [moved.get(_key_of(item)) or self._answer(item, known, decisions, matches, failed) for item in items]

    async def _note_asked(self, items: Sequence[StepItem]) -> None:
        """Workflows that asked without a new decision are there all the same, and are being tried again where something fails."""
        if items:
            async with self._database.begin() as session:
                await places.asked(session, [item.enrolment_id for item in items])

    async def finish(self, items: Sequence[FinishItem]) -> None:
        """Ends enrolments; what those that a criterion ended have not yet sent is taken back first."""
        async with self._database.read() as session:
            stopped = await enrolments.ending(session, [item.enrolment_id for item in items])
        if stopped:
            await self._world.cancel(stopped)
        async with self._database.begin() as session:
            heard = await enrolments.end(session, {item.enrolment_id: item.reason for item in items}, self._clock.now())
        self._deliver(heard)

    async def _case(self, item: StepItem, known: Known) -> Case | None:
        enrolment = known.enrolments.get(item.enrolment_id)
        if enrolment is None or enrolment.state != "running":
            return None
        journey = await self._versions.journey(enrolment.version)
        step = journey.index.steps.get(item.step)
        if step is None:
            return None
        event, position = known.woken_by(item, enrolment)
        return Case(enrolment, journey, step, item.visit, enrolment.entry, event, position)

    async def _arrived(self, cases: Sequence[Case]) -> list[Case]:
        """The same cases, with the instant since when what they wait for counts."""
        waits = [case.enrolment.id for case in cases if isinstance(case.step, WaitFor)]
        if not waits:
            return list(cases)
        async with self._database.read() as session:
            arrived = await enrolments.arrivals(session, waits, self._clock.now())
        return [replace(case, arrived_at=_arrival(case, arrived.get(case.enrolment.id))) for case in cases]

    async def _held_back(self, cases: Sequence[Case], paused: Paused) -> dict[enrolments.Key, Ruling]:
        """Steps that act wait while their journey is paused; after it the policy of the wait that ended meanwhile counts.

        Whoever turns in a circle without rest is stopped.
        """
        async with self._database.read() as session:
            endless = {ruling.decision.key: ruling for ruling in await turning(session, cases, self._clock)}
        acting = [case for case in cases if acts(case.step) and paused.ever(case.enrolment.journey)]
        if not acting:
            return endless
        now = self._clock.now()
        found = endless | {
            _key(case): parked(case, since, now)
            for case in acting
            if (since := paused.now.get(case.enrolment.journey)) is not None
        }
        async with self._database.read() as session:
            late = await late_waits(session, [case for case in acting if _key(case) not in found])
        for case in acting:
            if (wait := late.get(case.enrolment.id)) and (ruling := too_late(case, *wait, now)) is not None:
                found[_key(case)] = ruling
        return found

    async def _decide(self, cases: Sequence[Case], current: dict[str, str]) -> tuple[list[Ruling], dict[enrolments.Key, Later]]:
        """Decides concurrently, so that questions to the neighbours travel together. One failure spoils no other decision."""
        results = await asyncio.gather(*(self._decider.decide(case, current) for case in cases), return_exceptions=True)
        rulings = [result for result in results if isinstance(result, Ruling)]
        return rulings, {
            _key(case): _later(result, _key(case))
            for case, result in zip(cases, results, strict=True)
            if isinstance(result, BaseException)
        }

    async def _keep(
        self, rulings: Sequence[Ruling], known: Known
    ) -> tuple[dict[enrolments.Key, Decision], dict[enrolments.Key, Later]]:
        """All at once; where that fails one by one, so that nobody waits for another's fault."""
        try:
            return known.decisions | await self._write(rulings), {}
        except Exception as error:
            if is_outage(error):
                raise
        kept, failed = dict(known.decisions), dict[enrolments.Key, Later]()
        for ruling in rulings:
            try:
                kept |= await self._write([ruling])
            except Exception as error:
                if is_outage(error):
                    raise
                # Of the error no more than its kind: a database's names the values.
                identifier, step, visit = ruling.decision.key
                log.error("step.not_written", enrolment=str(identifier), step=step, visit=visit, why=type(error).__name__)  # noqa: TRY400
                failed[ruling.decision.key] = Later(why=type(error).__name__)
        return kept, failed

    async def _write(self, rulings: Sequence[Ruling]) -> dict[enrolments.Key, Decision]:
        """Writes new decisions with what belongs to them; a decision that another call made meanwhile is the one that counts."""
        if not rulings:
            return {}
        async with self._database.begin() as session:
            if any(ruling.entrants for ruling in rulings):
                await hold(session)
            fresh = await enrolments.keep(session, [ruling.decision for ruling in rulings])
            written = [ruling for ruling in rulings if ruling.decision.key in fresh]
            await enrolments.forget_waits(session, [ruling.decision.enrolment_id for ruling in written])
            await register(session, [listener for ruling in written for listener in ruling.listeners])
            await watches.register(session, [watch for ruling in written for watch in ruling.watches])
            await calls.add(session, [call for ruling in written for call in ruling.calls], self._clock.real_now())
            await answer(session, [each for ruling in written for each in ruling.answers], signal=False)
            entered = await enter(session, [entrant for ruling in written for entrant in ruling.entrants], self._clock.now())
            told = await stir_movers(session, [ruling.decision for ruling in written])
            others = [ruling.decision.key for ruling in rulings if ruling.decision.key not in fresh]
            earlier = await enrolments.decided(session, others) if others else {}
        self._deliver([*entered.outgoing, *told])
        if entered.asked or any(ruling.calls for ruling in written):
            self._wake()
        return earlier | {ruling.decision.key: ruling.decision for ruling in written}

    async def _answered(self, cases: Iterable[Case], decisions: dict[enrolments.Key, Decision]) -> dict[enrolments.Key, Match]:
        """Calls and awaited journeys that are over: answered again, so that a lost signal loses nothing."""
        asked = [_key(case) for case in cases if isinstance(case.step, Call | StartJourney)]
        waiting = [key for key in asked if key in decisions and decisions[key].outcome["kind"] == "waiting"]
        if not waiting:
            return {}
        async with self._database.read() as session:
            return await matched(session, waiting)

    async def _find_missed(
        self, cases: Iterable[Case], decisions: dict[enrolments.Key, Decision]
    ) -> tuple[dict[enrolments.Key, Match], dict[enrolments.Key, Later]]:
        """Registered waits look back for what happened before: the other half of the rendezvous.

        What has met a wait already is answered again, so that neither a repeated call nor a lost signal loses it.
        """
        met, failed = await self._missed(
            {_key(case): case.step for case in cases if isinstance(case.step, WaitFor) and _key(case) in decisions}
        )
        return met, {key: _later(error, key) for key, error in failed.items()}

    def _answer(
        self,
        item: StepItem,
        known: Known,
        decisions: dict[enrolments.Key, Decision],
        matches: dict[enrolments.Key, Match],
        failed: dict[enrolments.Key, Later],
    ) -> ServiceOutcome:
        enrolment = known.enrolments.get(item.enrolment_id)
        if enrolment is None:
            return Ended(reason="gone")
        if enrolment.state != "running":
            return Ended(reason=_public_reason(enrolment.reason))
        key = (item.enrolment_id, item.step, item.visit)
        if key in failed:
            return failed[key]
        decision = decisions.get(key)
        if decision is None:
            return Later(why=f"the version has no step {item.step!r}; nothing was decided")
        return self._outcome(decision, matches.get(key), confirm=item.confirm)

    def _outcome(self, decision: Decision, match: Match | None, *, confirm: bool) -> ServiceOutcome:
        accelerated = not self._clock.is_real_time
        wake_at = self._clock.to_real(decision.deadline) if decision.deadline else None
        due = wake_at is not None and wake_at - _EARLY <= self._clock.real_now()
        match decision.outcome["kind"]:
            case "sleep":
                assert wake_at is not None
                return Done() if confirm and due else Sleep(wake_at=wake_at, confirm=accelerated)
            case "deferred":
                assert wake_at is not None
                return Deferred(wake_at=wake_at, confirm=accelerated)
            case "waiting":
                if confirm and due and match is None:
                    return Done()
                # Always confirmed: an event that came in time wins, even when its signal is slower than the timer.
                return Waiting(wake_at=wake_at, confirm=True, matched=match)
            case "moved":
                return Moved.model_validate(decision.outcome)
            case "ended":
                return Ended.model_validate(decision.outcome)
            case "past_due":
                return PastDue.model_validate(decision.outcome)
            case "chose":
                return Chose.model_validate(decision.outcome)
            case _:
                return Done.model_validate(decision.outcome)


def _later(error: BaseException, key: enrolments.Key) -> Later:
    """An item that failed by itself is asked again; its neighbours in the batch are not held up. A cancellation is passed on."""
    if isinstance(error, CallFailed):
        return Later(why=f"{error.service} does not answer")
    if not isinstance(error, Exception):
        raise error
    log.error("step.failed", enrolment=str(key[0]), step=key[1], visit=key[2], exc_info=error)
    return Later(why=type(error).__name__)


def _public_reason(reason: str | None) -> str:
    """The kind of an ending, without the trait or event it names: it goes into workflow history."""
    return (reason or "ended").partition(":")[0]


def _key_of(item: StepItem) -> enrolments.Key:
    return (item.enrolment_id, item.step, item.visit)


def _key(case: Case) -> enrolments.Key:
    return (case.enrolment.id, case.step.id, case.visit)


def _arrival(case: Case, left: tuple[datetime, str, datetime] | None) -> datetime:
    """When the person came to this step; a wait that follows on itself overlaps with its visit before."""
    if left is None:
        return case.enrolment.entered_at
    at, step, again = left
    return again if step == case.step.id else at
