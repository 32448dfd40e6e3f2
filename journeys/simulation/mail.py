"""Messages under way: what becomes of each, and the next channel when it did not get far enough in time."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from pydantic import JsonValue

from conditions.duration import add
from journeys.model import Send
from journeys.simulation.agenda import Deed
from journeys.simulation.being import TRANSACTIONAL, Being
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.facts import FAILED, RANKS, Fact, Moment
from journeys.simulation.people import DELIVERED, Consent, MessageOutcome, Response
from journeys.simulation.sending import Go, Later, Wish, judge
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Posted, Teller
from journeys.splitting import draw
from policy import Sent

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
class Letter:
    """A logical message: the newest attempt of it."""

    run: Enrolment
    step: Send
    visit: int
    wish: Wish
    position: int = -1
    attempt: int = 0
    rank: int = -1
    failed: bool = False
    had: set[str] = field(default_factory=set)
    counted: Sent | None = None
    """What the newest attempt takes of frequency caps; nothing once it failed."""


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

    def post(self, being: Being, run: Enrolment, step: Send, visit: int, wish: Wish, go: Go) -> None:
        """The first attempt leaves."""
        letter = Letter(run, step, visit, wish)
        self._newest[run.id, step.id] = letter
        self._attempt(being, letter, go)

    def outcome(self, being: Being, outcome: MessageOutcome) -> None:
        """What a script says of the newest message of a step; of one that was not sent, nothing."""
        for run in being.runs_of(outcome.journey or self._stage.under_test.key):
            letter = self._newest.get((run.id, outcome.message))
            if letter is not None:
                self._receipt(being, letter, outcome.status, outcome.text, outcome.url)
                return

    def _attempt(self, being: Being, letter: Letter, go: Go) -> None:
        now, run = self._world.now, letter.run
        letter.position, letter.attempt, letter.rank, letter.failed = go.position, letter.attempt + 1, -1, False
        letter.had.clear()
        if self._counts_caps:
            letter.counted = Sent(
                now, go.channel, letter.wish.purpose, letter.wish.message, f"{run.journey.key}/{letter.step.id}"
            )
            being.sent.append(letter.counted)
        self._teller.message(
            being, run, Posted(now, letter.step.id, letter.visit, letter.wish.template, go.channel, letter.attempt)
        )
        self._receipt(being, letter, "sent", None, None)
        attempt = letter.attempt
        for after, response in self._drawn(being, letter, go.channel):
            if after <= now:
                self._receipt(being, letter, response.status, response.text, response.url)
            else:
                self._world.later(being, after, partial(self._came, being, letter, attempt, response))
        fallback = letter.step.fallback
        if fallback is not None and not letter.failed and letter.rank < RANKS[fallback.unless]:
            due = now + fallback.within.longest
            self._world.later(being, due, partial(self._fall_back, being, letter, attempt))

    def _drawn(self, being: Being, letter: Letter, channel: str) -> Iterator[tuple[datetime, Response]]:
        """The outcomes that this attempt will have, each with its instant."""
        came: dict[str, datetime] = {"": self._world.now}
        for position, (takes, response) in enumerate(self._responses(being, letter, channel)):
            if takes not in came or came.keys() & FAILED:
                continue
            luck = (self._stage.setting.seed, letter.run.id, letter.step.id, letter.visit, letter.attempt, position)
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

    def _came(self, being: Being, letter: Letter, attempt: int, response: Response) -> None:
        if letter.attempt == attempt:
            self._receipt(being, letter, response.status, response.text, response.url)

    def _receipt(self, being: Being, letter: Letter, status: str, text: str | None, url: str | None) -> None:
        run, step, channel = letter.run, letter.step.id, letter.wish.channels[letter.position]
        when = self._world.tick()
        name = f"{run.id}:{step}:{letter.visit}:{letter.attempt}:{status}"
        if status in letter.had:
            name = f"{name}:{when[1]}"
        letter.had.add(status)
        properties: dict[str, JsonValue] = {"channel": channel, "message": step}
        if text is not None:
            properties["text"] = text
        if url is not None:
            properties["url"] = url
        fact = Fact(name, "receipt", step, status, properties, when, run.id, letter.visit)
        run.receipts.setdefault(step, []).append(fact)
        letter.rank = max(letter.rank, RANKS[status])
        self._take_back(being, letter, channel, status)
        self._world.received(being, run, fact)
        if status in FAILED:
            letter.failed = True
            if letter.counted in being.sent:
                being.sent.remove(letter.counted)
            if letter.step.fallback is not None:
                attempt = letter.attempt
                self._world.later(being, when[0], partial(self._fall_back, being, letter, attempt))

    def _take_back(self, being: Being, letter: Letter, channel: str, status: str) -> None:
        """A dead address, a complaint and a goodbye hold for everything that comes."""
        if status in ("bounced", "complained"):
            being.suppressed.add(channel)
        if status in ("complained", "unsubscribed"):
            purpose = "marketing" if letter.wish.purpose == TRANSACTIONAL else letter.wish.purpose
            being.agree(Consent.model_validate({"channel": channel, "purpose": purpose, "state": "withdrawn"}))

    def _fall_back(self, being: Being, letter: Letter, attempt: int) -> None:
        fallback = letter.step.fallback
        if letter.attempt != attempt or letter.run.cancelled or fallback is None:
            return
        if not letter.failed and letter.rank >= RANKS[fallback.unless]:
            return
        wish = replace(letter.wish, position=letter.position + 1)
        answer = judge(wish, being, self._world.now)
        if isinstance(answer, Go):
            self._attempt(being, letter, answer)
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
