"""Random journeys that may be published never fail where they run: people live them as the simulator says they do."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pytest

from contracts.journeys import EnrolRequest
from infra.local.temporal import TemporalServer
from journeys import parse_journey
from journeys.simulation import Enrolled, simulate
from tests.differential import random_journeys
from tests.differential.shops import START
from tests.differential.stage import Stage, stage
from tests.differential.test_agreement import _arrives, _happens, _profile
from tests.differential.traces import recorded, simulated

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
        happenings: list[tuple[datetime, Callable[[], Awaitable[None]]]] = []
        for user, script in scripts.items():
            happenings.append((script.happenings[0].at, _arrives(real, user, script)))
            happenings += [
                (each.at, _enrols(real, user, each) if isinstance(each, Enrolled) else _happens(real, user, each))
                for each in script.happenings[1:]
            ]
        await real.play(happenings, until)
        for user, script in scripts.items():
            profile = await _profile(real, user)
            person = script.person.model_copy(update={"id": str(profile)})
            life = simulate(
                parse_journey(definition), script.model_copy(update={"person": person}), random_journeys.setting(), until
            )
            moments, letters = simulated(life)
            real_moments, real_letters = await recorded(real, profile)
            assert moments == real_moments, differing(moments, real_moments)
            assert letters == real_letters, differing(letters, real_letters)


def _enrols(real: Stage, user: str, happening: Enrolled) -> Callable[[], Awaitable[None]]:
    """Whom its rules refuse is not enrolled; nor by the simulator."""

    async def act() -> None:
        request = EnrolRequest(
            profile_id=await _profile(real, user),
            idempotency_key=user,
            entry_key=happening.enrol.entry_key,
            properties=happening.enrol.properties,
        )
        await real.clients["journeys"].request("POST", "/v1/journeys/small/enrolments", request.model_dump(mode="json"))

    return act


def differing(simulated: Sequence[object], real: Sequence[object]) -> str:
    """What only one of them knows, in order."""
    only = [f"simulated: {each}" for each in simulated if each not in real]
    return "\n".join([*only, *(f"real: {each}" for each in real if each not in simulated)])
