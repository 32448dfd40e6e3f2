"""When a message that may be sent leaves: outside quiet hours, with room in every cap, and not after it is valid."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from policy.caps import FrequencyCap, Sent, displaced_until
from policy.purpose import TRANSACTIONAL
from policy.quiet_hours import QuietHours

EXPIRED, QUIET_HOURS, FREQUENCY_CAP = "expired", "quiet_hours", "frequency_cap"


class Ready(NamedTuple):
    """A message that may be sent, as far as it matters when it leaves.

    `message` is what all its tries have in common; the first of `zones` that exists is where the person lives.
    """

    message: str
    channel: str
    purpose: str
    valid_until: datetime | None
    zones: tuple[object, ...]


class Later(NamedTuple):
    """Ask again at `until`: quiet hours, or a frequency cap that has no room before."""

    until: datetime
    channel: str
    reason: str
    detail: str = ""


class No(NamedTuple):
    """Not at all."""

    reason: str
    detail: str = ""


def expired(valid_until: datetime | None, now: datetime) -> No | None:
    if valid_until is None or now < valid_until:
        return None
    return No(EXPIRED, f"valid until {valid_until.isoformat()}")


def kept_back(
    ready: Ready, now: datetime, hours: QuietHours | None, caps: Sequence[FrequencyCap], sent: Sequence[Sent]
) -> Later | No | None:
    """What keeps it from leaving now, quiet hours before caps; None where nothing does.

    `sent`: what the person got. Earlier tries of the same message, on other channels, do not count.
    """
    until = hours.until(now, *ready.zones) if hours is not None and ready.purpose != TRANSACTIONAL else None
    if until is not None:
        return _while_valid(ready, Later(until, ready.channel, QUIET_HOURS), f"quiet hours last until {until.isoformat()}")
    displaced = displaced_until(caps, sent, now, channel=ready.channel, purpose=ready.purpose, message=ready.message)
    if displaced is None:
        return None
    why = str(displaced)
    if displaced.until is None:
        return No(FREQUENCY_CAP, why)
    return _while_valid(ready, Later(displaced.until, ready.channel, FREQUENCY_CAP, why), why)


def _while_valid(ready: Ready, later: Later, why: str) -> Later | No:
    if ready.valid_until is not None and later.until >= ready.valid_until:
        return No(EXPIRED, f"{why}; the message is valid until {ready.valid_until.isoformat()}")
    return later
