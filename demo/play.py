"""Plays the script on the fast clock against a running system."""

import asyncio
from collections.abc import Iterable
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
        """Profile id to user id; a profile without one is its own."""

    async def learn(self, profile_ids: Iterable[str]) -> None:
        """Fills `user_ids` for these."""
        unknown = sorted(set(profile_ids) - self.user_ids.keys())
        for start in range(0, len(unknown), 500):
            batch = unknown[start : start + 500]
            asked = ProfileLookup.model_validate({"ids": batch})
            found = await self._profiles.post("/v1/profiles/lookup", asked, ProfilesFound)
            for id_, profile in found.profiles.items():
                self.user_ids[str(id_)] = next(iter(profile.identities.get("user_id", ())), str(id_))
            for missing in batch:
                self.user_ids.setdefault(missing, missing)


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
