"""The sandbox's SendGrid, driven by bodies of SendGrid's own SDK and checked by its signature verifier."""

from typing import Any

import httpx
import pytest
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import CustomArg, Header, Mail, MailSettings, SandBoxMode

from tests.sandbox.support import Receiver, Sandbox, in_thread

HTML = '<h1>Hi</h1><a class="b" href="https://shop.example/a?x=1&amp;y=2">Shop</a> <a href=\'https://shop.example/b\'>B</a>'


def mail(to: str = "Ada@Example.com", attempt: str = "attempt-1") -> dict[str, Any]:
    built = Mail(("shop@example.com", "The Shop"), to, "Hello", "Hi Ada", HTML)
    built.personalizations[0].add_custom_arg(CustomArg("attempt", attempt))
    built.personalizations[0].add_custom_arg(CustomArg("enrolment", "e-7"))
    body: dict[str, Any] = built.get()
    return body


async def post(sandbox: Sandbox, body: Any, key: str | None = None) -> httpx.Response:
    key = key or sandbox.settings.sendgrid_api_key.get_secret_value()
    return await sandbox.http.post("/v3/mail/send", json=body, headers={"Authorization": f"Bearer {key}"})


async def send(sandbox: Sandbox, body: dict[str, Any] | None = None) -> dict[str, Any]:
    before = (await sandbox.get("/api/messages/count"))["total"]
    answer = await post(sandbox, body or mail())
    assert (answer.status_code, answer.content) == (202, b"")
    [message] = await sandbox.messages(after=before)
    assert message["id"].startswith(answer.headers["X-Message-Id"] + ".")
    return message


async def test_the_sdks_own_client_can_send(sandbox: Sandbox) -> None:
    client = SendGridAPIClient(sandbox.settings.sendgrid_api_key.get_secret_value(), host=sandbox.url)
    answer = await in_thread(lambda: client.send(mail()))
    assert answer.status_code == 202
    [message] = await sandbox.messages(channel="email")
    assert (message["to"], message["from"], message["subject"]) == ("ada@example.com", "shop@example.com", "Hello")
    assert (message["body"], message["html"], message["attempt"]) == ("Hi Ada", HTML, "attempt-1")


async def test_events_are_posted_as_an_array_with_custom_args_and_verify_byte_for_byte(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    message = await send(sandbox)
    events = await receiver.events("processed", "delivered")
    for event in events:
        assert (event["attempt"], event["enrolment"], event["email"]) == ("attempt-1", "e-7", "ada@example.com")
        assert (event["sg_message_id"], type(event["timestamp"])) == (message["id"], int)
    assert len({event["sg_event_id"] for event in events}) == len(events)
    verifier = EventWebhook((await sandbox.get("/keys"))["sendgrid_event_webhook_public_key"])
    got = receiver.received[0]
    signature = got.headers["x-twilio-email-event-webhook-signature"]
    timestamp = got.headers["x-twilio-email-event-webhook-timestamp"]
    assert got.body.endswith(b"\r\n")
    assert verifier.verify_signature(got.body.decode(), signature, timestamp)
    assert not verifier.verify_signature(got.body.decode().strip(), signature, timestamp)


async def test_opening_clicking_and_complaining_are_events(sandbox: Sandbox, receiver: Receiver) -> None:
    message = await send(sandbox)
    await sandbox.act(message["id"], "open")
    await sandbox.act(message["id"], "click", url="https://shop.example/b")
    await sandbox.act(message["id"], "spamreport")
    events = {event["event"]: event for event in await receiver.events("open", "click", "spamreport")}
    assert (events["click"]["url"], events["click"]["url_offset"]) == (
        "https://shop.example/b",
        {"index": 1, "type": "html"},
    )
    assert {event["attempt"] for event in events.values()} == {"attempt-1"}
    assert "useragent" in events["open"]


async def test_acting_on_an_email_completes_its_delivery_first(sandbox: Sandbox, receiver: Receiver) -> None:
    message = await send(sandbox)
    await sandbox.act(message["id"], "open")
    names = [h["name"] for h in (await sandbox.get(f"/api/messages/{message['id']}"))["happenings"]]
    assert names == ["processed", "delivered", "open"]


async def test_a_link_that_is_not_in_the_email_cannot_be_clicked(sandbox: Sandbox) -> None:
    message = await send(sandbox)
    wish = {"message_id": message["id"], "action": "click", "url": "https://shop.example/c"}
    assert (await sandbox.http.post("/api/act", json=wish)).status_code == 409
    assert (await sandbox.act(message["id"], "click"))["url"] == "https://shop.example/a?x=1&y=2"


async def test_a_click_on_a_link_to_this_machine_is_followed(sandbox: Sandbox, receiver: Receiver, receiver_url: str) -> None:
    body = mail()
    body["content"][1]["value"] = f'<a href="{receiver_url}/landing?a=1">x</a>'
    message = await send(sandbox, body)
    await sandbox.act(message["id"], "click")
    got = await receiver.until(lambda rs: next((r for r in rs if r.path == "/landing"), None))
    assert got.query == "a=1"


async def test_a_one_click_unsubscribe_is_posted_as_rfc_8058_says(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str
) -> None:
    built = Mail("shop@example.com", "ada@example.com", "Hello", "Hi")
    built.add_header(Header("List-Unsubscribe", f"<mailto:u@example.com>, <{receiver_url}/leave/abc>"))
    built.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    message = await send(sandbox, built.get())
    await sandbox.act(message["id"], "unsubscribe")
    got = await receiver.until(lambda rs: next((r for r in rs if r.path == "/leave/abc"), None))
    assert got.body == b"List-Unsubscribe=One-Click"
    assert got.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert await sandbox.get("/api/suppressions") == {}


async def test_without_the_header_sendgrid_itself_unsubscribes_and_drops_what_follows(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    message = await send(sandbox)
    await sandbox.act(message["id"], "unsubscribe")
    await receiver.events("unsubscribe")
    await send(sandbox)
    [dropped] = await receiver.events("dropped")
    assert dropped["reason"] == "Unsubscribed Address"
    removed = await sandbox.http.delete("/api/suppressions", params={"address": "ada@example.com"})
    assert removed.json() == {"removed": 1}


async def test_a_bounced_address_is_dropped_next_time_and_cannot_act(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.post("/api/faults", {"effect": "bounce", "to": "ada@example.com", "times": 1})
    message = await send(sandbox)
    [bounce] = await receiver.events("bounce")
    assert (bounce["type"], bounce["status"], bounce["attempt"]) == ("bounce", "5.1.1", "attempt-1")
    wish = {"message_id": message["id"], "action": "open"}
    assert (await sandbox.http.post("/api/act", json=wish)).status_code == 409
    await send(sandbox)
    [dropped] = await receiver.events("dropped")
    assert dropped["reason"] == "Bounced Address"


async def test_a_deferred_event_has_sendgrids_attempt_number_in_place_of_ours(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.post("/api/faults", {"effect": "defer", "channel": "email"})
    await send(sandbox)
    [deferred] = await receiver.events("deferred")
    assert (deferred["attempt"], deferred["enrolment"]) == ("1", "e-7")
    await receiver.events("delivered")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "a@b.example"}] * 2}]}, "personalizations.0"),
        ({"personalizations": [{"to": [{"email": "a@b.example"}], "custom_args": {"n": 1}}]}, "personalizations.0.custom_args"),
        ({"personalizations": [{"to": [{"email": "a@b.example"}], "headers": {"To": "x"}}]}, "personalizations.0.headers"),
        ({"from": None}, "from"),
        ({"from": {"email": "x"}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]}, "content"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field_named(sandbox: Sandbox, change: dict[str, Any], field: str) -> None:
    answer = await post(sandbox, mail() | change)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert error["message"]
    assert error["help"]
    assert await sandbox.messages() == []


