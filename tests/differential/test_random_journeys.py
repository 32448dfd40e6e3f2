"""Random journeys that may be published never fail where they run: people live them as the simulator says they do."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from infra.local.temporal import TemporalServer
from journeys import parse_journey
from journeys.simulation import simulate
from tests.differential import random_journeys
from tests.differential.building import stage
from tests.differential.scripted import acts
from tests.differential.shops import START
from tests.differential.traces import differing, recorded, simulated

JOURNEYS = 3


@pytest.mark.parametrize("number", range(JOURNEYS))
async def test_people_live_a_random_journey_as_the_simulator_says(
    number: int, temporal: TemporalServer, migrated_database: Callable[[str], str]
) -> None:
    definition = random_journeys.journey(number)
    scripts = {f"p{seed}": random_journeys.script(definition, seed) for seed in (number, 1000 + number)}
    until = START + timedelta(days=random_journeys.DAYS)
    async with stage(temporal.address, migrated_database, START) as real:
        await real.publish(
            [random_journeys.OTHER, definition],
            segments=random_journeys.SEGMENTS,
            templates=random_journeys.TEMPLATES,
            computed=random_journeys.COMPUTED,
        )
        await real.play([act for user, script in scripts.items() for act in acts(real, user, script, definition["key"])], until)
        for user, script in scripts.items():
            profile = await real.profile(user)
            person = script.person.model_copy(update={"id": str(profile)})
            life = simulate(
                parse_journey(definition), script.model_copy(update={"person": person}), random_journeys.setting(), until
            )
            moments, letters = simulated(life)
            real_moments, real_letters = await recorded(real, profile)
            assert moments == real_moments, differing(moments, real_moments)
            assert letters == real_letters, differing(letters, real_letters)
