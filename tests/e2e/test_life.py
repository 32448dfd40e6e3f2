"""What six customers of the example shops got on their phones and in their inboxes, and why; Temporal keeps nothing of it.

No trait, address, name or event property may be in Temporal: every history and every byte it keeps is searched.
"""

from typing import Any
from uuid import uuid4

import pytest

from infra.db import service_url
from tests.e2e.lives import (
    ABSENT,
    ADULT,
    BREEDER,
    CANCELS,
    FOLLOW_UP,
    MOURNER,
    PATRON,
    PUPPY,
    READER,
    REPLY,
    WEEKEND,
    Customer,
    Lives,
)
from tests.e2e.searching import READABLE, encodings, everything_about, found_in, rows, temporal, temporal_files

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

SERVICES = ("profiles", "segments", "channels", "journeys")


async def got(lives: Lives, customer: Customer) -> list[tuple[str, str]]:
    """(channel, how it ended) of each message to a customer, in order."""
    return [(each["channel"], each["status"]) for each in await lives.received(customer) if each["direction"] == "outbound"]


def line(story: dict[str, Any], step: str | None, what: str) -> dict[str, Any]:
    """The one line of a story about this."""
    found = [each for each in story["lines"] if (each["step"], each["what"]) == (step, what)]
    assert len(found) == 1, [(each["step"], each["what"]) for each in story["lines"]]
    return dict(found[0])


def steps(story: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(each["step"], each["what"]) for each in story["lines"]]


async def test_a_reminder_that_whatsapp_cannot_deliver_falls_back_to_sms_and_the_offer_fits_what_the_reader_owns(
    lives: Lives,
) -> None:
    assert await got(lives, READER) == [
        ("email", "delivered"),  # the confirmation
        ("whatsapp", "undelivered"),  # the reminder
        ("sms", "delivered"),  # again
        ("email", "delivered"),  # the offer
    ]
    _, whatsapp, sms, offer = await lives.received(READER)
    assert WEEKEND["venue"] in whatsapp["body"]
    assert WEEKEND["venue"] in sms["body"]
    assert offer["subject"] == f"The book {WEEKEND['host']} kept quoting"
    story = await lives.story(READER, FOLLOW_UP)
    assert line(story, "attendance", "wait met")["outcome"]["path"] == "attended"
    choice = line(story, "which-book", "chose")
    assert choice["outcome"]["path"] == "owns-topic"
    assert choice["seen"]["owns-topic"]["matches"] is True
    assert choice["seen"]["owns-topic"]["seen"]["events.Order Completed"]["count"] == 1
    assert line(story, None, "ended")["outcome"]["reason"] == "completed"
    ledger = await lives.shop.channels.get_json("/v1/messages", params={"enrolment": story["enrolment"]["id"]})
    reminder = next(each for each in ledger["messages"] if each["step"] == "remind")
    assert [each["channel"] for each in reminder["attempts"]] == ["whatsapp", "sms"]
    assert "whatsapp: rejected 30003" in reminder["attempts"][1]["because"]


async def test_a_patron_is_offered_a_signed_copy_by_whatsapp(lives: Lives) -> None:
    assert await got(lives, PATRON) == [("email", "delivered"), ("whatsapp", "delivered"), ("whatsapp", "delivered")]
    choice = line(await lives.story(PATRON, FOLLOW_UP), "which-book", "chose")
    assert choice["outcome"]["path"] == "vip"
    assert choice["seen"]["owns-topic"]["matches"] is False
    assert choice["seen"]["vip"] == {"matches": True, "seen": {"segments.vip": True}}


async def test_who_stays_away_is_asked_why_and_the_answer_becomes_a_trait(lives: Lives) -> None:
    assert await got(lives, ABSENT) == [("email", "delivered"), ("whatsapp", "delivered"), ("whatsapp", "delivered")]
    story = await lives.story(ABSENT, FOLLOW_UP)
    assert ("attendance", "wait met") not in steps(story)
    assert line(story, "answer", "wait met")["seen"]["properties"]["text"] == REPLY
    assert line(story, "note", "updated")["seen"]["set"] == {"no_show_reason": REPLY}
    profile = await lives.shop.profiles.get_json("/v1/profiles", params={"user_id": ABSENT.user})
    assert profile["traits"] == {**ABSENT.traits, "no_show_reason": REPLY}


