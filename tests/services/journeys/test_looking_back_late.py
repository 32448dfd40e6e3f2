"""A look back that cannot be made yet, or is overtaken: of what happened the earliest ends the wait, and nothing is lost."""

from uuid import UUID

import pytest

from journeys.outcome import Later, Waiting
from services.journeys.event_ids import told_as
from services.journeys.outgoing import Outgoing
from tests.services.journeys.conftest import Service

ASK = {"id": "ask", "type": "send", "template": "t", "channels": ["sms"]}
ORDER = {"id": "ordered", "event": "Order"}
REPLY = {"id": "replied", "message": "ask", "status": "replied"}
ONE = {"id": "one", "type": "wait_for", "paths": [ORDER, REPLY], "timeout": {"after": "P9D"}}


async def asked(service: Service) -> tuple[UUID, UUID]:
    service.neighbours.templates = [{"key": "t", "channels": ["sms"], "variables": {}}]
    await service.publish(steps=[ASK, ONE])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "ask")
    return profile_id, enrolment_id


async def met(service: Service, enrolment_id: UUID, step: str) -> str | None:
    """The event that has met a wait, as its workflow is told."""
    outcome = await service.perform(enrolment_id, step)
    assert isinstance(outcome, Waiting)
    return outcome.matched.event_id if outcome.matched else None


@pytest.mark.parametrize("before", [True, False])
async def test_a_later_event_waits_until_the_earlier_one_is_looked_for(service: Service, *, before: bool) -> None:
    """The first order came before the wait was registered, or while the look back could not be made."""
    profile_id, enrolment_id = await asked(service)
    first = service.event("Order")
    service.neighbours.down.add("channels")
    if before:
        service.neighbours.track(profile_id, first)
    assert isinstance(await service.perform(enrolment_id, "one"), Later)
    if not before:
        service.neighbours.track(profile_id, first)  # its feed brings it later
    assert await service.track(profile_id, "Order") == []
    service.neighbours.down.clear()
    assert await met(service, enrolment_id, "one") == told_as(enrolment_id, first.id)


async def test_an_event_that_comes_while_the_look_back_is_on_its_way_is_looked_for_again(service: Service) -> None:
    profile_id, enrolment_id = await asked(service)
    told: list[Outgoing] = []

    async def order() -> None:
        told.extend(await service.track(profile_id, "Order"))

    service.neighbours.meanwhile.append(order)
    found = await met(service, enrolment_id, "one")
    (event,) = (each for each in service.neighbours.events[profile_id] if each.name == "Order")
    assert (found, told) == (told_as(enrolment_id, event.id), [])


async def test_a_wait_that_has_looked_back_is_met_by_the_feed(service: Service) -> None:
    profile_id, enrolment_id = await asked(service)
    assert await met(service, enrolment_id, "one") is None
    assert {tuple(row) for row in await service.rows("SELECT ready, passed_by FROM listener")} == {(True, False)}
    assert [row.kind for row in await service.track(profile_id, "Order")] == ["matched"]
