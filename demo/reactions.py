"""How people answer what they get: a pure function of the seed, the person and the message."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from demo.people import stream

Deed = Literal["open", "click", "reply", "unsubscribe"]

EXCUSES = (
    "The train was cancelled, I sat in Crewe for three hours",
    "My daughter was ill, sorry!",
    "I had the wrong weekend in my calendar",
    "Couldn't find anywhere to park and gave up",
    "Too far for me in this weather",
    "Work. As always.",
    "We had a burst pipe, of all days",
    "Honestly, I was too shy to come on my own",
)
THANKS = ("Thank you!", "Looking forward to it", "See you there", "Brilliant, thanks")


@dataclass(frozen=True, slots=True)
class Reaction:
    """What somebody does with a message, so long (virtual) after it arrived."""

    after: timedelta
    deed: Deed
    text: str | None = None


def react(seed: int, person_id: str, template: str, channel: str, visit: int = 1) -> tuple[Reaction, ...]:
    """In the order they happen; most messages are opened at most. Web push knows clicks only, SMS replies only."""
    chance = stream(seed, f"{person_id} {template} {channel} {visit}")
    if channel in ("sms", "whatsapp") and chance.random() < 0.02:
        return (Reaction(_soon(chance), "reply", "STOP"),)
    if template == "event-no-show-question" and channel == "whatsapp":
        return _excuse(chance)
    if channel == "whatsapp":
        return _whatsapp(chance)
    if channel == "email":
        return _email(chance)
    if channel == "web_push" and chance.random() < 0.2:
        return (Reaction(_soon(chance), "click"),)
    return ()


def _soon(chance: Random) -> timedelta:
    return timedelta(hours=chance.uniform(0.5, 10))


def _excuse(chance: Random) -> tuple[Reaction, ...]:
    if chance.random() > 0.7:
        return ()
    read = _soon(chance)
    return (Reaction(read, "open"), Reaction(read + timedelta(hours=3), "reply", chance.choice(EXCUSES)))


def _whatsapp(chance: Random) -> tuple[Reaction, ...]:
    if chance.random() > 0.8:
        return ()
    read = Reaction(_soon(chance), "open")
    if chance.random() < 0.12:
        return (read, Reaction(read.after + timedelta(hours=1), "reply", chance.choice(THANKS)))
    return (read,)


def _email(chance: Random) -> tuple[Reaction, ...]:
    if chance.random() > 0.55:
        return ()
    opened = Reaction(_soon(chance), "open")
    luck = chance.random()
    if luck < 0.3:
        return (opened, Reaction(opened.after + timedelta(minutes=20), "click"))
    if luck < 0.36:
        return (opened, Reaction(opened.after + timedelta(minutes=20), "unsubscribe"))
    return (opened,)
