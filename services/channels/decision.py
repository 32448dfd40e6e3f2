"""May this message be sent, on which channel, when, and saying what: decided without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.message import Content, EmailContent
from contracts.channels import Channel, Purpose
from contracts.profiles import ConsentState, Profile
from infra.liquid import RenderFailed
from policy import PURPOSE_MISMATCH, FrequencyCap, No, QuietHours, Ready, Sent, expired, kept_back, purpose_mismatch
from services.channels.address import Address, addresses
from services.channels.links import Links, Unsubscribe
from services.channels.templates import Compiled

NO_CONSENT = "no_consent"
SUPPRESSED = "suppressed"
UNREACHABLE = "unreachable"
TEMPLATE_ERROR = "template_error"
UNKNOWN_PROFILE = "unknown_profile"
UNKNOWN_TEMPLATE = "unknown_template"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent. `position`: the first of `channels` that may still be tried. `zone`: of people who have none."""

    message_id: UUID
    profile_id: UUID
    channels: tuple[Channel, ...]
    purpose: str
    context: Mapping[str, Any]
    journey: str
    valid_until: datetime | None
    position: int = 0
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """Send now: one attempt per address."""

    channel: Channel
    position: int
    letters: tuple[tuple[Address, Content], ...]
    passed_over: str


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again then: quiet hours, or a frequency cap that has no room before."""

    until: datetime
    channel: Channel
    reason: str
    detail: str = ""


Decision = Go | Later | No


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that hold for all messages. `configured`: channels that have a provider."""

    links: Links
    quiet_hours: QuietHours | None
    configured: frozenset[Channel]
    caps: tuple[FrequencyCap, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A profile with its addresses per channel, worked out once."""

    profile: Profile
    reach: Mapping[Channel, tuple[Address, ...]]

    @classmethod
    def of(cls, profile: Profile) -> Person:
        return cls(profile, {channel: addresses(channel, profile.traits) for channel in Channel})

    @property
    def ids(self) -> frozenset[UUID]:
        """Every id under which the person is or was known: messages and consents keep the one of their time."""
        return frozenset((self.profile.id, *self.profile.merged))

    def may_get(self, channel: Channel, purpose: str) -> bool:
        """Transactional goes unless it was withdrawn; any other purpose needs a granted consent."""
        newest: ConsentState | None = None
        latest: datetime | None = None
        for consent in self.profile.consents:
            if consent.channel == channel and consent.purpose == purpose and (latest is None or consent.at >= latest):
                newest, latest = consent.state, consent.at
        if purpose == Purpose.TRANSACTIONAL:
            return newest is not ConsentState.WITHDRAWN
        return newest is ConsentState.GRANTED


def decide(
    wish: Wish,
    person: Person | None,
    template: Compiled | None,
    suppressed: frozenset[tuple[str, str]],
    sent: Sequence[Sent],
    now: datetime,
    policy: Policy,
) -> Decision:
    """The first of the ranked channels that reaches the person, is consented to, not suppressed, and renders.

    `suppressed` holds (channel, address hash), `sent` what the person got. When none does, the first channel's reason
    is the answer, and the detail says it of each. When one does, quiet hours and frequency caps say whether it goes now.
    """
    if (over := expired(wish.valid_until, now)) is not None:
        return over
    if person is None:
        return No(UNKNOWN_PROFILE)
    if template is None:
        return No(UNKNOWN_TEMPLATE)
    mismatch = purpose_mismatch(wish.purpose, template.key, template.purpose)
    if mismatch is not None:
        return No(PURPOSE_MISMATCH, mismatch)
    refusals: list[tuple[str, str]] = []
    for position, channel in enumerate(wish.channels[wish.position :], start=wish.position):
        outcome = _try(channel, wish, person, template, suppressed, policy)
        if isinstance(outcome, No):
            refusals.append(
                (outcome.reason, f"{channel.value}: {outcome.reason}" + (f" ({outcome.detail})" if outcome.detail else ""))
            )
            continue
        passed_over = "; ".join(sentence for _, sentence in refusals)
        return _in_its_turn(Go(channel, position, outcome, passed_over), wish, person, sent, now, policy)
    if not refusals:
        return No(UNREACHABLE, "no further channel")
    return No(refusals[0][0], "; ".join(sentence for _, sentence in refusals))


def _in_its_turn(go: Go, wish: Wish, person: Person, sent: Sequence[Sent], now: datetime, policy: Policy) -> Decision:
    zones = (person.profile.traits.get("timezone"), wish.zone)
    ready = Ready(str(wish.message_id), go.channel.value, wish.purpose, wish.valid_until, zones)
    kept = kept_back(ready, now, policy.quiet_hours, policy.caps, sent)
    if kept is None or isinstance(kept, No):
        return kept or go
    return Later(kept.until, go.channel, kept.reason, kept.detail)


def _try(
    channel: Channel, wish: Wish, person: Person, template: Compiled, suppressed: frozenset[tuple[str, str]], policy: Policy
) -> tuple[tuple[Address, Content], ...] | No:
    if channel not in policy.configured:
        return No(UNREACHABLE, "no provider is configured")
    reach = person.reach[channel]
    if not reach:
        return No(UNREACHABLE)
    if not person.may_get(channel, wish.purpose):
        return No(NO_CONSENT)
    open_to = [address for address in reach if (channel.value, address.hash) not in suppressed]
    if not open_to:
        return No(SUPPRESSED)
    if channel not in template.sources:
        return No(TEMPLATE_ERROR, f"the template {template.key!r} has no part for it")
    url = policy.links.url(Unsubscribe(person.profile.id, wish.message_id, channel, wish.purpose))
    try:
        content = template.render(
            channel, render_context(person.profile.id, person.profile.traits, wish.context, wish.journey, url)
        )
    except RenderFailed as error:
        return No(TEMPLATE_ERROR, str(error))
    if isinstance(content, EmailContent) and wish.purpose != Purpose.TRANSACTIONAL:
        content = content.model_copy(update={"unsubscribe_url": url})
    return tuple((address, content) for address in open_to)


def render_context(
    profile_id: UUID, traits: Mapping[str, Any], given: Mapping[str, Any], journey: str, unsubscribe_url: str
) -> dict[str, Any]:
    """What a template may use: `profile`, `entry`, `event`, `results`, `journey` and `unsubscribe_url`.

    `profile` has the traits, the same under `traits` as journeys name them, and `id`.
    """
    return {
        "profile": {**traits, "traits": traits, "id": str(profile_id)},
        "entry": given.get("entry") or {},
        "event": given.get("event") or {},
        "results": given.get("results") or {},
        "journey": journey,
        "unsubscribe_url": unsubscribe_url,
    }
