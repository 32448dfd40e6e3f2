"""Shops whose people sign up, fill carts, buy, and stay away."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from journeys.simulation import MessageOutcome
from tests.differential.shops import Happening, Shop, by_name, event, none


def _cart(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for cart in ("c1", "c2"):
        first = at(0.01, 3)
        for _ in range(dice.randrange(1, 4)):
            first += timedelta(minutes=dice.randrange(1, 400))
            yield event(first, "Cart Updated", cart_id=cart, items=dice.randrange(4))
        if dice.random() < 0.6:
            yield event(first + timedelta(minutes=dice.randrange(6000)), "Order Completed", cart_id=cart, total=10)
        if dice.random() < 0.2:
            yield event(first + timedelta(minutes=dice.randrange(3000)), "Cart Emptied", cart_id=cart)


def _coffee(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(1, 6)):
        yield event(
            at(0.01, 80), "Order Completed", category=dice.choice(["coffee", "coffee", "tea"]), lasts_days=dice.randrange(5, 40)
        )
    if dice.random() < 0.2:
        yield event(at(30, 80), "Subscription Started")


def _onboarding(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    yield event(at(0.01, 2), "Signed Up", plan=dice.choice(["trial", "pro"]))
    if dice.random() < 0.6:
        yield event(at(0.01, 16), "Project Created")
    if dice.random() < 0.2:
        yield event(at(1, 12), "Account Closed")


def _lapsing(dice: Random, at: Callable[..., datetime]) -> Iterator[Happening]:
    for _ in range(dice.randrange(2, 5)):
        yield event(at(0.01, 20), "Order Completed", total=dice.randrange(20, 200))
    if dice.random() < 0.4:
        yield event(at(95, 150), "Order Completed", total=20)
    if dice.random() < 0.5:
        yield MessageOutcome(at=at(95, 125), message="miss-you", status=dice.choice(["opened", "clicked"]))


SHOPS = by_name(
    Shop("abandoned-cart", 15, none, _cart),
    Shop("replenishment", 130, none, _coffee),
    Shop("onboarding", 30, none, _onboarding),
    Shop("win-back", 160, none, _lapsing),
)
