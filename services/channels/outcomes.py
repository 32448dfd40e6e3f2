"""Writes down what calls to a provider came to, and what was never called for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from channels.message import Accepted, Outcome, Refused, Unknown
from channels.receipts import Suppress
from contracts.channels import Status
from infra.clock import Clock
from infra.db import Database
from services.channels import settling, suppressions
from services.channels.claims import Claim
from services.channels.receipt_book import ReceiptBook, Report, fell_back
from services.channels.settling import Settled
from services.channels.turns import PATIENCE

log = structlog.get_logger(__name__)

_LONGEST_WAIT_SECONDS = 300.0
_LONGEST_PAUSE_SECONDS = 3600.0
_WRITE_AGAIN_SECONDS = (0.1, 0.5, 2.0, 5.0)


class Outcomes:
    """`most_calls`: as a `Provider` says. `fallback_grace`: the least real time that a wanted receipt has."""

    def __init__(
        self, database: Database, book: ReceiptBook, clock: Clock, *, most_calls: int | None, fallback_grace: timedelta
    ) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._most_calls = most_calls
        self._fallback_grace = fallback_grace

    async def write(self, outcomes: Sequence[tuple[Claim, Outcome]]) -> None:
        """Tries several times: nobody else knows these outcomes."""
        for seconds in _WRITE_AGAIN_SECONDS:
            try:
                await self._write_once(outcomes)
            except (OperationalError, InterfaceError, PoolTimeout) as error:
                log.warning("dispatch.write_again", attempts=len(outcomes), why=type(error).__name__)
                await asyncio.sleep(seconds)
            else:
                return
        await self._write_once(outcomes)

    async def _write_once(self, outcomes: Sequence[tuple[Claim, Outcome]]) -> None:
        now = self._clock.now()
        settled = [
            replace(_settled(claim, outcome, self._most_calls), calls=min(claim.calls + 1, settling.MOST_CALLS))
            for claim, outcome in outcomes
        ]
        refused = {claim.id: outcome for claim, outcome in outcomes if isinstance(outcome, Refused)}
        final = [each.id for each in settled if each.state == "refused"]
        async with self._database.begin() as session:
            late = settling.overtaken(settled, await settling.settle(session, settled))
            reports = [_report(*each, now) for each, after in zip(outcomes, settled, strict=True) if after.state != "queued"]
            reports += fell_back(late, now)
            await self._book.record(session, reports)
            waiting = [each.id for each in settled if each.state in ("sent", "unknown")]
            with_fallback = {claim.id for claim, _ in outcomes if claim.falls_back}
            await settling.arm_fallbacks(session, [id_ for id_ in waiting if id_ in with_fallback], now, self._fallback_grace)
            await self._book.refused(session, final, now)
            not_taken = [id_ for id_, outcome in refused.items() if not outcome.permanent]
            await settling.offer_fallbacks(session, not_taken, now, PATIENCE)
            dead = {str(id_): Suppress.DEAD.value for id_, outcome in refused.items() if outcome.address_dead}
            stop = {str(id_): Suppress.STOP.value for id_, outcome in refused.items() if outcome.stopped}
            await suppressions.add_for_attempts(session, dead | stop, now)

    async def stopped(self, reasons: dict[UUID, str]) -> None:
        """Takes attempts back that may no longer go."""
        if not reasons:
            return
        now = self._clock.now()
        async with self._database.begin() as session:
            done = await settling.settle(session, [Settled(id_, "cancelled", reason) for id_, reason in reasons.items()])
            await self._book.record(
                session, [Report(id_, Status.CANCELLED, now, reason=reason) for id_, reason in reasons.items() if id_ in done]
            )


def _settled(claim: Claim, outcome: Outcome, most_calls: int | None) -> Settled:
    match outcome:
        case Accepted():
            return Settled(claim.id, "sent", provider_id=outcome.provider_id)
        case Unknown():
            return Settled(claim.id, "unknown", outcome.why, wait=0.5)
        case Refused():
            reason = f"{outcome.code} {outcome.detail}".strip()
            out_of_reach = most_calls is not None and outcome.retry_after is None and claim.calls + 1 >= most_calls
            if outcome.permanent or out_of_reach:
                return Settled(claim.id, "refused", reason)
            wait = min(2.0 ** min(claim.calls, 10), _LONGEST_WAIT_SECONDS)
            if outcome.retry_after is not None:
                wait = min(outcome.retry_after, _LONGEST_PAUSE_SECONDS)
            return Settled(claim.id, "queued", reason, wait=wait)
    assert_never(outcome)


def _report(claim: Claim, outcome: Outcome, now: datetime) -> Report:
    """What became of an attempt that is not tried again."""
    match outcome:
        case Accepted():
            return Report(claim.id, Status.SENT, now, provider_id=outcome.provider_id, from_provider=True)
        case Unknown():
            return Report(claim.id, Status.UNKNOWN, now, reason=outcome.why)
        case Refused():
            status = Status.BOUNCED if outcome.address_dead else Status.REJECTED
            return Report(claim.id, status, now, reason=f"{outcome.code} {outcome.detail}".strip())
    assert_never(outcome)
