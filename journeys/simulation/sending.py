"""May this message leave, on which channel, and when: the channels service's rules, without templates' text."""

from datetime import datetime
from typing import NamedTuple

from journeys.simulation.being import Being
from policy import PURPOSE_MISMATCH, No, Ready, expired, kept_back, purpose_mismatch

NO_CONSENT, SUPPRESSED, UNREACHABLE = "no_consent", "suppressed", "unreachable"
TEMPLATE_ERROR, UNKNOWN_TEMPLATE = "template_error", "unknown_template"


class Wish(NamedTuple):
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


class Go(NamedTuple):
    channel: str
    position: int


class Later(NamedTuple):
    until: datetime
    channel: str
    reason: str
    detail: str = ""


def judge(wish: Wish, being: Being, now: datetime) -> Go | Later | No:
    """The first of the ranked channels that reaches the person, is consented to and not suppressed; then hours and caps.

    When none does, the first channel's reason is the answer.
    """
    if (over := expired(wish.valid_until, now)) is not None:
        return over
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
    ready = Ready(wish.message, go.channel, wish.purpose, wish.valid_until, (being.traits.get("timezone"), wish.zone))
    kept = kept_back(ready, now, being.stage.quiet_hours, being.stage.setting.policy.caps, being.sent)
    if kept is None or isinstance(kept, No):
        return kept or go
    return Later(kept.until, go.channel, kept.reason, kept.detail)
