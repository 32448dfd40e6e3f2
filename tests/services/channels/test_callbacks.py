"""What comes back: reports, replies, unsubscribes, complaints; only what its provider signed."""

import re

import httpx
import pytest

from contracts.channels import Channel
from tests.services.channels.support import World, until

EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP


async def _message(world: World, channel: Channel) -> dict[str, str]:
    (message,) = await world.sandbox.messages(channel=channel.value, direction="outbound")
    return message


async def test_a_forged_callback_is_refused_and_writes_nothing(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.send_one(ada)
    attempt = (await world.story(ada))[0]["attempts"][0]["id"]
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        for path in (f"/v1/callbacks/twilio?attempt={attempt}", "/v1/callbacks/twilio/inbound"):
            answer = await stranger.post(path, data=form, headers={"X-Twilio-Signature": "bm8="})
            assert answer.status_code == 403
            assert (await stranger.post(path, data=form)).status_code == 403
        assert (await stranger.post("/v1/callbacks/sendgrid", content=b"[]")).status_code == 403
        headers = {"X-Twilio-Email-Event-Webhook-Signature": "bm8=", "X-Twilio-Email-Event-Webhook-Timestamp": "1"}
        assert (await stranger.post("/v1/callbacks/sendgrid", content=b"[]", headers=headers)).status_code == 403
    assert await world.sql("SELECT 1 FROM receipt UNION ALL SELECT 1 FROM stray_report") == []


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/v1/callbacks/twilio", 64 * 1024),
        ("/v1/callbacks/twilio/inbound", 64 * 1024),
        ("/v1/callbacks/sendgrid", 2 * 1024 * 1024),
        ("/v1/clicks/push", 4096),
    ],
)
async def test_no_more_is_read_from_strangers_than_a_provider_sends(world: World, path: str, most: int) -> None:
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        answer = await stranger.post(path, content=b"x" * (most + 1))
        assert (answer.status_code, answer.json()["errors"][0]["remedy"]) == (413, "send less at once")
        assert (await stranger.post(path, content=b"x" * most)).status_code in (400, 403)


