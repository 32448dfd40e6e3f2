"""The sandbox's Twilio, driven by Twilio's own SDK."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest.api.v2010.account.message import MessageInstance  # type: ignore[import-untyped]

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.support import Received, Receiver, Sandbox, in_thread, until

ADA = "+4915112345678"
SHOP = "+15557654321"


async def send(sandbox: Sandbox, token: str | None = None, **more: Any) -> MessageInstance:
    params = {"to": ADA, "from_": SHOP, "body": "Hello Ada", **more}
    return await in_thread(lambda: sandbox.twilio(token).messages.create(**params))


async def refused(sandbox: Sandbox, **more: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as caught:
        await send(sandbox, **more)
    return caught.value


def is_signed(sandbox: Sandbox, receiver_url: str, got: Received) -> bool:
    url = f"{receiver_url}{got.path}" + (f"?{got.query}" if got.query else "")
    validator = RequestValidator(sandbox.settings.twilio_auth_token.get_secret_value())
    return bool(validator.validate(url, got.form, got.headers["x-twilio-signature"]))


async def test_the_sdk_sends_an_sms_and_reads_its_answer(sandbox: Sandbox) -> None:
    sent = await send(sandbox)
    assert (sent.sid or "").startswith("SM")
    assert (sent.status, sent.to, sent.from_, sent.body) == ("queued", ADA, SHOP, "Hello Ada")
    assert (sent.direction, sent.error_code, sent.num_segments) == ("outbound-api", None, "1")
    assert isinstance(sent.date_created, datetime)


async def test_a_whatsapp_message_keeps_its_prefix_and_is_recorded_under_the_plain_number(sandbox: Sandbox) -> None:
    sent = await send(sandbox, to=f"whatsapp:{ADA}", from_=f"whatsapp:{SHOP}")
    assert sent.to == f"whatsapp:{ADA}"
    [message] = await sandbox.messages(to=ADA)
    assert (message["channel"], message["to"], message["from"], message["id"]) == ("whatsapp", ADA, SHOP, sent.sid)


async def test_statuses_are_called_back_signed_as_twilio_signs_them(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    attempt = str(uuid.uuid4())
    sent = await send(sandbox, status_callback=f"{receiver_url}/status?attempt={attempt}&x=a%20b")
    for got in await receiver.statuses("sent", "delivered"):
        assert is_signed(sandbox, receiver_url, got)
        assert got.query == f"attempt={attempt}&x=a%20b"
        assert got.form["MessageSid"] == sent.sid
        assert got.form["AccountSid"] == sandbox.settings.twilio_account_sid
    [message] = await sandbox.messages(attempt=attempt)
    assert message["id"] == sent.sid


async def test_twilio_reports_no_initial_status_but_queued_when_a_service_picked_the_sender(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    sent = await send(sandbox, from_=None, messaging_service_sid="MG0123", status_callback=f"{receiver_url}/status")
    assert (sent.status, sent.from_, sent.messaging_service_sid) == ("accepted", None, "MG0123")
    got = await receiver.statuses("queued", "sent", "delivered")
    assert {g.form["MessagingServiceSid"] for g in got} == {"MG0123"}
    plain = await send(sandbox, status_callback=f"{receiver_url}/plain")
    await receiver.until(lambda rs: [r for r in rs if r.path == "/plain" and r.form["MessageStatus"] == "delivered"])
    assert [r.form["MessageStatus"] for r in receiver.received if r.form["MessageSid"] == plain.sid] == ["sent", "delivered"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"to": "12"}, 21211),
        ({"to": "whatsapp:ada"}, 21211),
        ({"to": ""}, 21604),
        ({"from_": ""}, 21603),
        ({"from_": "++"}, 21212),
        ({"from_": f"whatsapp:{SHOP}"}, 63007),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"status_callback": "ftp://x"}, 21609),
        ({"body": None, "content_sid": "HX1", "content_variables": "{"}, 21656),
    ],
)
async def test_a_wrong_parameter_is_refused_with_twilios_code(sandbox: Sandbox, params: dict[str, Any], code: int) -> None:
    error = await refused(sandbox, **params)
    assert (error.status, error.code) == (400, code)
    assert await sandbox.messages() == []


async def test_a_wrong_token_is_refused(sandbox: Sandbox) -> None:
    error = await refused(sandbox, token="wrong")
    assert (error.status, error.code) == (401, 20003)


async def test_another_account_is_refused(sandbox: Sandbox) -> None:
    auth = (sandbox.settings.twilio_account_sid, sandbox.settings.twilio_auth_token.get_secret_value())
    answer = await sandbox.http.post("/2010-04-01/Accounts/AC9/Messages.json", data={"To": ADA}, auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


async def test_a_content_template_is_filled_in_where_the_sandbox_knows_it(sandbox: Sandbox) -> None:
    await sandbox.post("/api/contents", {"sid": "HX1", "body": "Hi {{1}}, {{what}} is ready {{2}}"})
    known = await send(sandbox, body=None, content_sid="HX1", content_variables='{"1": "Ada", "what": "tea"}')
    assert known.body == "Hi Ada, tea is ready {{2}}"
    unknown = await send(sandbox, body=None, content_sid="HX2", content_variables='{"1": "Ada"}')
    assert unknown.body == "[template HX2] · Ada"


async def test_a_reply_reaches_the_inbound_webhook_signed(sandbox: Sandbox, receiver: Receiver, receiver_url: str) -> None:
    await sandbox.post("/api/customers", {"name": "Ada", "phone": ADA})
    sent = await send(sandbox, to=f"whatsapp:{ADA}", from_=f"whatsapp:{SHOP}")
    done = await sandbox.act(sent.sid or "", "reply", text="Yes & no, größer")
    got = await receiver.until(lambda rs: next((r for r in rs if r.path == "/inbound"), None))
    assert is_signed(sandbox, receiver_url, got)
    assert (got.form["From"], got.form["To"]) == (f"whatsapp:{ADA}", f"whatsapp:{SHOP}")
    assert (got.form["Body"], got.form["MessageSid"]) == ("Yes & no, größer", done["reply_id"])
    assert (got.form["OriginalRepliedMessageSid"], got.form["ProfileName"]) == (sent.sid, "Ada")


async def test_an_sms_reply_names_no_original_because_sms_cannot(sandbox: Sandbox, receiver: Receiver) -> None:
    sent = await send(sandbox)
    await sandbox.act(sent.sid or "", "reply", text="ok")
    got = await receiver.until(lambda rs: next((r for r in rs if r.path == "/inbound"), None))
    assert (got.form["From"], got.form["To"]) == (ADA, SHOP)
    assert "OriginalRepliedMessageSid" not in got.form


async def test_stop_blocks_the_pair_of_numbers_until_start(sandbox: Sandbox) -> None:
    sent = await send(sandbox)
    await sandbox.act(sent.sid or "", "reply", text=" Stop ")
    error = await refused(sandbox)
    assert (error.status, error.code) == (400, 21610)
    await send(sandbox, from_="+15550000001")
    await sandbox.act(sent.sid or "", "reply", text="START")
    assert (await send(sandbox)).status == "queued"


async def test_reading_a_whatsapp_is_called_back_once_and_an_sms_cannot_be_read(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    sent = await send(sandbox, to=f"whatsapp:{ADA}", from_=f"whatsapp:{SHOP}", status_callback=f"{receiver_url}/status?attempt=1")
    await sandbox.act(sent.sid or "", "read")
    await sandbox.act(sent.sid or "", "read")
    got = await receiver.statuses("sent", "delivered", "read")
    assert [g.form["EventType"] for g in got if g.form["MessageStatus"] == "read"] == ["READ"]
    text = await send(sandbox)
    answer = await sandbox.http.post("/api/act", json={"message_id": text.sid, "action": "read"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


async def test_one_message_can_be_fetched_with_its_present_status(sandbox: Sandbox) -> None:
    sent = await send(sandbox)

    async def delivered() -> MessageInstance | None:
        now = await in_thread(lambda: sandbox.twilio().messages(sent.sid or "").fetch())
        return now if now.status == "delivered" else None

    assert isinstance((await until(delivered)).date_sent, datetime)
    with pytest.raises(TwilioRestException) as caught:
        await in_thread(lambda: sandbox.twilio().messages("SM0").fetch())
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_messages_are_listed_for_reconciling_by_recipient_and_date_over_pages(sandbox: Sandbox) -> None:
    sent = [(await send(sandbox, body=f"no {n}")).sid for n in range(5)]
    await send(sandbox, to="+4915100000000")
    await send(sandbox, to=f"whatsapp:{ADA}", from_=f"whatsapp:{SHOP}")
    now = datetime.now(UTC)
    messages = sandbox.twilio().messages

    async def listed(**query: Any) -> list[str | None]:
        return [m.sid for m in await in_thread(lambda: messages.list(to=ADA, **query))]

    assert await listed(page_size=2) == sent[::-1]
    assert await listed(limit=3) == sent[:1:-1]
    assert await listed(date_sent=now.date()) == sent[::-1]
    assert await listed(date_sent_after=now - timedelta(minutes=1), date_sent_before=now) == sent[::-1]
    assert await listed(date_sent_after=now + timedelta(minutes=1)) == []
    assert await listed(date_sent_before=now - timedelta(minutes=1)) == []
    assert len(await in_thread(lambda: messages.list(to=f"whatsapp:{ADA}"))) == 1


async def test_free_text_outside_the_whatsapp_window_fails_where_that_is_switched_on(
    start_sandbox: StartSandbox, receiver: Receiver, receiver_url: str
) -> None:
    sandbox = await start_sandbox(whatsapp_window=True)
    whatsapp = {"to": f"whatsapp:{ADA}", "from_": f"whatsapp:{SHOP}"}
    await send(sandbox, **whatsapp, status_callback=f"{receiver_url}/status")
    [got] = await receiver.statuses("undelivered")
    assert got.form["ErrorCode"] == "63016"
    template = await send(sandbox, **whatsapp, body=None, content_sid="HX1", status_callback=f"{receiver_url}/status")
    await receiver.statuses("delivered")
    await sandbox.act(template.sid or "", "reply", text="hi")
    answered = await send(sandbox, **whatsapp, status_callback=f"{receiver_url}/status")
    await receiver.until(
        lambda rs: [r for r in rs if r.form["MessageSid"] == answered.sid and r.form["MessageStatus"] == "delivered"]
    )


async def test_a_page_of_a_wrong_form_is_an_error_of_twilio_not_a_crash(sandbox: Sandbox) -> None:
    auth = (sandbox.settings.twilio_account_sid, sandbox.settings.twilio_auth_token.get_secret_value())
    url = f"{sandbox.url}/2010-04-01/Accounts/{auth[0]}/Messages.json"
    async with httpx.AsyncClient(auth=auth) as client:
        answer = await client.get(url, params={"PageSize": "many"})
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