async def test_a_wrong_key_a_wrong_type_and_broken_json_are_refused(sandbox: Sandbox) -> None:
    assert (await post(sandbox, mail(), key="SG.wrong")).status_code == 401
    headers = {"Authorization": f"Bearer {sandbox.settings.sendgrid_api_key.get_secret_value()}"}
    assert (await sandbox.http.post("/v3/mail/send", content="x", headers=headers)).status_code == 415
    headers["Content-Type"] = "application/json"
    answer = await sandbox.http.post("/v3/mail/send", content="{", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "Bad Request")


async def test_each_recipient_of_a_request_is_a_message_but_no_duplicate(sandbox: Sandbox) -> None:
    body = mail()
    body["personalizations"][0]["to"].append({"email": "bob@example.com"})
    assert (await post(sandbox, body)).status_code == 202
    assert [m["to"] for m in await sandbox.messages()] == ["ada@example.com", "bob@example.com"]
    assert (await sandbox.get("/api/messages/duplicates"))["duplicates"] == []


async def test_sendgrids_own_sandbox_mode_sends_nothing(sandbox: Sandbox) -> None:
    built = Mail("shop@example.com", "ada@example.com", "Hello", "Hi")
    built.mail_settings = MailSettings(sandbox_mode=SandBoxMode(enable=True))
    assert (await post(sandbox, built.get())).status_code == 200
    assert await sandbox.messages() == []


async def test_the_email_activity_api_finds_a_mail_by_its_attempt(sandbox: Sandbox) -> None:
    message = await send(sandbox, mail(attempt="a-1"))
    await send(sandbox, mail(attempt="a-2"))
    await sandbox.act(message["id"], "open")
    headers = {"Authorization": f"Bearer {sandbox.settings.sendgrid_api_key.get_secret_value()}"}

    async def found(query: str) -> list[dict[str, Any]]:
        answer = await sandbox.http.get("/v3/messages", params={"query": query, "limit": 10}, headers=headers)
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    [activity] = await found("unique_args['attempt']=\"a-1\"")
    assert (activity["msg_id"], activity["from_email"]) == (message["id"], "shop@example.com")
    assert (activity["status"], activity["opens_count"], activity["clicks_count"]) == ("delivered", 1, 0)
    assert await found("unique_args['attempt']=\"a-3\"") == []
    assert len(await found("unique_args['enrolment']=\"e-7\"")) == 2
    assert (await sandbox.http.get("/v3/messages", params={"query": "x"}, headers=headers)).status_code == 400
    assert (await sandbox.http.get("/v3/messages")).status_code == 401
