"""Finds out what became of attempts that nobody got an answer for; sends again only what provably never arrived.

claimed, lease over   the call was never begun: queued again
calling, lease over   unknown
unknown               a provider's report settles it; else the provider is asked:
    has it            sent
    does not have it  queued again once the grace time is over
    cannot tell       stays unknown for ever, unless REIS_UNKNOWN_RESEND

What would be queued again is cancelled where the next channel has taken over meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog

from channels.message import Accepted, Adapter, Asked, Lookup
from contracts.channels import Channel, Status
from infra.clock import Clock
from infra.db import Database
from services.channels import claims, settling
from services.channels.claims import Claim
from services.channels.delivery import Options
from services.channels.receipt_book import ReceiptBook, Report, fell_back
from services.channels.settling import Settled

log = structlog.get_logger(__name__)

_MOST = 100
_TOGETHER = 10
_SHORTEST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 3600.0


class Reconciler:
    """Runs in every dispatcher; rows are shared by lease."""

    def __init__(
        self, database: Database, book: ReceiptBook, clock: Clock, adapters: Mapping[Channel, Adapter], options: Options
    ) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._adapters = adapters
        self._options = options
        self._together = asyncio.Semaphore(_TOGETHER)

    async def run(self) -> None:
        """Recovers and looks up for ever."""
        while True:
            await self.recover()
            found = await self.look_up()
            await asyncio.sleep(_SHORTEST_WAIT_SECONDS if found else 2 * _SHORTEST_WAIT_SECONDS)

    async def recover(self) -> None:
        """Takes over what dead dispatchers left behind."""
        now = self._clock.now()
        async with self._database.begin() as session:
            interrupted = await claims.recover(session)
            reports = [Report(id_, Status.UNKNOWN, now, reason="the dispatcher ended during the call") for id_ in interrupted]
            await self._book.record(session, reports)
            await settling.arm_fallbacks(session, interrupted, now, timedelta(seconds=self._options.fallback_grace))
        if interrupted:
            log.warning("dispatch.interrupted", attempts=len(interrupted))

    async def look_up(self) -> int:
        """One round of asking providers; answers how many attempts it concerned."""
        async with self._database.begin() as session:
            doubtful = await claims.unknown(session, _MOST, self._options.lease)
        if not doubtful:
            return 0
        async with self._database.read() as session:
            taken = await claims.taken(session, [claim.address_hash for claim in doubtful])
        rounds = await asyncio.gather(*(self._ask(each, taken) for each in claims.by_address(doubtful).values()))
        answers = [answer for round_ in rounds for answer in round_]
        now = self._clock.now()
        async with self._database.begin() as session:
            settled = [self._settled(claim, answer) for claim, answer in answers]
            late = settling.overtaken(settled, await settling.settle(session, settled))
            found = [(claim, answer) for claim, answer in answers if isinstance(answer, Accepted)]
            reports = [Report(claim.id, Status.SENT, now, provider_id=a.provider_id, from_provider=True) for claim, a in found]
            reports += fell_back(late, now)
            await self._book.record(session, reports)
        return len(answers)

    async def _ask(self, doubtful: Sequence[Claim], taken: frozenset[str]) -> list[tuple[Claim, Accepted | Lookup]]:
        """One address after the other attempt, so that two alike are not both found in the same message."""
        answers: list[tuple[Claim, Accepted | Lookup]] = []
        for claim in doubtful:
            adapter = self._adapters.get(claim.message.channel)
            called_at = claim.called_at or datetime.now(UTC)
            answer: Accepted | Lookup = Lookup.CANNOT_TELL
            if adapter is not None:
                async with self._together:
                    try:
                        answer = await adapter.look_up(Asked(message=claim.message, called_at=called_at, taken=taken))
                    except Exception:  # the others' answers count all the same
                        log.exception("dispatch.look_up_failed", attempt=str(claim.id))
            if isinstance(answer, Accepted):
                taken |= {answer.provider_id}
            answers.append((claim, answer))
        return answers

    def _settled(self, claim: Claim, answer: Accepted | Lookup) -> Settled:
        grace_over = claim.unknown_for.total_seconds() >= self._options.grace
        match answer:
            case Accepted():
                return Settled(claim.id, "sent", provider_id=answer.provider_id)
            case Lookup.ABSENT if grace_over:
                return Settled(claim.id, "queued")
            case Lookup.CANNOT_TELL if grace_over and self._options.resend_unknown:
                return Settled(claim.id, "queued")
            case Lookup.ABSENT | Lookup.CANNOT_TELL:
                wait = min(max(claim.unknown_for.total_seconds() / 2, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
                if not grace_over:
                    wait = min(wait, max(self._options.grace - claim.unknown_for.total_seconds(), _SHORTEST_WAIT_SECONDS))
                return Settled(claim.id, "unknown", wait=wait)
        assert_never(answer)
