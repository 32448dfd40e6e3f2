"""The page as the server renders it."""

import asyncio
import html
from typing import Any

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.support import PATIENCE_SECONDS, Receiver, Sandbox
from tests.sandbox.test_sendgrid import mail, send
from tests.sandbox.test_twilio import ADA
from tests.sandbox.test_twilio import send as send_sms


async def text(sandbox: Sandbox, path: str, **params: Any) -> str:
    answer = await sandbox.http.get(path, params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


async def test_customers_and_unknown_addresses_are_listed_and_found_by_search(sandbox: Sandbox) -> None:
    await sandbox.post("/api/customers", {"name": "Ada Lovelace", "phone": ADA})
    await send(sandbox, mail("bob@example.com"))
    page = await text(sandbox, "/")
    assert "Ada Lovelace" in page
    assert "bob@example.com" in page
    found = await text(sandbox, "/", q="lovel")
    assert "Ada Lovelace" in found
    assert "bob@example.com" not in found


async def test_an_email_is_shown_in_a_frame_that_can_run_nothing(sandbox: Sandbox) -> None:
    message = await send(sandbox)
    page = await text(sandbox, f"/customers/{message['customer']}", mail=message["id"])
    assert f'src="/emails/{message["id"]}" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    policy = (await sandbox.http.get(f"/emails/{message['id']}")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


async def test_links_of_an_email_lead_through_the_click_page_and_nothing_else_changes(sandbox: Sandbox) -> None:
    message = await send(sandbox)
    shown = await text(sandbox, f"/emails/{message['id']}")
    assert shown.startswith("<h1>Hi</h1>")
    there = f"/click/{message['id']}?url=https%3A%2F%2Fshop.example%2Fa%3Fx%3D1%26y%3D2"
    assert f'href="{html.escape(there)}"' in shown


async def test_a_click_is_counted_and_shows_where_it_would_have_led(sandbox: Sandbox, receiver: Receiver) -> None:
    message = await send(sandbox)
    page = await text(sandbox, f"/click/{message['id']}", url="https://shop.example/b")
    assert "https://shop.example/b" in page
    [event] = await receiver.events("click")
    assert event["url"] == "https://shop.example/b"


async def test_a_click_to_this_machine_redirects_and_a_foreign_link_does_not_pass(sandbox: Sandbox) -> None:
    body = mail()
    body["content"][1]["value"] = '<a href="http://127.0.0.1:1/x">x</a>'
    message = await send(sandbox, body)
    answer = await sandbox.http.get(f"/click/{message['id']}", params={"url": "http://127.0.0.1:1/x"})
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/x")
    answer = await sandbox.http.get(f"/click/{message['id']}", params={"url": "http://127.0.0.1:1/y"})
    assert answer.status_code == 409


async def test_what_a_message_says_is_shown_as_text_with_its_links_clickable(sandbox: Sandbox) -> None:
    sent = await send_sms(sandbox, body="<script>x</script> see https://a.example/b?c=1&d=2.")
    [message] = await sandbox.messages()
    page = await text(sandbox, f"/customers/{message['customer']}", app="sms")
    assert "<script>x" not in page
    assert "&lt;script&gt;x&lt;/script&gt; see <a " in page
    assert f"/click/{sent.sid}?url=https%3A%2F%2Fa.example%2Fb%3Fc%3D1%26d%3D2" in page


async def test_the_journey_link_carries_the_customer(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(reis_links="http://127.0.0.1:8004/next?email={email}&user={id}")
    ada = await sandbox.post("/api/customers", {"name": "Ada", "email": "ada+1@example.com", "id": "u-1"})
    page = await text(sandbox, f"/customers/{ada['id']}")
    assert "http://127.0.0.1:8004/next?email=ada%2B1%40example.com&amp;user=u-1" in page


async def test_the_page_is_told_when_something_happened(sandbox: Sandbox) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), sandbox.http.stream("GET", "/changes") as stream:
        lines = (line async for line in stream.aiter_lines() if line.startswith("data:"))
        first = await anext(lines)
        await sandbox.post("/api/customers", {"name": "Ada"})
        assert await anext(lines) != first
