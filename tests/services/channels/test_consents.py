"""What people take back and give back through a channel, as the profiles service's own ledger has it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from contracts.channels import Channel
from contracts.profiles import Profile
from infra.auth import ApiKey, KeyRing, Scope, hashed
from infra.clock import Clock
from infra.db import Database
from services.profiles.app import create_app
from tests.services.channels.conftest import StartWorld
from tests.services.channels.support import KEY, People, World, until

SMS = Channel.SMS


@dataclass
class Shop:
    """The profiles service that a channels service asks."""

    people: People
    client: httpx.AsyncClient

    async def add(self, user: str, phone: str, *granted: str) -> Profile:
        """Somebody who said yes to these purposes by SMS."""
        message = {"type": "identify", "messageId": user, "userId": user, "traits": {"name": user, "phone": phone}}
        await self._post("/v1/batch", {"batch": [message]})
        said = {"user_id": user, "channel": "sms", "state": "granted", "source": "form"}
        await self._post("/v1/consents", {"entries": [said | {"purpose": purpose} for purpose in granted]})
        return await self.who(user)

    async def who(self, user: str) -> Profile:
        return Profile.model_validate((await self.client.get("/v1/profiles", params={"user_id": user})).json())

    async def consents(self, user: str) -> dict[str, str]:
        """Purpose to state, by SMS."""
        return {consent.purpose: consent.state for consent in (await self.who(user)).consents}

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def shop(migrated_database: Callable[[str], str]) -> AsyncIterator[Shop]:
    people, database = People(), Database(migrated_database("profiles"))
    keyring = KeyRing((ApiKey(name="tests", sha256=hashed(KEY), scopes=frozenset(Scope)),))
    people.app = create_app(database=database, keyring=keyring, clock=Clock())
    transport = httpx.ASGITransport(people.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://profiles", headers={"authorization": f"Bearer {KEY}"}
    ) as client:
        yield Shop(people, client)
    await database.close()


@pytest.fixture
def start(shop: Shop, start_world: StartWorld) -> StartWorld:
    """Starts channels beside profiles, which is asked for first and so outlives it."""
    return partial(start_world, people=shop.people)


async def _reply(world: World, text: str) -> None:
    """Answers the newest message, and waits until profiles knows."""
    (*_, message) = await world.sandbox.messages(direction="outbound")
    await world.sandbox.act(message["id"], "reply", text=text)
    stopped = text == "STOP"

    async def done() -> bool:
        suppressed = bool(await world.sql("SELECT 1 FROM suppression"))
        return suppressed is stopped and not await world.sql("SELECT 1 FROM consent_due")

    await until(done)


@pytest.mark.parametrize(
    ("granted", "after_stop", "after_start"),
    [
        ((), {"marketing": "withdrawn"}, {"marketing": "withdrawn"}),
        (("marketing",), {"marketing": "withdrawn"}, {"marketing": "granted"}),
    ],
)
async def test_start_gives_back_what_stop_took_and_consents_to_nothing_new(
    start: StartWorld,
    shop: Shop,
    granted: tuple[str, ...],
    after_stop: dict[str, str],
    after_start: dict[str, str],
) -> None:
    world = await start()
    ada = await shop.add("ada", "+15550002001", *granted)
    await world.dispatch()
    await world.send_one(ada.id, SMS)
    await world.reached(ada.id, ("sms", "delivered"))
    await _reply(world, "STOP")
    assert await shop.consents("ada") == after_stop
    assert (await world.send_one(ada.id, SMS)).reason == "suppressed"
    await _reply(world, "START")
    assert await shop.consents("ada") == after_start
    assert (await world.send_one(ada.id, SMS)).status == "accepted"
    wanted = "accepted" if granted else "skipped"
    assert (await world.send_one(ada.id, SMS, purpose="marketing")).status == wanted


async def test_a_stop_reaches_profiles_though_the_clock_here_runs_an_hour_ahead(start: StartWorld, shop: Shop) -> None:
    now = datetime.now(UTC)
    world = await start(clock=Clock(real_anchor=now, virtual_anchor=now + timedelta(hours=1)))
    ada = await shop.add("ada", "+15550002001", "marketing")
    await world.dispatch()
    await world.send_one(ada.id, SMS, purpose="marketing")
    await world.reached(ada.id, ("sms", "delivered"))
    await _reply(world, "STOP")
    assert await shop.consents("ada") == {"marketing": "withdrawn"}
    await _reply(world, "START")
    assert await shop.consents("ada") == {"marketing": "granted"}
