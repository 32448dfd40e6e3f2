"""One simulated person: traits, events, memberships, consents, and what they got, as of now."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from conditions import EventFact
from conditions.person import Evaluation
from conditions.person import Person as Asked
from journeys.refs import parse_ref
from journeys.simulation.enrolment import Enrolment
from journeys.simulation.facts import Fact
from journeys.simulation.people import Behaviour, CallAnswered, Consent, Script
from journeys.simulation.stage import Question, Stage, zone_for
from policy import Sent


@lru_cache(maxsize=1000)
def _dialled(phone: str) -> bool:
    return phone.startswith("+") and sum(digit.isdecimal() for digit in phone) >= 7


class Being:
    """Changes as the script is played."""

    def __init__(self, script: Script, stage: Stage) -> None:
        person = script.person
        self.id = person.id
        self.script = script
        self.stage = stage
        self.behaviour: Behaviour = script.behaviour or stage.setting.behaviour
        self.traits: dict[str, JsonValue] = deepcopy(person.traits)
        self.events: dict[str, list[EventFact]] = {}
        self.known = {event.id for event in person.events if event.id is not None}
        """Ids of events."""
        self.facts: dict[str, list[Fact]] = {}
        """Events since the script began, by name, and changes of memberships, by source and key."""
        self.segments: frozenset[str] = frozenset(person.segments)
        self.enrolments: list[Enrolment] = []
        self.past: dict[tuple[str, str], list[Enrolment]] = {}
        self.answers: list[CallAnswered] = []
        """Answers that came before their calls."""
        self.suppressed: set[str] = set()
        self.sent: list[Sent] = []
        self.checks: dict[str, int] = {}
        """Segment to how often it was asked about: a later look makes an earlier timer void."""
        self.moves = 0
        """How often it was looked at which zone they live in: another look makes an earlier occurrence void."""
        self.busy_at: datetime | None = None
        self.busy = 0
        self._worked_out: dict[str, JsonValue] | None = None
        self._agrees = person.consents == "all"
        self._consents: dict[tuple[str, str], bool] = {}
        for past in sorted(person.events, key=lambda event: event.at):
            number = sum(len(known) for known in self.events.values())
            self.remember(EventFact(past.id or f"past:{number}", past.event, past.at, past.properties))
        for consent in () if person.consents == "all" else person.consents:
            self.agree(consent)

    def remember(self, event: EventFact) -> None:
        self.events.setdefault(event.name, []).append(event)
        self._worked_out = None

    def change(self, traits: Mapping[str, JsonValue]) -> None:
        """Writes traits by dotted path; a null removes. Old values stay as they were for whoever holds them."""
        changed = dict(self.traits)
        for path, value in traits.items():
            *parents, last = path.split(".")
            inner = changed
            for part in parents:
                known = inner.get(part)
                inner[part] = dict(known) if isinstance(known, dict) else {}
                inner = inner[part]  # type: ignore[assignment]
            if value is None:
                inner.pop(last, None)
            else:
                inner[last] = value
        self.traits = changed

    def agree(self, consent: Consent) -> None:
        self._consents[consent.channel, consent.purpose] = consent.state == "granted"

    def word(self, channel: str, purpose: str) -> bool | None:
        """The newest word on it: agreed, taken back, or nothing."""
        return self._consents.get((channel, purpose), self._agrees or None)

    def reachable(self, channel: str) -> bool:
        """As the script says, else by the traits: an address that looks like one."""
        if self.script.person.channels is not None:
            return channel in self.script.person.channels
        traits = self.traits
        match channel:
            case "email":
                email = traits.get("email")
                return isinstance(email, str) and "@" in email.strip("@")
            case "sms" | "whatsapp":
                phone = traits.get("phone")
                return isinstance(phone, str) and _dialled(phone)
            case _:
                several = traits.get("push_subscriptions")
                found = [*(several if isinstance(several, list) else []), traits.get("push_subscription")]
                return any(isinstance(each, dict) and "endpoint" in each and "keys" in each for each in found)

    def runs_of(self, journey: str) -> list[Enrolment]:
        """All enrolments in a journey, the newest first."""
        found = [run for (key, _), runs in self.past.items() if key == journey for run in runs]
        return sorted(found, key=lambda run: run.since, reverse=True)

    def zone(self, journey_zone: str | None) -> tuple[ZoneInfo, str | None]:
        own = self.traits.get("timezone")
        return zone_for(own if isinstance(own, str) else None, journey_zone, self.stage.setting.zone)

    def ask(self, question: Question, now: datetime) -> Evaluation:
        """Whether a condition holds now."""
        return question.ask(Asked(self.traits, self._known(question.mentions.events), self.segments), now)

    def computed(self) -> dict[str, JsonValue]:
        """The computed traits that have a value; worked out anew after events."""
        if self._worked_out is None:
            self._worked_out = self._work_out()
        return self._worked_out

    def _work_out(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        for key, trait in self.stage.setting.computed.items():
            value = trait.value(self.events.get(trait.definition.event, ()))
            if value is not None:
                found[key] = value
        return found

    def seen_by(self, refs: Iterable[str]) -> dict[str, JsonValue]:
        """The profile as far as these references look at it: computed traits are worked out only where one asks."""
        parsed = [found for ref in refs if (found := parse_ref(ref)) is not None and found.root == "profile"]
        return self.profile(computed=any(ref.path[0] == "computed" for ref in parsed)) if parsed else {}

    def profile(self, *, computed: bool = True) -> dict[str, JsonValue]:
        """What references see."""
        return {"id": self.id, "traits": self.traits, "computed": self.computed() if computed else {}}

    def _known(self, names: Iterable[str]) -> list[EventFact]:
        return [event for name in names for event in self.events.get(name, ())]
