"""The people of a simulation and what happens to them: events, traits, memberships, entries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from pydantic import JsonValue

from conditions import EventFact
from journeys.model import EntryByEvent, Journey
from journeys.simulation.agenda import Agenda, Deed, Rank
from journeys.simulation.being import Being
from journeys.simulation.deciding import Decider
from journeys.simulation.doors import Admitted, Doors
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.facts import Body, Fact, Moment
from journeys.simulation.lives import Lives
from journeys.simulation.mail import Mail
from journeys.simulation.schedules import Schedules
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Teller


class Town:
    """Everything that moves. Memberships that rest on a fact change with it; who hears of it sees them changed."""

    def __init__(self, stage: Stage, doors: Doors, teller: Teller) -> None:
        self.stage = stage
        self.agenda = Agenda(self._give_up)
        self.mail = Mail(stage, self, teller)
        self.lives = Lives(self.agenda, Decider(stage, self, self.mail, teller), teller)
        self.schedules = Schedules(self.agenda, stage.by_schedule, self.enter)
        self._doors = doors
        self._teller = teller

    @property
    def now(self) -> datetime:
        return self.agenda.now

    def tick(self) -> Moment:
        return self.agenda.tick()

    def clear(self) -> None:
        """Forgets everybody, so that others can live their time here: a town for each would be a circle of garbage for each."""
        self.agenda.clear()
        self.mail.clear()

    def later(self, being: Being, at: datetime, do: Deed) -> None:
        """Something happens then."""
        self.agenda.plan(at, Rank.HAPPENING, being, do)

    def settle(self, being: Being) -> None:
        """The memberships of somebody who appears; nobody hears of them."""
        for segment in self.stage.segments:
            being.segments -= {segment}
        # Segments may rest on each other: as many rounds as there are segments settle all of them.
        for _ in self.stage.segments:
            before = being.segments
            for segment in self.stage.segments:
                self._look(being, segment)
            if being.segments == before:
                break

    def track(self, being: Being, event: str, properties: Mapping[str, JsonValue], identifier: str, depth: int = 0) -> None:
        """The person does something; what comes twice under one id came once."""
        if identifier in being.known:
            return
        being.known.add(identifier)
        when = self.tick()
        being.remember(EventFact(identifier, event, when[0], properties))
        self._tell(being, Fact(identifier, "event", event, event, properties, when, depth=depth))

    def change(self, being: Being, traits: Mapping[str, JsonValue], identifier: str) -> None:
        """Traits change."""
        when, lived = self.tick(), being.traits.get("timezone")
        being.change(traits)
        if being.traits.get("timezone") != lived:
            self.schedules.follow(being)
        self._tell(being, Fact(identifier, "profile", "", "profile.changed", being.traits, when))

    def member(self, being: Being, segment: str, *, enters: bool) -> None:
        """A membership changes; nothing happens where it is so already."""
        fact = self._member(being, segment, enters=enters)
        if fact is not None:
            self._tell(being, fact)

    def received(self, being: Being, run: Enrolment, fact: Fact) -> None:
        """A message of this enrolment has an outcome."""
        if run.pending is not None:
            self.agenda.then(being, partial(self.lives.offer, being, run, fact))

    def enter(
        self,
        being: Being,
        journey: Journey,
        entry: Body,
        *,
        running: Collection[str] | None = None,
        key: str = "",
    ) -> Admitted | str | None:
        """Lets somebody in, unless the journey's rules say why not."""
        answer = self._doors.admit(being, journey, entry, self.tick(), running, key)
        if isinstance(answer, str):
            self._teller.refused(being, journey.key, self.now, answer)
        elif answer is not None:
            run = answer.run
            being.enrolments.append(run)
            self._teller.line(run, self.now, "entered", None, 0, {}, entry)
            begin = partial(self.lives.begin, being, run)
            if answer.begins > self.now:
                self.agenda.plan(answer.begins, Rank.TIMER, being, begin)
            else:
                self.agenda.then(being, begin)
            self.lives.look_back(being, run)
        return answer

    def start_child(self, being: Being, parent: Enrolment, journey: str, entry: Body, *, wait: bool) -> str | None:
        """Another journey begins for the person; the reason where it does not."""
        answer = self.enter(being, self.stage.journeys[journey], entry)
        if isinstance(answer, Admitted) and wait:
            answer.run.parent, parent.child = parent, answer.run
        return answer if isinstance(answer, str) else None

    def _give_up(self, being: Being) -> None:
        self.lives.give_up(being)

    def _tell(self, being: Being, fact: Fact) -> None:
        facts = [fact]
        for each in facts:  # grows while it is walked: memberships rest on memberships
            if each.source != "profile":
                being.facts.setdefault(f"{each.source}:{each.name}", []).append(each)
            facts += self._memberships(being, each)
        for each in facts:
            self._announce(being, each)

    def _announce(self, being: Being, fact: Fact) -> None:
        entries = self._entries(being, fact)
        running = {run.id for run in being.enrolments if run.running} if entries else ()
        for run in list(being.enrolments):
            self.lives.offer(being, run, fact)
        for journey in entries:
            self.enter(being, journey, fact.body, running=running)

    def _entries(self, being: Being, fact: Fact) -> Sequence[Journey]:
        if fact.source == "segment_entered":
            return self.stage.by_segment.get(fact.name, ())
        if fact.source != "event":
            return ()
        found: list[Journey] = []
        for journey in self.stage.by_event.get(fact.name, ()):
            assert isinstance(journey.entry, EntryByEvent)
            if self.stage.passes(journey.entry.where, lambda _: {})(fact.properties):
                found.append(journey)
            else:
                self._teller.refused(being, journey.key, self.now, "the event does not pass the entry's 'where'")
        return found

    def _memberships(self, being: Being, fact: Fact) -> list[Fact]:
        """What a fact changes in the memberships that the setting defines."""
        return [
            changed
            for segment, question in self.stage.segments.items()
            if question.concerned(fact.source, fact.name) and (changed := self._look(being, segment)) is not None
        ]

    def _look(self, being: Being, segment: str) -> Fact | None:
        """Works out a membership, and when time alone changes it."""
        being.checks[segment] = number = being.checks.get(segment, 0) + 1
        answer = being.ask(self.stage.segments[segment], self.now)
        if answer.next_change is not None:
            again = partial(self._look_again, being, segment, number)
            self.agenda.plan(answer.next_change, Rank.CHANGE, being, again)
        return self._member(being, segment, enters=answer.matches)

    def _look_again(self, being: Being, segment: str, number: int) -> None:
        if being.checks[segment] == number and (fact := self._look(being, segment)) is not None:
            self._tell(being, fact)

    def _member(self, being: Being, segment: str, *, enters: bool) -> Fact | None:
        if (segment in being.segments) is enters:
            return None
        being.segments = being.segments | {segment} if enters else being.segments - {segment}
        when = self.tick()
        identifier = f"{being.id}:{segment}:{when[1]}"
        name = "segment.entered" if enters else "segment.left"
        return Fact(identifier, "segment_entered" if enters else "segment_left", segment, name, {"segment": segment}, when)