async def test_who_cancels_leaves_at_once_in_the_middle_of_a_wait(lives: Lives) -> None:
    story = await lives.story(CANCELS, FOLLOW_UP)
    assert steps(story) == [
        (None, "entered"),
        ("confirm", "sent"),
        ("day-before", "sleep"),
        (None, "exit met"),
        (None, "ended"),
    ]
    ended = line(story, None, "ended")
    assert ended["outcome"]["reason"] == "exit: event 'Event Signup Cancelled'"
    assert ended["at"] < line(story, "day-before", "sleep")["outcome"]["until"]
    assert await got(lives, CANCELS) == [("email", "delivered")]


async def test_a_puppy_that_grows_up_is_fed_congratulated_and_handed_over(lives: Lives) -> None:
    story = await lives.story(BREEDER, PUPPY)
    assert line(story, "eight-weeks", "past_due")["outcome"]["target"] == "four-months"
    assert line(story, "four-months", "past_due")["outcome"]["target"] == "feeding"
    turns = [each["outcome"]["path"] for each in story["lines"] if (each["step"], each["what"]) == ("feeding", "chose")]
    assert turns[-1] == "done"
    assert set(turns[:-1]) == {"again"}
    assert line(story, "tell-shop", "updated")["seen"]["set"] == {"dog.life_stage": "adult"}
    assert await got(lives, BREEDER) == [("email", "delivered"), ("whatsapp", "delivered")]
    handed = await lives.story(BREEDER, ADULT)
    assert handed["entry"]["event"] == "journey.started"


async def test_who_loses_a_dog_hears_no_more_of_it(lives: Lives) -> None:
    story = await lives.story(MOURNER, PUPPY)
    assert line(story, "bed-and-bowl", "sent")["seen"]["channel"] == "whatsapp"
    assert line(story, None, "ended")["outcome"]["reason"] == "exit: event 'Dog Deceased'"
    assert await got(lives, MOURNER) == [("email", "delivered"), ("whatsapp", "delivered")]


async def test_nobody_got_anything_twice(lives: Lives) -> None:
    assert (await lives.shop.sandbox.get("/api/messages/duplicates")).json() == {"duplicates": []}


async def test_no_history_and_no_visibility_record_holds_anything_personal(lives: Lives) -> None:
    client = await temporal(lives)
    executions = [each async for each in client.list_workflows()]
    lived = {enrolment["id"] for enrolment in lives.enrolments.values()}
    assert {each.id.rsplit(":", 1)[-1].rsplit("/", 1)[-1] for each in executions} >= lived
    events = 0
    for execution in executions:
        pieces = await everything_about(client, execution)
        events += len(pieces)
        assert found_in(pieces, lives.needles) == set(), execution.id
        assert encodings(pieces) <= READABLE  # what is compressed or encrypted would have to be opened before it is searched
    assert events > 100  # it did look at something


async def test_no_byte_of_temporals_own_database_holds_anything_personal(lives: Lives) -> None:
    assert found_in(temporal_files(lives), lives.needles) == set()


async def test_the_search_finds_what_is_planted_in_a_history(lives: Lives) -> None:
    client = await temporal(lives)
    planted = f"planted-{uuid4()}"
    handle = await client.start_workflow(
        "Planted", {"properties": {"text": REPLY}}, id=planted, task_queue=planted, memo={"who": ABSENT.email}
    )
    try:
        execution = await handle.describe()
        assert found_in(await everything_about(client, execution), lives.needles) == {REPLY, ABSENT.email, ABSENT.name}
        assert found_in(temporal_files(lives), lives.needles) >= {REPLY, ABSENT.email, ABSENT.name}
    finally:
        await handle.terminate()


async def test_the_search_finds_every_value_in_the_services_own_databases(lives: Lives) -> None:
    assert lives.shop.system.runtime.database_url
    held: set[str] = set()
    for service in SERVICES:
        url = service_url(lives.shop.system.runtime.database_url, service).set(drivername="postgresql")
        held |= found_in(rows(url.render_as_string(hide_password=False)), lives.needles)
    assert held == set(lives.needles)
