"""`reis demo`: starts the whole system on a fast clock, lets its customers live sixty days, and audits what came of them."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from temporalio.client import Client

from demo.catalogue import Catalogue, publish_examples
from demo.folder import fresh
from demo.inquiry import Inquiry
from demo.people import populate
from demo.play import Register, play, until
from demo.post import Post
from demo.review import Review, Reviewer, show, totals
from demo.screen import Screen, open_screen
from demo.script import DAYS, Script, write_script
from demo.settings import DemoSettings, harmless, parse
from demo.shop import Shop
from demo.town import Town
from infra.http import ServiceClient
from infra.local.system import LocalSystem

START_SECONDS = 25.0
"""Real seconds until day one, about: the days then end today. A slower machine ends some days later."""
HISTORY_SECONDS = 3.0
"""Real seconds in which the shop tells Reis of the two years before day one."""
ROLE_ENV = {"REIS_LOG_LEVEL": "warning", "REIS_TIMEZONE": "Europe/London", "SANDBOX_STATUS_DELAY_SECONDS": "0.05"}


def run(arguments: Sequence[str]) -> int:
    """Plays the demo; 0 when nobody was lost, written to twice or written to after saying no."""
    settings = parse(arguments, os.environ)
    console = Console(force_terminal=False, width=150) if settings.plain or not sys.stdout.isatty() else Console()
    return asyncio.run(_run(settings, console))


async def _run(settings: DemoSettings, console: Console) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    aside = fresh(settings.data_dir, f'{{"seed": {settings.seed}}}\n')
    if aside is not None:
        console.print(f"The state of an earlier demo is set aside in {aside}.", style="dim")
    console.print(f"Starting the whole system; its state goes to {settings.data_dir} …")
    start = datetime.now(UTC) - timedelta(days=DAYS) - timedelta(seconds=START_SECONDS * settings.factor)
    system = LocalSystem(
        settings.data_dir, clock_factor=settings.factor, clock_start=start, extra_env=ROLE_ENV, environ=harmless()
    )
    async with system:
        review = await _Demo(settings, system, console).play()
        console.print("Stopping …", style="dim")
    return _verdict(review, settings, console)


class _Demo:
    """One run against a system that is up."""

    def __init__(self, settings: DemoSettings, system: LocalSystem, console: Console) -> None:
        self._settings, self._system, self._console = settings, system, console
        self._catalogue = Catalogue.read()

    async def play(self) -> Review:
        system = self._system
        async with (
            self._client("profiles") as profiles,
            self._client("channels") as channels,
            self._client("journeys") as journeys,
            self._client("sandbox") as sandbox,
        ):
            town, register = Town(sandbox), Register(profiles)
            await publish_examples(self._settings.data_dir)
            people = populate(self._settings.seed, system.clock.now()).people
            subscriptions = await town.settle(people, vapid_key=system.keys.vapid_public_key)
            day_zero = system.clock.now() + timedelta(seconds=HISTORY_SECONDS * self._settings.factor)
            script = write_script(self._settings.seed, day_zero, subscriptions)
            self._introduce(script)
            with Shop(write_key=system.keys.write_key, host=system.url("profiles"), profiles=profiles) as shop:
                await self._remember(script, shop)
                inquiry = Inquiry(journeys=journeys, channels=channels, temporal=await self._temporal(), register=register)
                with open_screen(self._console, DAYS) as screen:
                    post = self._post(script, screen, town, channels, register)
                    reviewer = Reviewer(
                        script=script, catalogue=self._catalogue, clock=system.clock, post=post, town=town, inquiry=inquiry
                    )
                    review = await self._days(script, shop, post, reviewer, screen)
        show(review, script, self._catalogue, post, register.user_ids, self._console)
        return review

    async def _remember(self, script: Script, shop: Shop) -> None:
        """Everything before day one: who is known, what they agreed to, what they bought."""
        for scripted in script.history:
            shop.send(scripted)
        await shop.flush()
        await shop.tell_consents(script.population.people, script.day_zero)

    async def _days(self, script: Script, shop: Shop, post: Post, reviewer: Reviewer, screen: Screen) -> Review:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(post.follow())
            await until(self._system.clock, script.day_zero)
            await play(script, self._system.clock, shop)
            screen.say(f"Day {DAYS} is over; waiting until all has settled, then looking for anybody lost …")
            review = await reviewer.settled()
            following.cancel()
        return review

    def _post(self, script: Script, screen: Screen, town: Town, channels: ServiceClient, register: Register) -> Post:
        return Post(
            seed=script.seed,
            clock=self._system.clock,
            town=town,
            channels=channels,
            screen=screen,
            names={person.id: person.name for person in script.population.people},
            register=register,
            template_of=self._catalogue.templates,
            day_zero=script.day_zero,
        )

    def _introduce(self, script: Script) -> None:
        people = script.population
        self._console.print(
            f"{len(people.readers)} readers of a publisher and {len(people.owners)} owners of dogs; {len(script.future)} events "
            f"in {DAYS} days from {script.day_zero:%d %B %Y}, one day every {self._settings.seconds / DAYS:.1f} s."
        )

    def _client(self, service: str) -> ServiceClient:
        key = "" if service == "sandbox" else self._system.keys.admin_key
        return ServiceClient(service, self._system.url(service), key=key, timeout=30)

    async def _temporal(self) -> Client:
        address = self._system.runtime.temporal_address
        assert address is not None
        return await Client.connect(address)


def _verdict(review: Review, settings: DemoSettings, console: Console) -> int:
    evidence = review.evidence
    console.print(totals(evidence.ledger, len(evidence.letters)))
    for finding in review.findings[:40]:
        console.print(f"[red]✗[/] {finding}", highlight=False)
    if len(review.findings) > 40:
        console.print(f"[red]✗[/] and {len(review.findings) - 40} more")
    if not review.findings:
        console.print(
            f"[green]✓[/] nobody lost ({len(evidence.entrants)} had to enter, "
            f"{len(evidence.enrolments)} enrolments checked against Temporal), "
            "nobody written to twice, nobody written to without consent.",
            highlight=False,
        )
    console.print(
        f"Everything is kept in {settings.data_dir}. `make up` starts it again in real time and prints the pages to look at: "
        "every customer's phone and inbox, the journeys' numbers and reasons, the workflows in Temporal.",
        highlight=False,
    )
    return 1 if review.findings else 0
