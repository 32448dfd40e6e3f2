"""The people of a shop live the same lives in the simulator and in the real system: same path, same instants, same messages.

The real side is all four services, Temporal, its worker and PostgreSQL; only the time between two due instants is skipped.
"""

from collections.abc import Callable
from datetime import timedelta

from conditions import parse_condition
from journeys import parse_journey
from journeys.simulation import Answer, Life, Script, Setting, simulate
from tests.differential.building import stage
from tests.differential.scripted import acts
from tests.differential.shops import START, Shop
from tests.differential.stage import ZONE, computed_traits
from tests.differential.traces import differing, recorded, simulated

PEOPLE = 4


async def agree(shop: Shop, address: str, databases: Callable[[str], str]) -> None:
    """`address`: Temporal's. `databases` makes a migrated one and answers its URL."""
    scripts = {f"p{seed}": shop.script(seed) for seed in range(PEOPLE)}
    until = START + timedelta(days=shop.days)
    definitions = shop.read("journeys")
    async with stage(address, databases, START, delivery=shop.delivery, behaviour=shop.behaviour, answer=shop.answer) as real:
        await real.publish(
            definitions,
            segments=shop.read("segments"),
            templates=shop.read("templates"),
            computed=shop.read("computed"),
        )
        under_test = str(definitions[-1]["key"])
        await real.play([act for user, script in scripts.items() for act in acts(real, user, script, under_test)], until)
        for user, script in scripts.items():
            profile = await real.profile(user)
            moments, letters = simulated(life(shop, script, str(profile)))
            real_moments, real_letters = await recorded(real, profile)
            assert moments == real_moments, (user, script, differing(moments, real_moments))
            assert letters == real_letters, (user, script, differing(letters, real_letters))


def life(shop: Shop, script: Script, profile: str) -> Life:
    """As the simulator says."""
    definitions = shop.read("journeys")
    setting = Setting(
        journeys={body["key"]: parse_journey(body) for body in definitions},
        segments={body["key"]: parse_condition(body["condition"]) for body in shop.read("segments")},
        computed=computed_traits(shop.read("computed")),
        zone=ZONE,
        policy=shop.delivery,
        behaviour=shop.behaviour,
        answers={"tell-reception": (Answer(status=shop.answer),)},
    )
    person = script.person.model_copy(update={"id": profile})
    until = START + timedelta(days=shop.days)
    return simulate(parse_journey(definitions[-1]), script.model_copy(update={"person": person}), setting, until)
