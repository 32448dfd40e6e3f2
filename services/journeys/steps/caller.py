"""Makes the calls that `call` steps asked for: in the background, again where that may help, each at least once.

A try is claimed before it is made. Whoever dies in the middle leaves its claim to run out; then the call is made again under
the same idempotency key. The answer, its signal and the end of the call are one transaction.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from infra.clock import Clock
from infra.db import Database
from infra.liquid import RenderFailed
from infra.outbound import Outbound, OutboundAnswer, OutboundFailed
from journeys.model import Call
from services.journeys.outgoing import Outgoing
from services.journeys.steps import calls
from services.journeys.steps.calls import ClaimedCall
from services.journeys.steps.requests import Secrets, render
from services.journeys.steps.responses import LARGEST_BODY, Verdict, judge, pause
from services.journeys.steps.results import Answer, answer

log = structlog.get_logger(__name__)

_SCAN_SECONDS = 2.0  # what another process left is seen after this at the latest
_LONGEST_TRY = 60.0


class Caller:
    """Claims due calls, makes them, and tells what came of them. Up to `at_once` in hand, `per_host` to one host."""

    def __init__(
        self,
        *,
        database: Database,
        outbound: Outbound,
        secrets: Secrets,
        clock: Clock,
        deliver: Callable[[Sequence[Outgoing]], None],
        at_once: int = 64,
        per_host: int = 8,
    ) -> None:
        self._database = database
        self._outbound = outbound
        self._secrets = secrets
        self._clock = clock
        self._deliver = deliver
        self._at_once = at_once
        self._per_host = per_host
        self._busy: Counter[str] = Counter()
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def notify(self) -> None:
        """New calls were committed, or there is room again."""
        self._news.set()

    async def run(self) -> None:
        """Calls until cancelled; what is in hand then is called again after its lease."""
        try:
            while True:
                self._news.clear()
                if await self.step() == 0:
                    await self._pause()
        finally:
            for task in self._running:
                task.cancel()

    async def step(self) -> int:
        """Starts the tries that are due and that there is room for; answers how many."""
        room = self._at_once - len(self._running)
        if room <= 0:
            return 0
        async with self._database.begin() as session:
            claimed = await calls.claim(
                session, self._clock.real_now(), limit=room, per_host=self._per_host, busy=dict(self._busy)
            )
        for call in claimed:
            self._start(call)
        return len(claimed)

    async def idle(self) -> None:
        """Waits until nothing is in hand."""
        while self._running:
            await asyncio.wait(self._running)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_SCAN_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return

    def _start(self, call: ClaimedCall) -> None:
        host = str(call.request["host"])
        self._busy[host] += 1
        task = asyncio.create_task(self._try(call))
        self._running.add(task)

        def finished(done: asyncio.Task[None]) -> None:
            self._running.discard(done)
            self._busy[host] -= 1
            if self._busy[host] <= 0:
                del self._busy[host]
            self.notify()

        task.add_done_callback(finished)

    async def _try(self, call: ClaimedCall) -> None:
        try:
            step = Call.model_validate(call.request["step"])
            verdict = judge(await self._called(call, step), self._secrets, self._clock.real_now())
            await self._settle(call, step, verdict)
        except Exception:  # the lease runs out, and it is tried again
            log.exception("call.not_settled", enrolment=str(call.enrolment_id), step=call.step, visit=call.visit)

    async def _called(self, call: ClaimedCall, step: Call) -> OutboundAnswer | OutboundFailed:
        if call.attempts > step.retry.attempts:  # claimed so often by somebody who died of it
            return OutboundFailed("every try was broken off", final=True)
        try:
            request = render(step, call.request["context"], self._secrets.revealed(), call.key)
            seconds = min(step.timeout.longest.total_seconds(), _LONGEST_TRY)
            return await self._outbound.call(request, timeout=seconds, most_bytes=LARGEST_BODY)
        except RenderFailed as error:
            return OutboundFailed(str(error), final=True)
        except OutboundFailed as error:
            return error

    async def _settle(self, call: ClaimedCall, step: Call, verdict: Verdict) -> None:
        told: list[Outgoing] = []
        async with self._database.begin() as session:
            if verdict.path == "again" and call.attempts < step.retry.attempts:
                wait = pause(step.retry, call.attempts, verdict.retry_after)
                await calls.again(session, call, self._clock.real_now() + wait)
                asyncio.get_running_loop().call_later(wait.total_seconds(), self.notify)
            elif await calls.done(session, call):
                path = "ok" if verdict.path == "ok" else "failed"
                result = {**verdict.result, "tries": call.attempts}
                found = Answer(call.enrolment_id, call.step, call.visit, path, call.key, result, self._clock.now())
                told = await answer(session, [found])
        self._deliver(told)
        error = verdict.result.get("error")
        log.info("call.tried", host=call.request["host"], step=call.step, verdict=verdict.path, tries=call.attempts, error=error)
