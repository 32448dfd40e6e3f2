"""The end of the demo: waits until all has settled, audits, and tells what came of everybody."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from demo.audit import Finding, audit
from demo.catalogue import Catalogue
from demo.days import Lived
from demo.evidence import Enrolment, Entrant, Evidence, LedgerMessage
from demo.inquiry import Inquiry
from demo.neighbours import Neighbours
from demo.play import Register
from demo.post import Handled, Post
from demo.screen import Mute
from demo.story import telling, told
from demo.tables import journey_table, step_rows, ways
from demo.town import Town
from infra.clock import Clock

PATIENCE_SECONDS = 90.0
BETWEEN_SECONDS = 1.0
OVERDUE = timedelta(seconds=30)
FALLBACK_ZONE = ZoneInfo("UTC")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Review:
    """What the system said when it had settled, and what of it must not be."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    stats: Mapping[str, Json]
    stories: Sequence[Json]
    receipts: Sequence[Handled]


class Reviewer:
    """Gathers evidence from all parts of a system whose clock runs in real time."""

    def __init__(self, *, lived: Lived, catalogue: Catalogue, clock: Clock, around: Neighbours) -> None:
        self._lived, self._catalogue, self._clock = lived, catalogue, clock
        self._town, self._register = Town(around.sandbox), Register(around.profiles)
        self._inquiry = Inquiry(
            journeys=around.journeys, channels=around.channels, temporal=around.temporal, register=self._register
        )
        self._post = Post(
            script=lived.script,
            clock=clock,
            town=self._town,
            channels=around.channels,
            screen=Mute(),
            register=self._register,
            catalogue=catalogue,
        )

    async def settled(self) -> Review:
        """When nothing is found any more, or when what is found has had PATIENCE_SECONDS to go away."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while True:
            review = await self._look()
            if not any(finding.passing for finding in review.findings) or loop.time() > deadline:
                return review
            await asyncio.sleep(BETWEEN_SECONDS)

    async def _look(self) -> Review:
        keys = self._catalogue.journeys
        enrolments = await self._asleep(await self._inquiry.enrolments(keys))
        stories = await self._inquiry.stories([each.id for each in enrolments])
        stats = {key: await self._inquiry.stats(key) for key in keys}
        ledger = await self._inquiry.ledger(keys)
        await self._post.catch_up()
        callbacks = await self._town.callbacks()
        script = self._lived.script
        evidence = Evidence(
            now=self._clock.now(),
            entrants=tuple(Entrant(key, user, entry_key) for key in keys for user, entry_key in script.entrants(key, script.end)),
            enrolments=enrolments,
            workflows=await self._inquiry.workflows(),
            ledger=ledger,
            letters=tuple(self._post.letters.values()),
            consents={person.id: person.consents for person in script.population.people},
            accepted=_accepted(stories),
            withdrawals=self._lived.withdrawals,
            duplicates=await self._town.duplicates(),
            unsettled={f"callback {name}": callbacks.get(name, 0) for name in ("pending", "refused", "lost")},
            paths={way: count for key in keys for way, count in self._ways(key, stats[key], stories).items()},
        )
        return Review(evidence, audit(evidence, overdue=OVERDUE), stats, stories, self._post.receipts)

    async def _asleep(self, enrolments: Sequence[Enrolment]) -> tuple[Enrolment, ...]:
        """Asks Temporal what those sleep on whose last decided wait is over."""
        found = []
        for each in enrolments:
            if each.running and each.waits_until is not None and each.waits_until + OVERDUE < self._clock.now():
                timer = await self._inquiry.open_timer(each)
                found.append(replace(each, waits_until=self._clock.to_virtual(timer)) if timer else each)
            else:
                found.append(each)
        return tuple(found)

    def _ways(self, key: str, stats: Json, stories: Sequence[Json]) -> dict[str, int]:
        """Of journeys that people of the script enter; who was handed over is only at the beginning of theirs."""
        script = self._lived.script
        if not script.entrants(key, script.end):
            return {f"{key} · entered": int(stats["entered"])}
        return ways(self._catalogue.journeys[key], stats, stories)

    def show(self, review: Review, console: Console) -> None:
        """A table per journey, and the story with the most to tell."""
        for key, journey in self._catalogue.journeys.items():
            rows = step_rows(journey, review.stats[key], review.evidence.ledger)
            console.print(journey_table(journey, review.stats[key], rows))
            console.print()
        if not review.stories:
            return
        story = max(review.stories, key=lambda each: telling(each, review.receipts))
        user_id = self._register.user_ids.get(story["enrolment"]["profile_id"], "")
        person = next((each for each in self._lived.script.population.people if each.id == user_id), None)
        zone = _zone(person.zone if person else None)
        console.print(told(story, review.receipts, review.evidence.ledger, person.name if person else user_id, zone))
        console.print()


def totals(ledger: Sequence[LedgerMessage], letters: int) -> str:
    """One sentence about all messages."""
    sent = [message for message in ledger if not message.reason]
    fell_back = sum(message.fell_back for message in sent)
    skipped = len(ledger) - len(sent)
    return f"{len(sent)} messages went out ({fell_back} fell back to another channel, {letters} tries in all), {skipped} did not."


def _accepted(stories: Sequence[Json]) -> dict[str, str]:
    return {
        str(line["seen"]["message_id"]): f"{line['step']} (visit {line['visit']}) of enrolment {story['enrolment']['id']}"
        for story in stories
        for line in story["lines"]
        if line["what"] == "sent" and line["seen"].get("message_id")
    }


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name) if name else FALLBACK_ZONE
    except ZoneInfoNotFoundError:
        return FALLBACK_ZONE