async def test_a_reply_is_a_receipt_with_its_text_on_the_newest_message(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    await world.dispatch()
    await world.send_one(ada, step="first")
    await world.reached(ada, ("sms", "delivered"))
    await world.send_one(ada, step="second")
    await world.reached(ada, ("sms", "delivered"), ("sms", "delivered"))
    await world.sandbox.act((await world.sandbox.messages())[-1]["id"], "reply", text="Perhaps tomorrow")
    await world.reached(ada, ("sms", "delivered"), ("sms", "replied"))
    replies = [data for data in await world.published() if data["status"] == "replied"]
    assert [(data["step"], data["text"]) for data in replies] == [("second", "Perhaps tomorrow")]
    assert world.people.consents == []


async def test_a_stop_word_ends_messages_to_the_number_and_start_resumes_them(world: World) -> None:
    ada = world.people.add("whatsapp", name="Ada", phone="+15550002001")
    await world.dispatch()
    await world.send_one(ada, WHATSAPP, purpose="marketing")
    await world.reached(ada, ("whatsapp", "delivered"))
    message = await _message(world, WHATSAPP)
    await world.sandbox.act(message["id"], "reply", text=" Stop! ")
    await world.reached(ada, ("whatsapp", "unsubscribed"))

    async def told(count: int) -> bool:
        return len(world.people.consents) == count

    await until(lambda: told(1))
    assert world.people.consents[0] == {
        "profile_id": str(ada),
        "channel": "whatsapp",
        "purpose": "marketing",
        "state": "withdrawn",
        "source": "whatsapp reply",
        "restores": None,
    }
    assert (await world.send_one(ada, WHATSAPP)).reason == "suppressed"
    await world.sandbox.act(message["id"], "reply", text="START")
    await until(lambda: told(2))
    assert (world.people.consents[1]["state"], world.people.consents[1]["restores"]) == ("granted", "whatsapp reply")
    assert (await world.send_one(ada, WHATSAPP, purpose="marketing")).status == "accepted"


async def test_a_hard_bounce_and_a_complaint_suppress_the_address_and_take_consent_back(world: World) -> None:
    ada = world.people.add("email", name="Ada", email="ada@example.com")
    bob = world.people.add("email", name="Bob", email="bob@example.com")
    await world.fault("bounce", to="ada@example.com")
    await world.dispatch()
    await world.send_one(ada, EMAIL, purpose="marketing")
    await world.send_one(bob, EMAIL, purpose="marketing")
    await world.reached(ada, ("email", "bounced"))
    await world.reached(bob, ("email", "delivered"))
    (message,) = await world.sandbox.messages(to="bob@example.com")
    await world.sandbox.act(message["id"], "spamreport")
    await world.reached(bob, ("email", "complained"))

    async def told() -> bool:
        return {(c["profile_id"], c["state"]) for c in world.people.consents} == {(str(p), "withdrawn") for p in (ada, bob)}

    await until(told)
    listed = (await world.api.get("/v1/suppressions")).json()["suppressions"]
    assert {entry["reason"] for entry in listed} == {"hard_bounce", "complaint"}
    assert (await world.send_one(ada, EMAIL)).reason == "suppressed"


async def test_opens_and_clicks_come_each_time_and_a_late_lower_status_lowers_nothing(world: World) -> None:
    ada = world.people.add(name="Ada", email="ada@example.com")
    await world.fault("delay_callback", seconds=1.0, times=1)
    await world.dispatch()
    await world.send_one(ada, EMAIL)
    await world.reached(ada, ("email", "sent"))
    await world.sql("UPDATE attempt SET status = 'clicked', rank = 5")
    await until(lambda: _has(world, "delivered"))
    assert await world.attempts(ada) == [("email", "clicked")]


async def _has(world: World, status: str) -> bool:
    return any(data["status"] == status for data in await world.published())


async def test_marketing_mail_carries_one_click_unsubscribe_and_looking_at_its_page_changes_nothing(world: World) -> None:
    ada = world.people.add("email", name="<Ada>", email="ada@example.com")
    await world.dispatch()
    await world.send_one(ada, EMAIL, purpose="marketing")
    await world.reached(ada, ("email", "delivered"))
    (message,) = await world.sandbox.messages()
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = message["headers"]["List-Unsubscribe"].strip("<>")
    assert link in message["html"]
    assert "&lt;Ada&gt;" in message["html"]
    assert message["body"].startswith("<Ada>: stop (")
    async with httpx.AsyncClient() as browser:
        page = await browser.get(link)
        assert page.status_code == 200
        assert re.search("<form method=.post", page.text)
        assert world.people.consents == []
        assert (await browser.post(link, data={"List-Unsubscribe": "One-Click"})).status_code == 200
        assert (await browser.post(link[:-3] + "AAA")).status_code == 404
    assert [(c["channel"], c["purpose"], c["state"]) for c in world.people.consents] == [("email", "marketing", "withdrawn")]
    assert (await world.send_one(ada, EMAIL, purpose="marketing")).reason == "no_consent"
    assert (await world.send_one(ada, EMAIL)).status == "accepted"
    await world.reached(ada, ("email", "unsubscribed"), ("email", "delivered"))


async def test_consent_taken_back_while_profiles_is_away_is_brought_there_later(world: World) -> None:
    ada = world.people.add("email", name="Ada", email="ada@example.com")
    await world.dispatch()
    await world.send_one(ada, EMAIL, purpose="marketing")
    await world.reached(ada, ("email", "delivered"))
    (message,) = await world.sandbox.messages()
    world.people.away = True
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(message["headers"]["List-Unsubscribe"].strip("<>"))).status_code == 200
    assert len(await world.sql("SELECT 1 FROM consent_due")) == 1
    world.people.away = False

    async def told() -> bool:
        return len(world.people.consents) == 1

    await until(told)


async def test_a_click_on_a_push_is_told_by_the_page(world: World) -> None:
    subscription = await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"})
    ada = world.people.add(name="Ada", push_subscription=subscription)
    await world.dispatch()
    await world.send_one(ada, Channel.WEB_PUSH)
    await world.reached(ada, ("web_push", "sent"))
    (message,) = await world.sandbox.messages()
    assert message["payload"]["url"] == "https://shop.example/"
    answer = await world.api.post(
        "/v1/clicks/push", json={"attempt": message["payload"]["attempt"], "url": "https://shop.example/"}
    )
    assert answer.status_code == 204
    await world.reached(ada, ("web_push", "clicked"))
    assert (await world.api.post("/v1/clicks/push", content=b"no json")).status_code == 400


