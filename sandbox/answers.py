"""Plays the faults that concern the answer of a call: late, wrong or never."""

import asyncio
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response

from sandbox.faults import Fault, FaultBoard, Outcome
from sandbox.messages import Channel

ErrorAnswer = Callable[[int, dict[str, str]], Response]
"""Makes a provider's error body for a status, with extra headers."""


class Answers:
    """Stands between a provider's endpoint and its caller."""

    def __init__(self, faults: FaultBoard, hang_seconds: float) -> None:
        self._faults = faults
        self._hang_seconds = hang_seconds

    async def strike(self, channel: Channel, to: str) -> Outcome:
        """Draws the faults for a call and waits as long as they delay it."""
        outcome = self._faults.strike(channel, to)
        if outcome.delay:
            await asyncio.sleep(outcome.delay)
        return outcome

    async def spoil(self, fault: Fault, request: Request, error: ErrorAnswer) -> Response:
        """The answer a fault leaves: a 429, an error, or none until the caller gives up."""
        if fault.effect == "rate_limit":
            return error(429, {"Retry-After": str(fault.retry_after)})
        if fault.effect == "error":
            return error(fault.status, {})
        await _caller_gone(request, self._hang_seconds)
        return Response(status_code=504)


async def _caller_gone(request: Request, at_most_seconds: float) -> None:
    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        async with asyncio.timeout(at_most_seconds):
            await disconnected()
    except TimeoutError:
        pass
