"""Sends what is due through one provider account: claim, check once more, mark, call, write down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import structlog

from channels.message import Accepted, Adapter, Outcome, Refused, Unknown
from channels.receipts import Suppress
from contracts.channels import Channel, Status
from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed
from services.channels import claims, suppressions
from services.channels.claims import Claim, Settled
from services.channels.decision import EXPIRED, NO_CONSENT, UNKNOWN_PROFILE
from services.channels.pace import Pace
from services.channels.people import People
from services.channels.receipt_book import ReceiptBook, Report

log = structlog.get_logger(__name__)

_QUICK_SECONDS = 0.02
_IDLE_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 300.0
_LONGEST_PAUSE_SECONDS = 3600.0
_MOST_CALLS = 50


@dataclass(frozen=True, slots=True)
class Options:
    """How a dispatcher works; real seconds.

    `group` attempts are marked and called for at once: so many, times `lanes`, can be of unknown fate after a kill.
    A lease outlasts the longest call that can be made under it, so that nobody takes over while a call is under way.
    """

    timeout: float = 10.0
    grace: float = 60.0
    fallback_grace: float = 2.0
    resend_unknown: bool = False
    batch: int = 50
    group: int = 25
    lanes: int = 3

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=2 * self.timeout + 1)


@dataclass(frozen=True, slots=True)
class Provider:
    """An adapter, the channels it serves and the pace of its account."""

    adapter: Adapter
    channels: tuple[Channel, ...]
    pace: Pace


class Delivery:
    """One provider account's share of the dispatcher. `me` names the process in claims."""

    def __init__(
        self, database: Database, people: People, book: ReceiptBook, clock: Clock, provider: Provider, options: Options, me: UUID
    ) -> None:
        self._database = database
        self._people = people
        self._book = book
        self._clock = clock
        self._provider = provider
        self._options = options
        self._me = me

    async def run(self) -> None:
        """Claims and delivers for ever, at most `lanes` batches at once."""
        lanes = asyncio.Semaphore(self._options.lanes)
        idle = _QUICK_SECONDS
        async with asyncio.TaskGroup() as tasks:
            while True:
                await lanes.acquire()
                taken = await self._claim()
                if taken:
                    idle = _QUICK_SECONDS
                    task = tasks.create_task(self._deliver(taken))
                    task.add_done_callback(lambda _: lanes.release())
                else:
                    lanes.release()
                    await asyncio.sleep(idle)
                    idle = min(idle * 1.5, _IDLE_SECONDS)

    async def _claim(self) -> list[Claim]:
        most = self._provider.pace.allowance(self._options.batch)
        if not most:
            return []
        async with self._database.begin() as session:
            return await claims.claim(session, self._me, self._provider.channels, most, self._options.lease)

    async def _deliver(self, taken: Sequence[Claim]) -> None:
        try:
            people = await self._people.known(claim.profile_id for claim in taken)
        except CallFailed as error:
            log.warning("dispatch.waiting", why=str(error))
            await self._release(taken, 1.0)
            return
        now = self._clock.now()
        going: list[Claim] = []
        stopped: dict[UUID, str] = {}
        for claim in taken:
            person = people.get(claim.profile_id)
            if claim.valid_until is not None and now >= claim.valid_until:
                stopped[claim.id] = EXPIRED
            elif person is None:
                stopped[claim.id] = UNKNOWN_PROFILE
            elif not person.may_get(claim.message.channel, claim.purpose):
                stopped[claim.id] = NO_CONSENT
            else:
                going.append(claim)
        await self._stop(stopped)
        groups = claims.grouped(going, self._options.group)
        for number, group in enumerate(groups):
            if number and not self._provider.pace.allowance(1):
                await self._release([claim for later in groups[number:] for claim in later], 0.0)
                return
            await self._provider.pace.take(len(group))
            await self._call(group)

    async def _call(self, group: Sequence[Claim]) -> None:
        async with self._database.begin() as session:
            marked = await claims.mark_calling(session, self._me, [claim.id for claim in group], self._options.lease)
            left = [claim.id for claim in group if claim.id not in marked]
            blocked = await claims.blocked(session, self._me, left) if left else {}
        await self._stop(blocked)
        calling = [claim for claim in group if claim.id in marked]
        deadline = asyncio.get_running_loop().time() + self._options.timeout
        outcomes = await asyncio.gather(*(self._send(claim, deadline) for claim in calling))
        await self._write(list(zip(calling, outcomes, strict=True)))

    async def _send(self, claim: Claim, deadline: float) -> Outcome:
        """Makes the call, unless this process slept so long that the lease could end during it."""
        if asyncio.get_running_loop().time() > deadline:
            return Refused(code="not_taken", permanent=False, detail="the dispatcher was held up")
        try:
            outcome = await self._provider.adapter.send(claim.message)
        except Exception as error:
            log.exception("dispatch.adapter_failed", attempt=str(claim.id))
            outcome = Unknown(why=f"the adapter failed: {type(error).__name__}")
        match outcome:
            case Accepted():
                self._provider.pace.succeeded()
            case Refused(permanent=True):
                self._provider.pace.succeeded()
            case Refused(retry_after=float(seconds)):
                self._provider.pace.told_to_wait(seconds)
            case Refused() | Unknown():
                self._provider.pace.failed()
            case _:
                assert_never(outcome)
        return outcome

    async def _write(self, outcomes: Sequence[tuple[Claim, Outcome]]) -> None:
        now = self._clock.now()
        settled = [_settled(claim, outcome) for claim, outcome in outcomes]
        refused = {claim.id: outcome for claim, outcome in outcomes if isinstance(outcome, Refused)}
        final = [each.id for each in settled if each.state == "refused"]
        async with self._database.begin() as session:
            await claims.settle(session, settled)
            await self._book.record(session, [report for each in outcomes for report in _reports(*each, now)])
            waiting = [each.id for each in settled if each.state in ("sent", "unknown")]
            with_fallback = {claim.id for claim, _ in outcomes if claim.falls_back}
            grace = timedelta(seconds=self._options.fallback_grace)
            await claims.arm_fallbacks(session, [id_ for id_ in waiting if id_ in with_fallback], now, grace)
            await self._book.refused(session, final, now)
            dead = {str(id_): Suppress.DEAD.value for id_, outcome in refused.items() if outcome.address_dead}
            stop = {str(id_): Suppress.STOP.value for id_, outcome in refused.items() if outcome.stopped}
            await suppressions.add_for_attempts(session, dead | stop, now)

    async def _stop(self, reasons: dict[UUID, str]) -> None:
        """Takes attempts back that may no longer go."""
        if not reasons:
            return
        now = self._clock.now()
        async with self._database.begin() as session:
            done = await claims.settle(session, [Settled(id_, "cancelled", reason) for id_, reason in reasons.items()])
            await self._book.record(
                session, [Report(id_, Status.CANCELLED, now, reason=reason) for id_, reason in reasons.items() if id_ in done]
            )

    async def _release(self, taken: Sequence[Claim], seconds: float) -> None:
        async with self._database.begin() as session:
            await claims.release(session, self._me, [claim.id for claim in taken], timedelta(seconds=seconds))


