"""Delivers the callbacks the sandbox owes, and tries again while their receiver is away."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

import orjson

from sandbox.http import HttpClient, UnreachableError
from sandbox.records import Callback, CallbackSettled
from sandbox.settings import SandboxSettings
from sandbox.signing import EventWebhookKey, twilio_signature
from sandbox.store import Store

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 10.0
BATCH = 500
"""Events in one post of the Event Webhook at most."""
BATCH_SECONDS = 0.03
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}


class _Owed:
    """A callback on its way, tried ``tries`` times, to be given up at ``deadline``."""

    __slots__ = ("callback", "deadline", "tries")

    def __init__(self, callback: Callback, deadline: datetime) -> None:
        self.callback = callback
        self.deadline = deadline
        self.tries = 0


class Courier:
    """Takes callbacks from the store and brings each of them to its receiver at least once.

    A callback is written down before it is tried, so a restart sends what is still owed. A refused connection, a
    time-out, a server error and a 429 are tried again with back-off for ``callback_retry_seconds``; after that the
    callback counts as ``lost``. Any other answer but 2xx counts as ``refused``: asking again would not help.
    """

    def __init__(
        self,
        store: Store,
        http_client: HttpClient,
        settings: SandboxSettings,
        webhook_key: EventWebhookKey,
    ) -> None:
        self._store = store
        self._http = http_client
        self._settings = settings
        self._key = webhook_key
        self._queue: asyncio.Queue[_Owed] = asyncio.Queue()
        self._events: asyncio.Queue[_Owed] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self.retries = 0

    @property
    def running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def start(self) -> None:
        """Starts the workers and takes up what was owed before a restart. Needs a running loop."""
        work: list[Callable[[], Coroutine[None, None, None]]] = [self._deliver_events]
        work += [self._deliver_singly] * self._settings.callback_workers
        self._tasks = [asyncio.create_task(job()) for job in work]
        for callback in list(self._store.callbacks.values()):
            self._schedule(callback)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def owe(self, callback: Callback) -> None:
        """Takes on a callback; counts it as lost at once if too many are waiting already."""
        if not self._settings.callbacks and callback.lane != "browser":
            return
        full = len(self._store.callbacks) >= self._settings.callback_limit
        self._store.record(callback)
        if full:
            self._settle([callback], "lost", "too many callbacks are waiting")
        else:
            self._schedule(callback)

    def _schedule(self, callback: Callback) -> None:
        now = datetime.now(UTC)
        wait = max(0.0, (callback.due_at - now).total_seconds())
        deadline = now + timedelta(seconds=wait + self._settings.callback_retry_seconds)
        self._enqueue(_Owed(callback, deadline), wait)

    def _enqueue(self, owed: _Owed, wait: float) -> None:
        queue = self._events if owed.callback.lane == "sendgrid" else self._queue
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, queue.put_nowait, owed)
        else:
            queue.put_nowait(owed)

    async def _deliver_singly(self) -> None:
        while True:
            owed = await self._queue.get()
            if not await self._try([owed.callback]):
                self._retry_later(owed)

    async def _deliver_events(self) -> None:
        """SendGrid's way: whatever gathered within a moment goes out as one signed array."""
        while True:
            gathered = [await self._events.get()]
            await asyncio.sleep(BATCH_SECONDS)
            while len(gathered) < BATCH and not self._events.empty():
                gathered.append(self._events.get_nowait())
            for url in dict.fromkeys(owed.callback.url for owed in gathered):
                batch = [owed for owed in gathered if owed.callback.url == url]
                if not await self._try([owed.callback for owed in batch]):
                    for owed in batch:
                        self._retry_later(owed)

    def _retry_later(self, owed: _Owed) -> None:
        if datetime.now(UTC) >= owed.deadline:
            self._settle([owed.callback], "lost", f"not delivered within {self._settings.callback_retry_seconds:g} s")
            return
        self.retries += 1
        owed.tries += 1
        self._enqueue(owed, min(FIRST_RETRY_SECONDS * 2 ** (owed.tries - 1), LONGEST_RETRY_SECONDS))

    async def _try(self, batch: list[Callback]) -> bool:
        """True when the matter is settled."""
        headers, body = self._letter(batch)
        try:
            status = await self._http.request(batch[0].method, batch[0].url, headers=headers, body=body)
        except UnreachableError as error:
            log.info("callback not delivered yet: %s", error)
            return False
        if status in (408, 429) or status >= 500:
            log.info("callback to %s answered %d, will try again", batch[0].url, status)
            return False
        if status >= 400:
            self._settle(batch, "refused", f"answered {status}")
        else:
            self._settle(batch, "delivered")
        return True

    def _letter(self, batch: list[Callback]) -> tuple[dict[str, str], bytes]:
        first = batch[0]
        match first.lane:
            case "twilio":
                signature = twilio_signature(self._settings.twilio_auth_token.get_secret_value(), first.url, first.params)
                headers = {**FORM, "X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"}
                return headers, urlencode(first.params).encode()
            case "sendgrid":
                # The real one ends its body with CRLF, and the signature covers it.
                body = orjson.dumps([callback.event for callback in batch]) + b"\r\n"
                timestamp = str(int(datetime.now(UTC).timestamp()))
                headers = {
                    "Content-Type": "application/json;charset=utf-8",
                    "User-Agent": "SendGrid Event API",
                    "X-Twilio-Email-Event-Webhook-Signature": self._key.sign(timestamp, body),
                    "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
                }
                return headers, body
            case "browser":
                headers = {"User-Agent": "Mozilla/5.0 (sandbox customer)"}
                if first.method == "POST":
                    headers |= FORM
                return headers, urlencode(first.params).encode() if first.params else b""

    def _settle(self, batch: list[Callback], outcome: Literal["delivered", "refused", "lost"], why: str = "") -> None:
        if outcome != "delivered":
            log.warning("%d callback(s) to %s %s: %s", len(batch), batch[0].url, outcome, why)
        self._store.record(CallbackSettled(ids=tuple(c.id for c in batch), outcome=outcome))
