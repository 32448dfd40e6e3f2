"""The end of the demo: waits until all has settled, audits, and tells what came of everybody."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from demo.audit import Finding, audit
from demo.catalogue import Catalogue
from demo.evidence import Entrant, Evidence, LedgerMessage
from demo.inquiry import Inquiry
from demo.post import Post
from demo.script import Script
from demo.story import telling, told
from demo.tables import journey_table, step_rows, ways
from demo.town import Town
from infra.clock import Clock

PATIENCE_SECONDS = 60.0
BETWEEN_SECONDS = 1.0
OVERDUE = timedelta(days=5)
"""Virtual; ten real seconds at the demo's factor."""
FALLBACK_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Review:
    """What the system said when it had settled, and what of it must not be."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    stats: Mapping[str, Mapping[str, Any]]
    stories: Sequence[Mapping[str, Any]]


class Reviewer:
    """Gathers evidence from all parts."""

    def __init__(self, *, script: Script, catalogue: Catalogue, clock: Clock, post: Post, town: Town, inquiry: Inquiry) -> None:
        self._script, self._catalogue, self._clock = script, catalogue, clock
        self._post, self._town, self._inquiry = post, town, inquiry

    async def settled(self) -> Review:
        """When nothing is found any more, or what is found stays.

        The clock goes on meanwhile, and one part is read after the other: only what two readings in a row find
        is a finding, and what was found first gets PATIENCE_SECONDS to go away.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        before = await self._look()
        while before.findings and loop.time() < deadline:
            await asyncio.sleep(BETWEEN_SECONDS)
            after = await self._look()
            staying = tuple(finding for finding in after.findings if finding in before.findings)
            before = Review(after.evidence, after.findings, after.stats, after.stories)
            if not staying:
                return Review(after.evidence, (), after.stats, after.stories)
        if not before.findings:
            return before
        await asyncio.sleep(BETWEEN_SECONDS)
        last = await self._look()
        return Review(last.evidence, tuple(each for each in last.findings if each in before.findings), last.stats, last.stories)

    async def _look(self) -> Review:
        workflows_before = await self._inquiry.workflows()
        enrolments = await self._inquiry.enrolments(self._catalogue.journeys)
        workflows = {**workflows_before, **await self._inquiry.workflows()}
        stories = await self._inquiry.stories([each.id for each in enrolments])
        stats = {key: await self._inquiry.stats(key) for key in self._catalogue.journeys}
        await self._post.catch_up()
        callbacks = await self._town.callbacks()
        population = self._script.population.people
        evidence = Evidence(
            now=self._clock.now(),
            entrants=tuple(
                Entrant(key, user_id, entry_key)
                for key in self._catalogue.journeys
                for user_id, entry_key in self._script.entrants(key, self._script.end)
            ),
            enrolments=enrolments,
            workflows=workflows,
            ledger=await self._inquiry.ledger(self._catalogue.journeys),
            letters=tuple(self._post.letters.values()),
            consents={person.id: person.consents for person in population},
            accepted=_accepted(stories),
            withdrawals=tuple(self._town.withdrawals),
            duplicates=await self._town.duplicates(),
            unsettled={f"callback {name}": callbacks.get(name, 0) for name in ("pending", "refused", "lost")},
            paths={
                way: count
                for journey in self._catalogue.journeys.values()
                for way, count in self._ways(journey.key, stats, stories)
            },
        )
        return Review(evidence, audit(evidence, overdue=OVERDUE), stats, stories)

    def _ways(
        self, key: str, stats: Mapping[str, Mapping[str, Any]], stories: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, int]]:
        """Of journeys that people of the script enter; who was handed over is only at their beginning."""
        if not self._script.entrants(key, self._script.end):
            return [(f"{key} · entered", int(stats[key]["entered"]))]
        return list(ways(self._catalogue.journeys[key], stats[key], stories).items())


def _accepted(stories: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        str(line["seen"]["message_id"]): f"{line['step']} (visit {line['visit']}) of enrolment {story['enrolment']['id']}"
        for story in stories
        for line in story["lines"]
        if line["what"] == "sent" and line["seen"].get("message_id")
    }


def show(review: Review, script: Script, catalogue: Catalogue, post: Post, user_ids: Mapping[str, str], console: Console) -> None:
    """A table per journey and the story with the most to tell."""
    for key, journey in catalogue.journeys.items():
        rows = step_rows(journey, review.stats[key], review.evidence.ledger)
        console.print(journey_table(journey, review.stats[key], rows))
        console.print()
    if not review.stories:
        return
    story = max(review.stories, key=lambda each: telling(each, post.receipts))
    user_id = user_ids.get(story["enrolment"]["profile_id"], "")
    person = next((each for each in script.population.people if each.id == user_id), None)
    console.print(told(story, post.receipts, person.name if person else user_id, _zone(person.zone if person else None)))
    console.print()


def totals(ledger: Sequence[LedgerMessage], letters: int) -> str:
    """One sentence about all messages."""
    sent = [message for message in ledger if message.attempts]
    fell_back = sum(message.fell_back for message in sent)
    skipped = len(ledger) - len(sent)
    return f"{len(sent)} messages went out ({letters} arrivals, {fell_back} fell back to another channel), {skipped} did not."


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name) if name else FALLBACK_ZONE
    except ZoneInfoNotFoundError:
        return FALLBACK_ZONE
