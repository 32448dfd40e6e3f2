"""May this message be sent, on which channel, when, and saying what: decided without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.message import Content, EmailContent
from contracts.channels import Channel, Purpose
from contracts.profiles import Consent, ConsentState, Profile
from infra.liquid import RenderFailed
from policy import TEMPLATE_ERROR, Asked, FrequencyCap, Go, Later, No, QuietHours, Sent, choose, no_part
from services.channels.address import Address, addresses
from services.channels.links import Links, Unsubscribe
from services.channels.templates import Compiled

Letters = tuple[tuple[Address, Content], ...]
"""What leaves: one attempt per address."""
Decision = Go[Letters] | Later | No


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent. `position`: the first of `channels` that may still be tried. `zone`: of people who have none."""

    message_id: UUID
    profile_id: UUID
    template: str
    channels: tuple[Channel, ...]
    purpose: str
    context: Mapping[str, Any]
    journey: str
    valid_until: datetime | None
    position: int = 0
    zone: str | None = None


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

    def word(self, channel: str, purpose: str) -> bool | None:
        """The newest word on it: granted, withdrawn, or nothing."""
        newest: Consent | None = None
        for consent in self.profile.consents:
            if consent.channel == channel and consent.purpose == purpose and (newest is None or consent.at >= newest.at):
                newest = consent
        return None if newest is None else newest.state is ConsentState.GRANTED


@dataclass(frozen=True, slots=True)
class _Addressee:
    """The person as the rules of delivery look at them; `closed` holds (channel, address hash)."""

    wish: Wish
    person: Person
    template: Compiled | None
    closed: frozenset[tuple[str, str]]
    policy: Policy

    @property
    def zone(self) -> object:
        return self.person.profile.traits.get("timezone")

    def unreachable(self, channel: str) -> str | None:
        if channel not in self.policy.configured:
            return "no provider is configured"
        return None if self.person.reach[Channel(channel)] else ""

    def word(self, channel: str, purpose: str) -> bool | None:
        return self.person.word(channel, purpose)

    def suppressed(self, channel: str) -> bool:
        return not self._open(channel)

    def content(self, channel: str) -> Letters | No:
        wish, profile, template = self.wish, self.person.profile, self.template
        if template is None or channel not in template.sources:
            return No(TEMPLATE_ERROR, no_part(wish.template))
        url = self.policy.links.url(Unsubscribe(profile.id, wish.message_id, Channel(channel), wish.purpose))
        try:
            content = template.render(
                Channel(channel), render_context(profile.id, profile.traits, wish.context, wish.journey, url)
            )
        except RenderFailed as error:
            return No(TEMPLATE_ERROR, str(error))
        if isinstance(content, EmailContent) and wish.purpose != Purpose.TRANSACTIONAL:
            content = content.model_copy(update={"unsubscribe_url": url})
        return tuple((address, content) for address in self._open(channel))

    def _open(self, channel: str) -> list[Address]:
        return [address for address in self.person.reach[Channel(channel)] if (channel, address.hash) not in self.closed]


def decide(
    wish: Wish,
    person: Person | None,
    template: Compiled | None,
    suppressed: frozenset[tuple[str, str]],
    sent: Sequence[Sent],
    now: datetime,
    policy: Policy,
) -> Decision:
    """May it be sent, on which channel, and when. `suppressed` holds (channel, address hash), `sent` what the person got."""
    channels = [channel.value for channel in wish.channels]
    asked = Asked(
        str(wish.message_id), wish.template, channels, wish.purpose, wish.valid_until, position=wish.position, zone=wish.zone
    )
    to = None if person is None else _Addressee(wish, person, template, suppressed, policy)
    return choose(asked, template, to, now, policy.quiet_hours, policy.caps, sent)


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
