"""Waits for what becomes of a message."""

import pytest

from contracts.channels import Status
from journeys.outcome import Waiting
from tests.services.journeys.conftest import Service


async def test_a_reply_meets_a_wait_for_it_and_brings_its_text(service: Service) -> None:
    service.neighbours.templates = [{"key": "question"}]
    steps = [
        {"id": "ask", "type": "send", "template": "question", "channels": ["whatsapp"]},
        {
            "id": "answer",
            "type": "wait_for",
            "paths": [{"id": "replied", "message": "ask", "status": "replied"}],
            "timeout": {"after": "P7D"},
        },
        {"id": "note", "type": "update_profile", "set": {"reason": {"ref": "event.properties.text"}}},
    ]
    await service.publish(steps=steps)
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "ask")
    await service.perform(enrolment_id, "answer")
    assert await service.receive(profile_id, service.receipt(enrolment_id, Status.DELIVERED)) == []
    (signal,) = await service.receive(profile_id, service.receipt(enrolment_id, Status.REPLIED, text="the train"))
    await service.perform(enrolment_id, "note", event_id=signal.payload["event_id"])
    assert [update.set for update in service.neighbours.updates] == [{"reason": "the train"}]


@pytest.mark.parametrize("found_by", ["feed", "look back"])
async def test_in_a_loop_an_earlier_message_is_no_answer_to_this_rounds(service: Service, found_by: str) -> None:
    service.neighbours.templates = [{"key": "question"}]
    ask = {"id": "ask", "type": "send", "template": "question", "channels": ["sms"]}
    paths = [{"id": "seen", "message": "ask", "status": "delivered"}]
    answer = {"id": "answer", "type": "wait_for", "paths": paths, "timeout": {"after": "P1D"}}
    await service.publish(steps=[{"id": "round", "type": "repeat", "until": {"event": "Order"}, "steps": [ask, answer]}])
    profile_id, enrolment_id = await service.enter()

    async def happens(visit: int) -> int:
        receipt = service.receipt(enrolment_id, Status.DELIVERED, visit=visit)
        if found_by == "look back":
            service.neighbours.receipts[enrolment_id].append(receipt)
            outcome = await service.perform(enrolment_id, "answer", visit=2)
            assert isinstance(outcome, Waiting)
            return int(outcome.matched is not None)
        return len(await service.receive(profile_id, receipt))

    await service.perform(enrolment_id, "ask", visit=1)
    await service.perform(enrolment_id, "answer", visit=1)
    await service.perform(enrolment_id, "ask", visit=2)
    await service.perform(enrolment_id, "answer", visit=2)
    assert await happens(1) == 0
    assert await happens(2) == 1


@pytest.mark.parametrize("found_by", ["feed", "look back"])
async def test_an_outcome_that_told_of_a_lower_one_is_not_lost_to_the_wait_for_itself(service: Service, found_by: str) -> None:
    """The provider says that the message was opened, and that it was delivered later or never: whoever opened it, opened it."""
    service.neighbours.templates = [{"key": "question"}]
    ask = {"id": "ask", "type": "send", "template": "question", "channels": ["email"]}
    waits = [
        {"id": step, "type": "wait_for", "paths": [{"id": "p", "message": "ask", "status": status}], "timeout": {"after": "P1D"}}
        for step, status in (("first", "delivered"), ("second", "opened"), ("third", "opened"))
    ]
    await service.publish(steps=[ask, *waits])
    profile_id, enrolment_id = await service.enter()
    await service.perform(enrolment_id, "ask")
    opened = service.receipt(enrolment_id, Status.OPENED)
    if found_by == "feed":
        await service.perform(enrolment_id, "first")
    service.neighbours.receipts[enrolment_id].append(opened)
    told = await service.receive(profile_id, opened) if found_by == "feed" else []
    found = [await service.perform(enrolment_id, step) for step in ("first", "second", "third")]
    assert len(told) == (found_by == "feed")
    assert [outcome.matched is not None for outcome in found if isinstance(outcome, Waiting)] == [True, True, False]
