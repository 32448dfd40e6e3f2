"""The simulator and the real system live the same lives: same path, same instants, same messages.

The real side is all four services, Temporal, its worker and PostgreSQL; only the time between two due instants is skipped.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from sqlalchemy import text

from conditions import parse_condition
from conditions.computed import ComputedDraft, ComputedTrait
from infra.local.temporal import TemporalServer
from journeys import parse_journey
from journeys.simulation import EventHappens, MessageOutcome, Setting, TraitsChange, simulate
from journeys.simulation.people import AnyHappening
from tests.differential.shops import SHOPS, START, Shop
from tests.differential.stage import Stage, stage
from tests.differential.traces import recorded, simulated

PEOPLE = 4


@pytest.mark.parametrize("shop", SHOPS.values(), ids=SHOPS)
async def test_people_with_random_futures_live_the_same_lives(
    shop: Shop, temporal: TemporalServer, migrated_database: Callable[[str], str]
) -> None:
    scripts = {f"p{seed}": shop.script(seed) for seed in range(PEOPLE)}
    until = START + timedelta(days=shop.days)
    definitions = shop.read("journeys")
    async with stage(temporal.address, migrated_database, START) as real:
        await real.publish(
            definitions,
            segments=shop.read("segments"),
            templates=shop.read("templates"),
            computed=shop.read("computed"),
        )
        happenings: list[tuple[datetime, Callable[[], Awaitable[None]]]] = []
        for user, script in scripts.items():
            arrival = script.happenings[0]
            assert isinstance(arrival, TraitsChange)
            happenings.append((arrival.at, _arrives(real, user, arrival.traits)))
            happenings += [(each.at, _happens(real, user, each)) for each in script.happenings[1:]]
        await real.play(happenings, until)
        for user, script in scripts.items():
            profile = await _profile(real, user)
            setting = Setting(
                journeys={body["key"]: parse_journey(body) for body in definitions},
                segments={body["key"]: parse_condition(body["condition"]) for body in shop.read("segments")},
                computed={
                    body["key"]: ComputedTrait(body["key"], ComputedDraft.model_validate(_without_key(body)))
                    for body in shop.read("computed")
                },
                zone="Europe/Berlin",
            )
            person = script.person.model_copy(update={"id": str(profile)})
            life = simulate(parse_journey(definitions[-1]), script.model_copy(update={"person": person}), setting, until)
            moments, letters = simulated(life)
            real_moments, real_letters = await recorded(real, profile)
            assert moments == real_moments, (user, script)
            assert letters == real_letters, (user, script)


def _arrives(real: Stage, user: str, traits: Mapping[str, JsonValue]) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        for channel in ("email", "sms", "whatsapp", "web_push"):
            await real.consent(user, channel, "marketing", "granted")
        await real.identify(user, traits)

    return act


def _happens(real: Stage, user: str, happening: AnyHappening) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        match happening:
            case EventHappens():
                await real.track(user, happening.event, happening.properties)
            case TraitsChange():
                await real.change(await _profile(real, user), happening.traits)
            case MessageOutcome():
                await real.outcome(await _profile(real, user), happening.message, happening.status, happening.text)
            case _:
                raise TypeError(f"the stage has no such thing: {happening!r}")

    return act


async def _profile(real: Stage, user: str) -> UUID:
    async with real.databases["profiles"].read() as session:
        statement = text("SELECT profile_id FROM identity WHERE kind = 'user_id' AND value = :user")
        found: UUID = (await session.execute(statement, {"user": user})).scalar_one()
        return found


def _without_key(body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in body.items() if name != "key"}