def _settled(claim: Claim, outcome: Outcome) -> Settled:
    match outcome:
        case Accepted():
            return Settled(claim.id, "sent", provider_id=outcome.provider_id)
        case Unknown():
            return Settled(claim.id, "unknown", outcome.why, wait=0.5)
        case Refused():
            reason = f"{outcome.code} {outcome.detail}".strip()
            if outcome.permanent or (outcome.retry_after is None and claim.calls + 1 >= _MOST_CALLS):
                return Settled(claim.id, "refused", reason)
            wait = min(2.0 ** min(claim.calls, 10), _LONGEST_WAIT_SECONDS)
            if outcome.retry_after is not None:
                wait = min(outcome.retry_after, _LONGEST_PAUSE_SECONDS)
            return Settled(claim.id, "queued", reason, wait=wait)
    assert_never(outcome)


def _reports(claim: Claim, outcome: Outcome, now: datetime) -> list[Report]:
    match outcome:
        case Accepted():
            return [Report(claim.id, Status.SENT, now, provider_id=outcome.provider_id, from_provider=True)]
        case Unknown():
            return [Report(claim.id, Status.UNKNOWN, now, reason=outcome.why)]
        case Refused():
            if _settled(claim, outcome).state != "refused":
                return []
            status = Status.BOUNCED if outcome.address_dead else Status.REJECTED
            return [Report(claim.id, status, now, reason=f"{outcome.code} {outcome.detail}".strip())]
    assert_never(outcome)
