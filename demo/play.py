"""Plays the script on the fast clock against a running system."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from contracts.profiles import ProfileLookup, ProfilesFound
from demo.script import Script
from demo.shop import Shop
from infra.clock import Clock
from infra.http import ServiceClient


class Register:
    """Which profile is whose; asks the profiles service once per profile."""

    def __init__(self, profiles: ServiceClient) -> None:
        self._profiles = profiles
        self.user_ids: dict[str, str] = {}

    async def user_of(self, profile_id: str) -> str:
        """The user id of a profile; the profile's own id when it has none."""
        if profile_id not in self.user_ids:
            found = await self._profiles.post(
                "/v1/profiles/lookup", ProfileLookup.model_validate({"ids": [profile_id]}), ProfilesFound
            )
            names = next((each.identities.get("user_id", ()) for each in found.profiles.values()), ())
            self.user_ids[profile_id] = names[0] if names else profile_id
        return self.user_ids[profile_id]

    async def learn(self, user_ids: Mapping[str, object]) -> None:
        """All of these at once, a few at a time."""
        limit = asyncio.Semaphore(8)

        async def one(user_id: str) -> None:
            async with limit:
                found = await self._profiles.get_json("/v1/profiles", params={"user_id": user_id})
                self.user_ids[found["id"]] = user_id

        await asyncio.gather(*(one(user_id) for user_id in user_ids))


async def play(script: Script, clock: Clock, shop: Shop) -> None:
    """Until the script's end; every action is sent when its instant comes, with that instant as timestamp."""
    for scripted in script.future:
        await until(clock, scripted.at)
        shop.send(scripted)
    await until(clock, script.end)
    await shop.flush()


async def until(clock: Clock, instant: datetime) -> None:
    """Sleeps until the clock shows `instant`."""
    left = (clock.to_real(instant) - clock.real_now()).total_seconds()
    if left > 0:
        await asyncio.sleep(left)
