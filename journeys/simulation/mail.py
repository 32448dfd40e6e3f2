"""Messages under way: what becomes of each, and the next channel when it did not get far enough in time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from pydantic import JsonValue

from conditions.duration import add
from journeys.model import Send
from journeys.simulation.agenda import Deed
from journeys.simulation.being import Being
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.facts import FAILED, RANKS, Fact, Moment
from journeys.simulation.people import DELIVERED, Consent, MessageOutcome, Response
from journeys.simulation.sending import judge
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Posted, Teller
from journeys.splitting import draw
from policy import TRANSACTIONAL, Asked, Go, Later, Sent

_TAKES = {
    "opened": "delivered",
    "clicked": "opened",
    "replied": "delivered",
    "complained": "delivered",
    "unsubscribed": "delivered",
}
_FIRST = frozenset({"delivered", "bounced", "rejected"})
_ORDER = ("bounced", "rejected", "delivered", "opened", "clicked", "replied", "complained", "unsubscribed")


@dataclass(slots=True, eq=False)
class Attempt:
    """A try of a message on one channel; numbers count from 1."""

    number: int
    position: int
    channel: str
    rank: int = -1
    failed: bool = False
    had: set[str] = field(default_factory=set)
    counted: Sent | None = None
    """What it takes of frequency caps; nothing once it failed."""


@dataclass(slots=True, eq=False)
class Letter:
    """A logical message, with the newest attempt of it."""

    run: Enrolment
    step: Send
    visit: int
    asked: Asked
    newest: Attempt
    within: timedelta
    """What its fallback leaves each channel, as long as it is from the first one on."""


class World(Protocol):
    """What mail needs of the town: its clock, its calendar, and somebody to tell of receipts."""

    @property
    def now(self) -> datetime: ...

    def tick(self) -> Moment: ...

    def later(self, being: Being, at: datetime, do: Deed) -> None: ...

    def received(self, being: Being, run: Enrolment, fact: Fact) -> None: ...


class Mail:
    """The post of all people."""

    def __init__(self, stage: Stage, world: World, teller: Teller) -> None:
        self._stage = stage
        self._world = world
        self._teller = teller
        self._newest: dict[tuple[str, str], Letter] = {}
        self._ready: dict[int, tuple[tuple[Response, ...], tuple[tuple[str, Response], ...]]] = {}
        self._counts_caps = bool(stage.setting.policy.caps)

    def post(self, being: Being, run: Enrolment, step: Send, visit: int, asked: Asked, go: Go[None]) -> None:
        """The first attempt leaves."""
        now, within = self._world.now, timedelta()
        if step.fallback is not None:
            within = add(now, step.fallback.within, being.zone(run.journey.zone)[0]) - now
        letter = Letter(run, step, visit, asked, Attempt(1, go.position, go.channel), within)
        self._newest[run.id, step.id] = letter
        self._attempt(being, letter, letter.newest)

    def clear(self) -> None:
        """Forgets everybody's post."""
        self._newest.clear()
        self._ready.clear()

    def outcome(self, being: Being, outcome: MessageOutcome) -> None:
        """What a script says of the newest message of a step; of one that was not sent, nothing."""
        for run in being.runs_of(outcome.journey or self._stage.under_test.key):
            letter = self._newest.get((run.id, outcome.message))
            if letter is not None:
                self._receipt(being, letter, letter.newest, outcome.status, outcome.text, outcome.url)
                return

    def _attempt(self, being: Being, letter: Letter, attempt: Attempt) -> None:
        now, run = self._world.now, letter.run
        letter.newest = attempt
        if self._counts_caps:
            what = f"{run.journey.key}/{letter.step.id}"
            attempt.counted = Sent(now, attempt.channel, letter.asked.purpose, letter.asked.message, what)
            being.sent.append(attempt.counted)
        self._teller.message(
            being, run, Posted(now, letter.step.id, letter.visit, letter.asked.template, attempt.channel, attempt.number)
        )
        self._receipt(being, letter, attempt, "sent", None, None)
        for after, response in self._drawn(being, letter, attempt):
            came = partial(self._receipt, being, letter, attempt, response.status, response.text, response.url)
            if after <= now:
                came()
            else:
                self._world.later(being, after, came)
        fallback = letter.step.fallback
        if fallback is not None and not attempt.failed and attempt.rank < RANKS[fallback.unless]:
            self._world.later(being, now + letter.within, partial(self._fall_back, being, letter, attempt))

    def _drawn(self, being: Being, letter: Letter, attempt: Attempt) -> Iterator[tuple[datetime, Response]]:
        """The outcomes that this attempt will have, each with its instant."""
        came: dict[str, datetime] = {"": self._world.now}
        for position, (takes, response) in enumerate(self._responses(being, letter, attempt.channel)):
            if takes not in came or came.keys() & FAILED:
                continue
            luck = (self._stage.setting.seed, letter.run.id, letter.step.id, letter.visit, attempt.number, position)
            if response.chance < 1 and draw(*luck, "whether") >= response.chance:
                continue
            at, (first, last) = came[takes], response.after
            if first.is_positive or last.is_positive:
                zone, _ = being.zone(letter.run.journey.zone)
                begins, ends = add(at, first, zone), add(at, last, zone)
                at = begins if begins == ends else begins + (ends - begins) * draw(*luck, "when")
            came[response.status] = at
            yield at, response

    def _responses(self, being: Being, letter: Letter, channel: str) -> tuple[tuple[str, Response], ...]:
        """What a message may come to, in the order of its life, each with what it takes."""
        own = being.script.outcomes.get(letter.step.id) if letter.run.journey is self._stage.under_test else None
        responses: tuple[Response, ...] = getattr(being.behaviour, channel) if own is None else own
        if id(responses) not in self._ready:
            self._ready[id(responses)] = responses, _in_order(responses, scripted=own is not None)
        return self._ready[id(responses)][1]

    def _receipt(self, being: Being, letter: Letter, attempt: Attempt, status: str, text: str | None, url: str | None) -> None:
        """What became of an attempt; of an earlier one it is told too, and moves nothing on."""
        run, step, channel = letter.run, letter.step.id, attempt.channel
        when = self._world.tick()
        name = f"{run.id}:{step}:{letter.visit}:{attempt.number}:{status}"
        if status in attempt.had:
            name = f"{name}:{when[1]}"
        attempt.had.add(status)
        properties: dict[str, JsonValue] = {"channel": channel, "message": step}
        if text is not None:
            properties["text"] = text
        if url is not None:
            properties["url"] = url
        fact = Fact(name, "receipt", step, status, properties, when, run.id, letter.visit)
        run.receipts.setdefault(step, []).append(fact)
        attempt.rank = max(attempt.rank, RANKS[status])
        self._take_back(being, letter, channel, status)
        self._world.received(being, run, fact)
        if status in FAILED:
            attempt.failed = True
            if attempt.counted in being.sent:
                being.sent.remove(attempt.counted)
            if letter.step.fallback is not None:
                self._world.later(being, when[0], partial(self._fall_back, being, letter, attempt))

    def _take_back(self, being: Being, letter: Letter, channel: str, status: str) -> None:
        """A dead address, a complaint and a goodbye hold for everything that comes."""
        if status in ("bounced", "complained"):
            being.suppressed.add(channel)
        if status in ("complained", "unsubscribed"):
            purpose = "marketing" if letter.asked.purpose == TRANSACTIONAL else letter.asked.purpose
            being.agree(Consent.model_validate({"channel": channel, "purpose": purpose, "state": "withdrawn"}))

    def _fall_back(self, being: Being, letter: Letter, attempt: Attempt) -> None:
        fallback = letter.step.fallback
        if letter.newest is not attempt or letter.run.cancelled or fallback is None:
            return
        if not attempt.failed and attempt.rank >= RANKS[fallback.unless]:
            return
        asked = letter.asked._replace(position=attempt.position + 1)
        answer = judge(asked, being, self._world.now)
        if isinstance(answer, Go):
            self._attempt(being, letter, Attempt(attempt.number + 1, answer.position, answer.channel))
        elif isinstance(answer, Later):
            self._world.later(being, answer.until, partial(self._fall_back, being, letter, attempt))


def _in_order(responses: tuple[Response, ...], *, scripted: bool) -> tuple[tuple[str, Response], ...]:
    if scripted and not {response.status for response in responses} & _FIRST:
        responses = (*DELIVERED, *responses)
    named = {response.status for response in responses}
    found: list[tuple[str, Response]] = []
    for response in sorted(responses, key=lambda each: _ORDER.index(each.status)):
        takes = _TAKES.get(response.status, "")
        while takes and takes not in named:
            takes = _TAKES.get(takes, "")
        found.append((takes, response))
    return tuple(found)