async def test_the_look_back_finds_the_receipts_of_a_step(world: World) -> None:
    ada = world.people.add(name="Ada", phone="+15550002001")
    enrolment = "01900000-0000-7000-8000-000000000001"
    await world.dispatch()
    await world.send_one(ada, enrolment=enrolment, journey="j", step="hi")
    await world.reached(ada, ("sms", "delivered"))
    filters = [{"enrolment": enrolment, "step": "other"}, {"enrolment": enrolment, "step": "hi", "visit": 1}]
    answer = (await world.api.post("/v1/receipts/search", json={"filters": filters})).json()
    assert [[receipt["status"] for receipt in each] for each in answer["receipts"]] == [[], ["sent", "delivered"]]
    stats = (await world.api.get("/v1/stats", params={"journey": "j"})).json()
    (step,) = stats["steps"]
    assert (step["channels"][0]["sent"], step["channels"][0]["delivered"], step["skipped"]) == (1, 1, {})


@pytest.mark.parametrize("refusal", [401, 403, 404])
async def test_a_withdrawal_that_profiles_refuses_is_kept_and_heeded_until_it_is_taken(world: World, refusal: int) -> None:
    ada, bob = (world.people.add("email", name=n, email=f"{n}@example.com") for n in ("ada", "bob"))
    await world.send_one(ada, EMAIL, purpose="marketing")
    await world.send_one(bob, EMAIL, purpose="marketing")
    link = (await world.story(ada, body=True))[0]["attempts"][0]["content"]["unsubscribe_url"]
    world.people.refusing = refusal
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(link)).status_code == 200
    assert (await world.send_one(ada, EMAIL, purpose="marketing")).reason == "no_consent"
    assert (await world.send_one(ada, EMAIL)).status == "accepted"
    await world.dispatch()
    await world.reached(bob, ("email", "delivered"))

    async def stopped() -> bool:
        rows = await world.sql("SELECT a.state FROM attempt a JOIN message m ON a.message_id = m.id WHERE purpose = 'marketing'")
        return sorted(row[0] for row in rows) == ["cancelled", "sent"]

    await until(stopped)
    assert len(await world.sql("SELECT 1 FROM consent_due")) == 1
    world.people.refusing = None

    async def told() -> bool:
        return len(world.people.consents) == 1 and not await world.sql("SELECT 1 FROM consent_due")

    await until(told)


async def test_a_withdrawal_that_profiles_has_something_else_against_is_kept_and_heeded(world: World) -> None:
    ada = world.people.add("email", name="ada", email="ada@example.com")
    await world.send_one(ada, EMAIL, purpose="marketing")
    link = (await world.story(ada, body=True))[0]["attempts"][0]["content"]["unsubscribe_url"]
    world.people.flaws = ("$.entries[0].at",)
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(link)).status_code == 200
    assert (await world.send_one(ada, EMAIL, purpose="marketing")).reason == "no_consent"
    assert len(await world.sql("SELECT 1 FROM consent_due")) == 1
    world.people.flaws = ()

    async def told() -> bool:
        return len(world.people.consents) == 1 and not await world.sql("SELECT 1 FROM consent_due")

    await until(told)


async def test_the_entry_of_an_erased_person_is_dropped_and_the_others_are_brought(world: World) -> None:
    ada, bob = (world.people.add(name=n, phone="+15550002001") for n in ("ada", "bob"))
    for person in (ada, bob):
        await world.send_one(person)
    world.people.erased.add(ada)
    await world.dispatch()
    await world.reached(bob, ("sms", "delivered"))
    await world.sandbox.act((await world.sandbox.messages())[0]["id"], "reply", text="STOP")

    async def told() -> bool:
        return bool(world.people.consents) and not await world.sql("SELECT 1 FROM consent_due")

    await until(told)
    assert [entry["profile_id"] for entry in world.people.consents] == [str(bob)]
