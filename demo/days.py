"""The sixty days themselves: moving in, what was before, and the script on the fast clock."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console

from demo.catalogue import Catalogue, publish_examples
from demo.evidence import Withdrawal
from demo.neighbours import Neighbours
from demo.people import populate
from demo.play import Register, play, until
from demo.post import Post
from demo.screen import open_screen
from demo.script import DAYS, Script, write_script
from demo.settings import DemoSettings
from demo.shop import Shop
from demo.town import Town
from infra.local.system import LocalSystem

HISTORY_SECONDS = 3.0
"""Real seconds in which the shops tell Reis of the two years before day one."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What was played, and who said stop meanwhile."""

    script: Script
    withdrawals: tuple[Withdrawal, ...]


async def live(settings: DemoSettings, system: LocalSystem, around: Neighbours, catalogue: Catalogue, console: Console) -> Lived:
    """Plays everything until day 60 is over, against a system that is up."""
    clock, town = system.clock, Town(around.sandbox)
    await publish_examples(settings.data_dir)
    people = populate(settings.seed, clock.now()).people
    subscriptions = await town.settle(people, vapid_key=system.keys.vapid_public_key)
    day_zero = clock.now() + timedelta(seconds=HISTORY_SECONDS * settings.factor)
    script = write_script(settings.seed, day_zero, subscriptions)
    _introduce(script, settings, console)
    with (
        Shop(write_key=system.keys.write_key, host=system.url("profiles"), profiles=around.profiles) as shop,
        open_screen(console, DAYS) as screen,
    ):
        await _remember(script, shop)
        post = Post(
            script=script,
            clock=clock,
            town=town,
            channels=around.channels,
            screen=screen,
            register=Register(around.profiles),
            catalogue=catalogue,
        )
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(post.follow())
            await until(clock, day_zero)
            await play(script, clock, shop)
            following.cancel()
    return Lived(script, tuple(town.withdrawals))


async def _remember(script: Script, shop: Shop) -> None:
    """Everything before day one: who is known, what they agreed to, what they bought."""
    for scripted in script.history:
        shop.send(scripted)
    await shop.flush()
    await shop.tell_consents(script.population.people, script.day_zero)


def _introduce(script: Script, settings: DemoSettings, console: Console) -> None:
    people = script.population
    console.print(
        f"{len(people.readers)} readers of a publisher and {len(people.owners)} owners of dogs; {len(script.future)} events "
        f"in {DAYS} days from {script.day_zero:%d %B %Y} on, a day every {settings.seconds / DAYS:.1f} s.",
        highlight=False,
    )
