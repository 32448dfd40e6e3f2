"""What the people of all the shops meet."""

from tests.differential import customers, guests, readers
from tests.differential.agreement import PEOPLE, life


def test_the_people_of_the_shops_meet_every_rule_of_delivery_and_ways_that_fail() -> None:
    met: set[str] = set()
    for shop in (*customers.SHOPS.values(), *guests.SHOPS.values(), *readers.SHOPS.values()):
        for seed in range(PEOPLE):
            lived = life(shop, shop.script(seed), f"p{seed}")
            lines = [line for run in lived.runs for line in run.lines]
            met |= {f"{line.kind} {line.seen['reason']}" for line in lines if line.kind in ("deferred", "skipped")}
            met |= {line.kind for line in lines} | {f"attempt {message.attempt}" for message in lived.messages}
    assert met >= {"deferred quiet_hours", "deferred frequency_cap", "skipped frequency_cap", "skipped no_consent"}
    assert met >= {"attempt 2", "attempt 3", "called", "emitted", "followed", "exit met", "goal met", "past_due"}
