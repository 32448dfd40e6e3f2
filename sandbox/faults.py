"""Faults on demand: what goes wrong with the next calls, for one channel, one recipient or everybody."""

import random
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field

from sandbox.messages import Channel, Frozen

Effect = Literal[
    "timeout",  # never answer
    "error",  # answer `status`
    "rate_limit",  # 429 with Retry-After, never recorded
    "delay",  # answer `seconds` later
    "undelivered",  # SMS and WhatsApp end as `undelivered` with `error_code`
    "failed",  # SMS and WhatsApp end as `failed` with `error_code`
    "bounce",  # email bounces with `reason`
    "defer",  # email is deferred once, then delivered
    "gone",  # a push subscription is dropped: 410 now and ever after
    "drop_callback",  # nothing is reported about the message
    "delay_callback",  # every report about the message comes `seconds` late
]


class FaultRequest(Frozen):
    """What to break. Without ``channel`` and ``to`` it concerns every call."""

    effect: Effect
    channel: Channel | None = None
    to: str | None = None
    recorded: bool = False
    """For ``timeout`` and ``error``: the message is accepted, only the answer goes missing."""
    times: Annotated[int, Field(ge=1)] | None = None
    """The next N calls only; none: until deleted."""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    """Makes the sequence of hits and misses of ``probability`` repeatable."""
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[int, Field(ge=0)] = 1
    seconds: Annotated[float, Field(ge=0)] = 1.0
    error_code: int = 30003
    reason: str = "550 5.1.1 The email account that you tried to reach does not exist."


class Fault(FaultRequest):
    """A fault in force. ``hits`` counts the calls it struck."""

    id: str
    hits: int = 0


class Outcome:
    """What the faults in force do to one call; all none: nothing."""

    __slots__ = ("answer", "callback_delay", "callbacks_dropped", "delay", "delivery", "gone")

    def __init__(self) -> None:
        self.delay = 0.0
        self.answer: Fault | None = None
        self.delivery: Fault | None = None
        self.gone = False
        self.callbacks_dropped = False
        self.callback_delay = 0.0

    @property
    def prevents_recording(self) -> bool:
        return self.answer is not None and (self.answer.effect == "rate_limit" or not self.answer.recorded)


class FaultBoard:
    """The faults in force, in the order they were made."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[Fault, random.Random]] = {}

    def add(self, request: FaultRequest) -> Fault:
        fault = Fault(id=uuid4().hex, **request.model_dump())
        self._faults[fault.id] = (fault, random.Random(request.seed))  # noqa: S311 -- chance, not secrecy
        return fault

    def in_force(self) -> list[Fault]:
        return [fault for fault, _ in self._faults.values()]

    def clear(self, fault_id: str | None = None) -> int:
        """Removes one fault, or all; answers how many."""
        if fault_id is None:
            count = len(self._faults)
            self._faults.clear()
            return count
        return 0 if self._faults.pop(fault_id, None) is None else 1

    def strike(self, channel: Channel, to: str) -> Outcome:
        """Draws for every fault that concerns a call and uses up those that hit."""
        outcome = Outcome()
        for fault, chance in list(self._faults.values()):
            if fault.channel not in (None, channel) or fault.to not in (None, to):
                continue
            if fault.probability < 1 and chance.random() >= fault.probability:
                continue
            hit = fault.model_copy(update={"hits": fault.hits + 1})
            if hit.times is not None and hit.hits >= hit.times:
                del self._faults[fault.id]
            else:
                self._faults[fault.id] = (hit, chance)
            _fold(outcome, hit)
        return outcome


def _fold(outcome: Outcome, fault: Fault) -> None:
    match fault.effect:
        case "timeout" | "error" | "rate_limit":
            outcome.answer = outcome.answer or fault
        case "undelivered" | "failed" | "bounce" | "defer":
            outcome.delivery = outcome.delivery or fault
        case "delay":
            outcome.delay += fault.seconds
        case "gone":
            outcome.gone = True
        case "drop_callback":
            outcome.callbacks_dropped = True
        case "delay_callback":
            outcome.callback_delay += fault.seconds
