"""Playing scripts: a person appears, and what is written happens."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from conditions import EventFact
from journeys.simulation.agenda import BEGINNING, Rank
from journeys.simulation.being import Being
from journeys.simulation.facts import body
from journeys.simulation.people import (
    AnyHappening,
    CallAnswered,
    ConsentChanges,
    Enrolled,
    EventHappens,
    MessageOutcome,
    Script,
    SegmentEntered,
    SegmentLeft,
    TraitsChange,
)
from journeys.simulation.town import Town


class Player:
    """Plays scripts in a town."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def play(self, script: Script, begins: datetime | None = None) -> Being:
        """The person will appear then; what happened before is their past."""
        being = Being(script, self._town.stage)
        happenings = sorted(script.happenings, key=lambda happening: happening.at)
        begins = (begins or script.begins or (happenings[0].at if happenings else BEGINNING)).astimezone(UTC)
        past = [happening for happening in happenings if happening.at < begins]
        self._town.agenda.plan(begins, Rank.HAPPENING, being, partial(self._appear, being, past))
        for number, happening in enumerate(happenings[len(past) :]):
            self._town.agenda.plan(
                happening.at.astimezone(UTC), Rank.HAPPENING, being, partial(self._happen, being, happening, number)
            )
        return being

    def _appear(self, being: Being, past: Sequence[AnyHappening]) -> None:
        for number, happening in enumerate(past):
            match happening:
                case EventHappens():
                    fact = EventFact(happening.id or f"before:{number}", happening.event, happening.at, happening.properties)
                    being.remember(fact)
                case TraitsChange():
                    being.change(happening.traits)
                case SegmentEntered():
                    being.segments |= {happening.segment_entered}
                case SegmentLeft():
                    being.segments -= {happening.segment_left}
                case ConsentChanges():
                    being.agree(happening.consent)
                case MessageOutcome() | CallAnswered() | Enrolled():
                    pass  # of an enrolment that the simulation knows nothing of
                case _:
                    assert_never(happening)
        self._town.settle(being)
        for segment in being.script.enters:
            if segment in being.segments:
                being.segments -= {segment}
                self._town.member(being, segment, enters=True)
        self._town.schedules.follow(being)

    def _happen(self, being: Being, happening: AnyHappening, number: int) -> None:
        town = self._town
        identifier = f"{being.id}:{number}"
        match happening:
            case EventHappens():
                town.track(being, happening.event, happening.properties, happening.id or identifier)
            case TraitsChange():
                town.change(being, happening.traits, identifier)
            case SegmentEntered():
                town.member(being, happening.segment_entered, enters=True)
            case SegmentLeft():
                town.member(being, happening.segment_left, enters=False)
            case ConsentChanges():
                being.agree(happening.consent)
            case MessageOutcome():
                town.mail.outcome(being, happening)
            case CallAnswered():
                town.lives.answered(being, happening)
            case Enrolled():
                journey = town.stage.journeys.get(happening.enrol.journey or town.stage.under_test.key)
                if journey is not None:
                    entry = body(f"api:{identifier}", "api", town.now, happening.enrol.properties)
                    town.enter(being, journey, entry, key=happening.enrol.entry_key)
            case _:
                assert_never(happening)
