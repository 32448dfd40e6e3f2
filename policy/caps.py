"""Frequency caps: so many messages to one person in so much time, over all journeys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from policy.purpose import TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Sent:
    """One try to reach a person that did not fail. Tries of one `message` on several channels count once."""

    at: datetime
    channel: str
    purpose: str
    message: str
    what: str = ""
    """What a person calls it: journey and step."""


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

    def filled_by(self, sent: Iterable[Sent], now: datetime) -> Sequence[Sent]:
        """The newest messages that leave no room for one more, oldest first; none where it fits now."""
        newest: dict[str, Sent] = {}
        for each in sent:
            if each.at + self.per > now and self.covers(each.channel, each.purpose):
                known = newest.get(each.message)
                newest[each.message] = each if known is None or each.at > known.at else known
        counted = sorted(newest.values(), key=lambda each: (each.at, each.message))
        return counted[-self.at_most :] if len(counted) >= self.at_most else ()


@dataclass(frozen=True, slots=True)
class Displaced:
    """A cap has no room; `until` is when it has (None: the message is not to wait), `by` are the messages that fill it."""

    until: datetime | None
    cap: FrequencyCap
    by: Sequence[Sent]

    def __str__(self) -> str:
        got = ", ".join(
            f"{each.what or each.message} ({each.channel}, {each.at.isoformat(timespec='seconds')})" for each in self.by
        )
        on, of = self.cap.channel, self.cap.purpose
        about = f"{f' {of}' if of else ''} message{'s' if self.cap.at_most > 1 else ''}{f' by {on}' if on else ''}"
        return f"at most {self.cap.at_most}{about} in {_span(self.cap.per)}, and there was {got}"


def _span(per: timedelta) -> str:
    hours, rest = divmod(per, timedelta(hours=1))
    if rest:
        return str(per)
    count, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{count} {unit}{'' if count == 1 else 's'}"


def displaced_until(
    caps: Sequence[FrequencyCap], sent: Sequence[Sent], now: datetime, *, channel: str, purpose: str, message: str = ""
) -> Displaced | None:
    """What holds a message back now; None where every cap has room. A cap that skips wins, then the one that opens last.

    `message`: its own earlier tries, on other channels, are no reason to hold it back.
    """
    others = [each for each in sent if each.message != message]
    latest: Displaced | None = None
    for cap in caps:
        by = cap.filled_by(others, now) if cap.covers(channel, purpose) else ()
        if not by:
            continue
        if cap.otherwise == "skip":
            return Displaced(None, cap, by)
        opens = by[0].at + cap.per
        if latest is None or (latest.until is not None and opens > latest.until):
            latest = Displaced(opens, cap, by)
    return latest
