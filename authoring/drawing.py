"""A population drawn from a running system: real profiles with their consents and events."""

from datetime import datetime

from authoring.population import Did, OnRecord
from authoring.system import System
from contracts.profiles import PersonWithPast, PopulationPage
from journeys.simulation.people import Consent

_CHANNELS = frozenset({"email", "sms", "whatsapp", "web_push"})
_PAGE = 200


async def draw_people(system: System, most: int | None, until: datetime | None) -> list[OnRecord]:
    """Up to `most` people, in the order of their ids, with all that they did before `until`. Traits are as of now."""
    client = system.client("profiles")
    found: list[OnRecord] = []
    after: str | None = None
    while most is None or len(found) < most:
        params: dict[str, str | int | float] = {"limit": _PAGE if most is None else min(_PAGE, most - len(found))}
        if after is not None:
            params["after"] = after
        if until is not None:
            params["until"] = until.isoformat()
        page = await client.get("/v1/population", PopulationPage, params=params)
        found += [_on_record(person) for person in page.people]
        if page.next is None:
            break
        after = str(page.next)
    return found


def _on_record(person: PersonWithPast) -> OnRecord:
    profile = person.profile
    consents = tuple(
        Consent.model_validate({"channel": each.channel, "purpose": each.purpose, "state": each.state.value})
        for each in profile.consents
        if each.channel in _CHANNELS
    )
    events = tuple(Did(event=each.name, at=each.timestamp, properties=each.properties, id=each.id) for each in person.events)
    return OnRecord(id=str(profile.id), traits=profile.traits, consents=consents, events=events)
