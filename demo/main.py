"""`reis demo`: starts the whole system on a fast clock, lets its customers live sixty days, and audits what came of them."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from demo.catalogue import Catalogue
from demo.days import Lived, live
from demo.folder import fresh
from demo.lateness import lateness
from demo.neighbours import neighbours
from demo.review import Review, Reviewer, totals
from demo.script import DAYS
from demo.settings import DemoSettings, harmless, parse
from infra.local.system import LocalSystem

START_SECONDS = 30.0
"""Real seconds around the days for starting and settling, about: day 60 is then today. A slower machine ends some days later."""
ROLE_ENV = {"REIS_LOG_LEVEL": "warning", "REIS_TIMEZONE": "Europe/London", "SANDBOX_STATUS_DELAY_SECONDS": "0.05"}
_SHOWN = 40


def run(arguments: Sequence[str]) -> int:
    """Plays the demo; 0 when nobody was lost, written to twice or written to after saying no, 130 when it was stopped."""
    settings = parse(arguments, os.environ)
    console = Console(force_terminal=False, width=150) if settings.plain or not sys.stdout.isatty() else Console()
    try:
        return asyncio.run(_run(settings, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print(f"Stopped early; what there is so far is kept in {settings.data_dir}.")
        return 130


async def _run(settings: DemoSettings, console: Console) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    catalogue = Catalogue.read()
    aside = fresh(settings.data_dir, f'{{"seed": {settings.seed}}}\n')
    if aside is not None:
        console.print(f"The state of an earlier demo is set aside in {aside}.", style="dim")
    console.print(f"Starting the whole system; its state goes to {settings.data_dir} …")
    start = datetime.now(UTC) - timedelta(days=DAYS) - timedelta(seconds=START_SECONDS * settings.factor)
    system = _system(settings, settings.factor, start)
    async with system, neighbours(system) as around:
        lived = await live(settings, system, around, catalogue, console)
        console.print(
            f"Day {DAYS} is over. The whole system stops and starts again, on the ordinary clock: "
            "whoever waits must still be there …"
        )
    again = _system(settings, 1.0, system.clock.now())
    async with again, neighbours(again) as around:
        reviewer = Reviewer(lived=lived, catalogue=catalogue, clock=again.clock, around=around)
        console.print("Looking for anybody lost …", style="dim")
        review = await reviewer.settled()
        reviewer.show(review, console)
    return _verdict(review, lived, settings, console)


def _system(settings: DemoSettings, factor: float, start: datetime) -> LocalSystem:
    return LocalSystem(settings.data_dir, clock_factor=factor, clock_start=start, extra_env=ROLE_ENV, environ=harmless())


def _verdict(review: Review, lived: Lived, settings: DemoSettings, console: Console) -> int:
    evidence = review.evidence
    console.print(totals(evidence.ledger, len(evidence.letters)), highlight=False)
    late = lateness(review.stories, lived.script.end, settings.factor)
    if late is not None:
        console.print(str(late), highlight=False)
        if late.too_busy:
            slower = f"reis demo --seconds {settings.seconds * 2:.0f}"
            console.print(f"This machine was busy, so some reminders came too late to be sent; `{slower}` gives it more time.")
    for finding in review.findings[:_SHOWN]:
        console.print(f"[red]✗[/] {finding}", highlight=False)
    if len(review.findings) > _SHOWN:
        console.print(f"[red]✗[/] and {len(review.findings) - _SHOWN} more")
    if not review.findings:
        console.print(
            f"[green]✓[/] Nobody was lost ({len(evidence.entrants)} had to enter, {len(evidence.enrolments)} enrolments agree "
            "with Temporal), nobody was written to twice, nobody without consent.",
            highlight=False,
        )
    console.print(
        f"Everything is kept in {settings.data_dir}. `make up` starts it again and prints the pages to look at: every customer's "
        "phone and inbox, the journeys' numbers and reasons, the workflows in Temporal.",
        highlight=False,
    )
    return 1 if review.findings else 0
