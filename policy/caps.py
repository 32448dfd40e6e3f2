"""Frequency caps: so many messages to one person in so much time, over all journeys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TRANSACTIONAL = "transactional"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a person got."""

    at: datetime
    channel: str
    purpose: str


class FrequencyCap(BaseModel):
    """At most `at_most` messages in any span of length `per`.

    Without a purpose, those of all purposes count and are held back, but for transactional ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_most: Annotated[int, Field(ge=1)]
    """So many messages."""
    per: Annotated[timedelta, Field(gt=timedelta())]
    """In any span of this length, such as `P7D`."""
    purpose: str | None = None
    """Only messages of this purpose; all but transactional ones where left out."""
    channel: str | None = None
    """Only messages on this channel; on all channels together where left out."""
    otherwise: Literal["defer", "skip"] = "defer"
    """Whether a message over the cap waits for its turn, or is not sent at all."""

    def covers(self, channel: str, purpose: str) -> bool:
        """Whether a message on this channel for this purpose counts."""
        if self.channel not in (None, channel):
            return False
        return purpose != TRANSACTIONAL if self.purpose is None else purpose == self.purpose

    def opens(self, sent: Iterable[Sent], now: datetime) -> datetime | None:
        """When one more message fits; None where it fits now."""
        counted = sorted(each.at for each in sent if each.at + self.per > now and self.covers(each.channel, each.purpose))
        return counted[-self.at_most] + self.per if len(counted) >= self.at_most else None


@dataclass(frozen=True, slots=True)
class Displaced:
    """A cap has no room; `until` is when it has (None: the message is not to wait), `cap` says which."""

    until: datetime | None
    cap: FrequencyCap


def displaced_until(
    caps: Sequence[FrequencyCap], sent: Sequence[Sent], now: datetime, *, channel: str, purpose: str
) -> Displaced | None:
    """What holds a message back now; None where every cap has room. A cap that skips wins, then the one that opens last."""
    latest: Displaced | None = None
    for cap in caps:
        opens = cap.opens(sent, now) if cap.covers(channel, purpose) else None
        if opens is None:
            continue
        if cap.otherwise == "skip":
            return Displaced(None, cap)
        if latest is None or (latest.until is not None and opens > latest.until):
            latest = Displaced(opens, cap)
    return latest
