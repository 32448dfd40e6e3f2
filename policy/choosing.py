"""May a message be sent, on which of its ranked channels, and when: asked by the channels service and by the simulator."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from policy.caps import FrequencyCap, Sent
from policy.leaving import Later, No, Ready, expired, kept_back
from policy.purpose import PURPOSE_MISMATCH, consented, purpose_mismatch
from policy.quiet_hours import QuietHours

NO_CONSENT, SUPPRESSED, UNREACHABLE = "no_consent", "suppressed", "unreachable"
TEMPLATE_ERROR, UNKNOWN_TEMPLATE, UNKNOWN_PROFILE = "template_error", "unknown_template", "unknown_profile"

Content = TypeVar("Content")
Content_co = TypeVar("Content_co", covariant=True)


class Asked(NamedTuple):
    """What is to be sent. `position`: the first of `channels` that may still be tried. `zone`: of people who have none."""

    message: str
    """What all its tries have in common: those on other channels count for no cap against it."""
    template: str
    channels: Sequence[str]
    purpose: str
    valid_until: datetime | None
    position: int = 0
    zone: str | None = None


class Made(Protocol):
    """A template, as far as it matters here."""

    @property
    def purpose(self) -> str | None: ...


class Recipient(Protocol[Content_co]):
    """Who is to get it, channel by channel: a question is put only where those before it let the message pass."""

    @property
    def zone(self) -> object:
        """Where they say that they live."""
        ...

    def unreachable(self, channel: str) -> str | None:
        """Why it does not lead to them, empty where there is nothing to add; None where it does."""
        ...

    def word(self, channel: str, purpose: str) -> bool | None:
        """Their newest word: they agreed, they took it back, or they never said."""
        ...

    def suppressed(self, channel: str) -> bool:
        """Whether nothing may go to any of their addresses."""
        ...

    def content(self, channel: str) -> Content_co | No:
        """What the template says to them there."""
        ...


class Go(NamedTuple, Generic[Content]):
    """It leaves now. `passed_over` says why the better channels did not take it."""

    channel: str
    position: int
    content: Content
    passed_over: str


def no_part(template: str) -> str:
    """The detail of a template that says nothing on a channel."""
    return f"the template {template!r} has no part for it"


def choose(
    asked: Asked,
    made: Made | None,
    to: Recipient[Content] | None,
    now: datetime,
    hours: QuietHours | None,
    caps: Sequence[FrequencyCap],
    sent: Sequence[Sent],
) -> Go[Content] | Later | No:
    """The first of the ranked channels that reaches the person, is consented to, not suppressed, and has something to say.

    When none does, the first channel's reason is the answer, and the detail says it of each. When one does, quiet hours and
    frequency caps say whether it goes now. `made` and `to` are None where nobody knows that template, or that person.
    """
    if (over := expired(asked.valid_until, now)) is not None:
        return over
    if to is None:
        return No(UNKNOWN_PROFILE)
    if made is None:
        return No(UNKNOWN_TEMPLATE)
    if (mismatch := purpose_mismatch(asked.purpose, asked.template, made.purpose)) is not None:
        return No(PURPOSE_MISMATCH, mismatch)
    refusals: list[tuple[str, str]] = []
    for position in range(asked.position, len(asked.channels)):
        channel = asked.channels[position]
        found = _tried(channel, asked.purpose, to)
        if not isinstance(found, No):
            ready = Ready(asked.message, channel, asked.purpose, asked.valid_until, (to.zone, asked.zone))
            passed_over = "; ".join(sentence for _, sentence in refusals)
            return kept_back(ready, now, hours, caps, sent) or Go(channel, position, found, passed_over)
        refusals.append((found.reason, f"{channel}: {found.reason}" + (f" ({found.detail})" if found.detail else "")))
    if not refusals:
        return No(UNREACHABLE, "no further channel")
    return No(refusals[0][0], "; ".join(sentence for _, sentence in refusals))


def _tried(channel: str, purpose: str, to: Recipient[Content]) -> Content | No:
    if (why := to.unreachable(channel)) is not None:
        return No(UNREACHABLE, why)
    if not consented(purpose, to.word(channel, purpose)):
        return No(NO_CONSENT)
    if to.suppressed(channel):
        return No(SUPPRESSED)
    return to.content(channel)
