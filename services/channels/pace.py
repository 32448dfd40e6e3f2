"""How fast a provider account may be called: a rate, a pause it asked for, and a circuit breaker. Real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_FAILURES_TO_OPEN = 5
_FIRST_OPEN_SECONDS = 2.0
_LONGEST_OPEN_SECONDS = 60.0
_AHEAD_SECONDS = 0.25


class Pace:
    """One per provider account and process. `rate`: calls per second at most; 0: no limit of ours.

    `is_one_server` false: behind it are many servers of strangers (push services), so that what one of them answers
    says nothing about the others, and must not stop them.

    After five failures in a row the breaker opens; then one call at a time tries whether the provider is back.
    """

    def __init__(self, rate: float, now: Callable[[], float] | None = None, *, is_one_server: bool = True) -> None:
        self._rate = rate
        self._is_one_server = is_one_server
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._next = 0.0
        self._closed_until = 0.0
        self._failures = 0
        self._open_seconds = _FIRST_OPEN_SECONDS

    @property
    def is_closed(self) -> bool:
        """Whether nobody may call now, whatever the rate."""
        return self._now() < self._closed_until

    def allowance(self, most: int, seconds: float) -> int:
        """How many attempts may be claimed now: what the rate takes in `seconds`, none while calls wait for it."""
        if self.is_closed or (self._rate > 0 and self._next > self._now() + _AHEAD_SECONDS):
            return 0
        if self._failures >= _FAILURES_TO_OPEN:
            return 1
        return min(most, max(1, int(self._rate * seconds))) if self._rate > 0 else most

    async def take(self, count: int, patience: float) -> bool:
        """Waits until `count` more calls are within the rate; takes none (false) if that is longer than `patience`."""
        if self._rate <= 0:
            return True
        start = max(self._next, self._now())
        if start > self._now() + patience:
            return False
        self._next = start + count / self._rate
        await asyncio.sleep(max(0.0, start - self._now()))
        return True

    def give_back(self, count: int) -> None:
        """So many of the calls taken were not made."""
        if self._rate > 0:
            self._next -= count / self._rate

    def succeeded(self) -> None:
        self._failures = 0
        self._open_seconds = _FIRST_OPEN_SECONDS

    def failed(self) -> None:
        """A call that the provider did not answer, or that did not reach it."""
        if not self._is_one_server:
            return
        self._failures += 1
        if self._failures >= _FAILURES_TO_OPEN and self._now() >= self._closed_until:
            self._closed_until = self._now() + self._open_seconds
            self._open_seconds = min(self._open_seconds * 2, _LONGEST_OPEN_SECONDS)

    def told_to_wait(self, seconds: float) -> None:
        """The provider answered 429: nobody calls it before that."""
        if self._is_one_server:
            self._closed_until = max(self._closed_until, self._now() + seconds)
