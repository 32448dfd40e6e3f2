"""Sends what is due through one provider account: claim, check once more, mark, call, write down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import structlog

from channels.message import Accepted, Adapter, Outcome, Refused, Unknown
from contracts.channels import Channel, Status
from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed
from policy import NO_CONSENT, UNKNOWN_PROFILE, No, Ready, consented, expired, kept_back
from services.channels import claims
from services.channels.claims import Claim
from services.channels.consents import heeded
from services.channels.decision import Person, Policy
from services.channels.outcomes import Outcomes
from services.channels.pace import Pace
from services.channels.people import People
from services.channels.receipt_book import ReceiptBook, Report
from services.channels.settling import Settled, settle

log = structlog.get_logger(__name__)

_QUICK_SECONDS = 0.02
_IDLE_SECONDS = 0.25
_TROUBLE_SECONDS = 1.0


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

    @property
    def patience(self) -> float:
        """How long a claim may wait for the pace: well inside the lease for all lanes together."""
        return self.lease.total_seconds() / (self.lanes + 1)


@dataclass(frozen=True, slots=True)
class Provider:
    """An adapter, the channels it serves and the pace of its account.

    `most_calls`: after so many refused connections an address counts as out of reach; none: what never left waits for
    the provider as long as it is valid.
    """

    adapter: Adapter
    channels: tuple[Channel, ...]
    pace: Pace
    most_calls: int | None = None


class Delivery:
    """One provider account's share of the dispatcher. `me` names the process in claims."""

    def __init__(
        self,
        database: Database,
        people: People,
        book: ReceiptBook,
        clock: Clock,
        policy: Policy,
        provider: Provider,
        options: Options,
        me: UUID,
    ) -> None:
        self._database = database
        self._people = people
        self._book = book
        self._clock = clock
        self._policy = policy
        self._provider = provider
        self._options = options
        self._me = me
        self._outcomes = Outcomes(
            database, book, clock, most_calls=provider.most_calls, fallback_grace=timedelta(seconds=options.fallback_grace)
        )
        self._aimed = False

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
                    task = tasks.create_task(self._lane(taken))
                    task.add_done_callback(lambda _: lanes.release())
                else:
                    lanes.release()
                    await asyncio.sleep(idle)
                    idle = min(idle * 1.5, _IDLE_SECONDS)

    async def _claim(self) -> list[Claim]:
        most = self._provider.pace.allowance(self._options.batch, self._options.patience)
        if not most:
            return []
        try:
            async with self._database.begin() as session:
                if not self._aimed:
                    await claims.aim(session, self._clock)
                taken, unreadable = await claims.claim(session, self._me, self._provider.channels, most, self._options.lease)
                if unreadable:
                    now, why = self._clock.now(), "its content cannot be read"
                    await settle(session, [Settled(id_, "refused", why) for id_ in unreadable])
                    await self._book.record(session, [Report(id_, Status.REJECTED, now, reason=why) for id_ in unreadable])
                    await self._book.refused(session, unreadable, now)
        except Exception:  # the lanes under way have calls to write down
            log.exception("dispatch.claim_failed")
            await asyncio.sleep(_TROUBLE_SECONDS)
            return []
        self._aimed = True
        return taken

    async def _lane(self, taken: Sequence[Claim]) -> None:
        """One lane's trouble must not cancel the calls of the others; what it leaves behind is recovered by lease."""
        try:
            await self._deliver(taken)
        except Exception:
            log.exception("dispatch.lane_failed", attempts=len(taken))
            await asyncio.sleep(_TROUBLE_SECONDS)

    async def _deliver(self, taken: Sequence[Claim]) -> None:
        pace = self._provider.pace
        groups = claims.grouped(taken, self._options.group)
        for number, group in enumerate(groups):
            left = [claim for later in groups[number:] for claim in later]
            if (number and pace.is_closed) or not await pace.take(len(group), self._options.patience):
                await self._release(left, 0.0)
                return
            try:
                people = await self._people.known(claim.profile_id for claim in group)
            except CallFailed as error:
                log.warning("dispatch.waiting", why=str(error))
                pace.give_back(len(group))
                await self._release(left, 1.0)
                return
            await self._call(group, people)

    async def _call(self, group: Sequence[Claim], people: Mapping[UUID, Person]) -> None:
        stopped: dict[UUID, str] = {}
        async with self._database.begin() as session:
            people = await heeded(session, people)
            going: list[UUID] = []
            held: dict[UUID, datetime] = {}
            for claim in group:
                verdict = self._verdict(claim, people.get(claim.profile_id))
                if isinstance(verdict, str):
                    stopped[claim.id] = verdict
                elif verdict is not None:
                    held[claim.id] = verdict
                else:
                    going.append(claim.id)
            await claims.hold_back(session, self._me, held, self._clock)
            marked = await claims.mark_calling(session, self._me, going, self._options.lease)
            left = [id_ for id_ in going if id_ not in marked]
            stopped |= await claims.blocked(session, self._me, left) if left else {}
        self._provider.pace.give_back(len(group) - len(marked))
        await self._outcomes.stopped(stopped)
        calling = [claim for claim in group if claim.id in marked]
        deadline = asyncio.get_running_loop().time() + self._options.timeout
        outcomes = await asyncio.gather(*(self._send(claim, deadline) for claim in calling))
        await self._outcomes.write(list(zip(calling, outcomes, strict=True)))

    def _verdict(self, claim: Claim, person: Person | None) -> str | datetime | None:
        """Why it may not go (any more), when the quiet hours end that it must wait for, or nothing."""
        now = self._clock.now()
        if (over := expired(claim.valid_until, now)) is not None:
            return over.reason
        if person is None:
            return UNKNOWN_PROFILE
        if not consented(claim.purpose, person.word(claim.message.channel, claim.purpose)):
            return NO_CONSENT
        zones = (person.profile.traits.get("timezone"), claim.zone)
        ready = Ready(str(claim.id), claim.message.channel.value, claim.purpose, claim.valid_until, zones)
        kept = kept_back(ready, now, self._policy.quiet_hours, (), ())  # its place in the caps it has
        if isinstance(kept, No):
            return kept.reason
        return None if kept is None else kept.until

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
                log.warning("dispatch.told_to_wait", account=self._provider.adapter.account, code=outcome.code, seconds=seconds)
                self._provider.pace.told_to_wait(seconds)
            case Refused() | Unknown():
                self._provider.pace.failed()
            case _:
                assert_never(outcome)
        return outcome

    async def _release(self, taken: Sequence[Claim], seconds: float) -> None:
        async with self._database.begin() as session:
            await claims.release(session, self._me, [claim.id for claim in taken], timedelta(seconds=seconds))
