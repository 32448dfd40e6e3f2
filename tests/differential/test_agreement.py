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
from journeys.simulation import (
    Answer,
    Consent,
    ConsentChanges,
    EventHappens,
    Life,
    MessageOutcome,
    Script,
    Setting,
    TraitsChange,
    simulate,
)
from journeys.simulation.people import AnyHappening
from tests.differential.shops import SHOPS, START, Shop
from tests.differential.stage import ZONE, Stage, stage
from tests.differential.traces import recorded, simulated

PEOPLE = 4


@pytest.mark.parametrize("shop", SHOPS.values(), ids=SHOPS)
async def test_people_with_random_futures_live_the_same_lives(
    shop: Shop, temporal: TemporalServer, migrated_database: Callable[[str], str]
) -> None:
    scripts = {f"p{seed}": shop.script(seed) for seed in range(PEOPLE)}
    until = START + timedelta(days=shop.days)
    definitions = shop.read("journeys")
    async with stage(
        temporal.address, migrated_database, START, delivery=shop.delivery, behaviour=shop.behaviour, answer=shop.answer
    ) as real:
        await real.publish(
            definitions,
            segments=shop.read("segments"),
            templates=shop.read("templates"),
            computed=shop.read("computed"),
        )
        happenings: list[tuple[datetime, Callable[[], Awaitable[None]]]] = []
        for user, script in scripts.items():
            happenings.append((script.happenings[0].at, _arrives(real, user, script)))
            happenings += [(each.at, _happens(real, user, each)) for each in script.happenings[1:]]
        await real.play(happenings, until)
        for user, script in scripts.items():
            profile = await _profile(real, user)
            moments, letters = simulated(_life(shop, script, str(profile)))
            real_moments, real_letters = await recorded(real, profile)
            assert moments == real_moments, (user, script)
            assert letters == real_letters, (user, script)


def test_the_people_of_the_shops_meet_every_rule_of_delivery_and_ways_that_fail() -> None:
    met: set[str] = set()
    for shop in SHOPS.values():
        for seed in range(PEOPLE):
            life = _life(shop, shop.script(seed), f"p{seed}")
            lines = [line for run in life.runs for line in run.lines]
            met |= {f"{line.kind} {line.seen['reason']}" for line in lines if line.kind in ("deferred", "skipped")}
            met |= {line.kind for line in lines} | {f"attempt {message.attempt}" for message in life.messages}
    assert met >= {"deferred quiet_hours", "deferred frequency_cap", "skipped frequency_cap", "skipped no_consent"}
    assert met >= {"attempt 2", "attempt 3", "called", "emitted", "followed", "exit met", "goal met", "past_due"}


def _life(shop: Shop, script: Script, profile: str) -> Life:
    definitions = shop.read("journeys")
    setting = Setting(
        journeys={body["key"]: parse_journey(body) for body in definitions},
        segments={body["key"]: parse_condition(body["condition"]) for body in shop.read("segments")},
        computed={
            body["key"]: ComputedTrait(body["key"], ComputedDraft.model_validate(_without_key(body)))
            for body in shop.read("computed")
        },
        zone=ZONE,
        policy=shop.delivery,
        behaviour=shop.behaviour,
        answers={"tell-reception": (Answer(status=shop.answer),)},
    )
    person = script.person.model_copy(update={"id": profile})
    until = START + timedelta(days=shop.days)
    return simulate(parse_journey(definitions[-1]), script.model_copy(update={"person": person}), setting, until)


def _arrives(real: Stage, user: str, script: Script) -> Callable[[], Awaitable[None]]:
    arrival = script.happenings[0]
    assert isinstance(arrival, TraitsChange)

    async def act() -> None:
        for consent in script.person.consents:
            assert isinstance(consent, Consent)
            await real.consent(user, consent.channel, consent.purpose, consent.state)
        await real.identify(user, arrival.traits)

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
            case ConsentChanges():
                said = happening.consent
                await real.consent(user, said.channel, said.purpose, said.state)
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
