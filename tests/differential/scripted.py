"""What a script says of somebody, done on the stage."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from contracts.journeys import EnrolRequest
from journeys.simulation import Consent, ConsentChanges, Enrolled, EventHappens, MessageOutcome, Script, TraitsChange
from journeys.simulation.people import AnyHappening
from tests.differential.stage import Stage

Act = Callable[[], Awaitable[None]]


def acts(real: Stage, user: str, script: Script, journey: str) -> list[tuple[datetime, Act]]:
    """What happens to somebody when, in the journey under test; they arrive with their traits and consents."""
    arrival, *future = script.happenings
    return [(arrival.at, _arrives(real, user, script)), *((each.at, _happens(real, user, each, journey)) for each in future)]


def _arrives(real: Stage, user: str, script: Script) -> Act:
    arrival = script.happenings[0]
    assert isinstance(arrival, TraitsChange)

    async def act() -> None:
        for consent in script.person.consents:
            assert isinstance(consent, Consent)
            await real.consent(user, consent.channel, consent.purpose, consent.state)
        await real.identify(user, arrival.traits)

    return act


def _happens(real: Stage, user: str, happening: AnyHappening, journey: str) -> Act:
    async def act() -> None:
        match happening:
            case EventHappens():
                await real.track(user, happening.event, happening.properties)
            case TraitsChange():
                await real.change(await real.profile(user), happening.traits)
            case MessageOutcome():
                await real.outcome(await real.profile(user), happening.message, happening.status, happening.text)
            case ConsentChanges():
                said = happening.consent
                await real.consent(user, said.channel, said.purpose, said.state)
            case Enrolled():
                await _enrols(real, user, happening, journey)
            case _:
                raise TypeError(f"the stage has no such thing: {happening!r}")

    return act


async def _enrols(real: Stage, user: str, happening: Enrolled, journey: str) -> None:
    """Whom its rules refuse is not enrolled; nor by the simulator."""
    request = EnrolRequest(
        profile_id=await real.profile(user),
        idempotency_key=user,
        entry_key=happening.enrol.entry_key,
        properties=happening.enrol.properties,
    )
    await real.clients["journeys"].request("POST", f"/v1/journeys/{journey}/enrolments", request.model_dump(mode="json"))
