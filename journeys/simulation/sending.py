"""May this message leave, on which channel, and when: the channels service's rules, without templates' text."""

from dataclasses import dataclass
from datetime import datetime

from journeys.simulation.being import Being
from policy import PURPOSE_MISMATCH, TRANSACTIONAL, displaced_until, purpose_mismatch

NO_CONSENT, SUPPRESSED, UNREACHABLE, EXPIRED = "no_consent", "suppressed", "unreachable", "expired"
TEMPLATE_ERROR, UNKNOWN_TEMPLATE, FREQUENCY_CAP = "template_error", "unknown_template", "frequency_cap"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent. `position`: the first of `channels` that may still be tried."""

    template: str
    channels: tuple[str, ...]
    purpose: str
    valid_until: datetime | None
    message: str
    """Enrolment, step and visit: earlier tries of it on other channels count for no cap against it."""
    position: int = 0
    zone: str | None = None
    """Of people who have none; the journey's."""


@dataclass(frozen=True, slots=True)
class Go:
    channel: str
    position: int


@dataclass(frozen=True, slots=True)
class Later:
    until: datetime
    channel: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class No:
    reason: str
    detail: str = ""


def judge(wish: Wish, being: Being, now: datetime) -> Go | Later | No:
    """The first of the ranked channels that reaches the person, is consented to and not suppressed; then hours and caps.

    When none does, the first channel's reason is the answer.
    """
    if wish.valid_until is not None and now >= wish.valid_until:
        return No(EXPIRED, f"valid until {wish.valid_until.isoformat()}")
    templates = being.stage.setting.templates
    if templates is not None and wish.template not in templates:
        return No(UNKNOWN_TEMPLATE)
    if templates is not None:
        mismatch = purpose_mismatch(wish.purpose, wish.template, templates[wish.template].purpose)
        if mismatch is not None:
            return No(PURPOSE_MISMATCH, mismatch)
    refusals: list[tuple[str, str]] = []
    for position, channel in enumerate(wish.channels[wish.position :], start=wish.position):
        reason = _refusal(channel, wish, being)
        if reason is None:
            return _in_its_turn(Go(channel, position), wish, being, now)
        refusals.append((reason, f"{channel}: {reason}"))
    if not refusals:
        return No(UNREACHABLE, "no further channel")
    return No(refusals[0][0], "; ".join(sentence for _, sentence in refusals))


def _refusal(channel: str, wish: Wish, being: Being) -> str | None:
    if not being.reachable(channel):
        return UNREACHABLE
    if not being.may_get(channel, wish.purpose):
        return NO_CONSENT
    if channel in being.suppressed:
        return SUPPRESSED
    templates = being.stage.setting.templates
    if templates is not None and channel not in templates[wish.template].channels:
        return TEMPLATE_ERROR
    return None


def _in_its_turn(go: Go, wish: Wish, being: Being, now: datetime) -> Go | Later | No:
    quiet = being.stage.quiet_hours
    until = None
    if quiet is not None and wish.purpose != TRANSACTIONAL:
        until = quiet.until(now, being.traits.get("timezone"), wish.zone)
    if until is not None:
        if wish.valid_until is not None and until >= wish.valid_until:
            said = f"quiet hours last until {until.isoformat()}; the message is valid until {wish.valid_until.isoformat()}"
            return No(EXPIRED, said)
        return Later(until, go.channel, "quiet_hours")
    caps = being.stage.setting.policy.caps
    if not caps:
        return go
    displaced = displaced_until(caps, being.sent, now, channel=go.channel, purpose=wish.purpose, message=wish.message)
    if displaced is None:
        return go
    said = str(displaced)
    if displaced.until is None:
        return No(FREQUENCY_CAP, said)
    if wish.valid_until is not None and displaced.until >= wish.valid_until:
        return No(EXPIRED, f"{said}; the message is valid until {wish.valid_until.isoformat()}")
    return Later(displaced.until, go.channel, FREQUENCY_CAP, said)
