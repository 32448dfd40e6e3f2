"""Shops that write by the rules: to those who confirmed, by day, not too often, on another channel when one fails."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any

from journeys.simulation import Behaviour, Consent, ConsentChanges, TraitsChange
from policy import DeliveryPolicy
from tests.differential.guests import dog, publisher, puppy
from tests.differential.shops import CHANNELS, ZONES, Happening, Shop, by_name, event, none


def _newsletter(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 4)):
        yield event(at(0.01, 6), "Newsletter Requested", form="footer", token="t")
    if dice.random() < 0.7:
        yield event(at(0.01, 10), "Newsletter Confirmed")


def _fickle(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    """The publisher's people, who also change their minds."""
    yield from publisher(dice, at)
    for _ in range(dice.randrange(3)):
        consent = Consent(
            channel=dice.choice(CHANNELS), purpose="marketing", state=dice.choice(["granted", "withdrawn", "withdrawn"])
        )
        yield ConsentChanges(at=at(0.1, 20), consent=consent)
    if dice.random() < 0.3:
        yield TraitsChange(at=at(1, 20), traits={"timezone": dice.choice(ZONES)})


_SLOW_POST: Mapping[str, Any] = {
    "whatsapp": [],
    "sms": [{"status": "bounced", "after": ["PT5M", "PT5M"]}],
    "email": [{"status": "delivered"}, {"status": "opened", "after": ["PT20H", "PT20H"]}],
}
_AT_NIGHT = DeliveryPolicy.model_validate(
    {
        "quiet_hours": "21:00-08:00",
        "caps": [{"at_most": 1, "per": "P4D"}, {"at_most": 1, "per": "P20D", "channel": "whatsapp", "otherwise": "skip"}],
    }
)

_STRICT: Mapping[str, Any] = {"delivery": _AT_NIGHT, "behaviour": Behaviour.model_validate(_SLOW_POST), "choosy": True}

SHOPS = by_name(
    Shop("double-opt-in", 30, none, _newsletter),
    Shop("publisher", 60, none, _fickle, name="publisher, capped and at night", **_STRICT),
    Shop("petshop", 120, dog, puppy, name="petshop, capped and at night", **_STRICT),
)
