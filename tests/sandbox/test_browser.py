"""A person at the page, in a real browser."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect
from py_vapid import Vapid02

from tests.sandbox.support import Receiver, Sandbox
from tests.sandbox.test_push import push, subscribe, vapid
from tests.sandbox.test_sendgrid import mail, post
from tests.sandbox.test_twilio import ADA, SHOP, send

__all__ = ["vapid"]

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}; set CHROMIUM to where it is"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def test_somebody_reads_an_email_clicks_in_it_and_answers_a_whatsapp(
    sandbox: Sandbox, receiver: Receiver, receiver_url: str, browser: Browser, vapid: Vapid02
) -> None:
    await sandbox.post("/api/customers", {"name": "Ada Lovelace", "phone": ADA, "email": "ada@example.com"})
    await post(sandbox, mail())
    whatsapp = {"to": f"whatsapp:{ADA}", "from_": f"whatsapp:{SHOP}", "status_callback": f"{receiver_url}/status?attempt=w"}
    await send(sandbox, body="Did you miss us?", **whatsapp)
    page = await browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    await page.goto(sandbox.url)
    await page.get_by_role("link", name="Ada Lovelace").click()
    await page.get_by_role("link", name="The Shop").click()
    letter = page.frame_locator("iframe")
    await expect(letter.get_by_role("heading", name="Hi")).to_be_visible()
    await receiver.events("open")
    async with page.expect_popup() as opened:
        await letter.get_by_role("link", name="Shop").click()
    popup = await opened.value
    await expect(popup.get_by_role("link", name="https://shop.example/a?x=1&y=2")).to_be_visible()
    await receiver.events("click")

    await page.get_by_role("navigation", name="Apps").get_by_role("link", name="WhatsApp").click()
    await expect(page.locator(".bubble", has_text="Did you miss us?")).to_be_visible()
    await receiver.statuses("sent", "delivered", "read")
    await page.get_by_role("textbox", name="Reply").fill("I was ill")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".bubble.mine", has_text="I was ill")).to_be_visible()
    got = await receiver.until(lambda rs: next((r for r in rs if r.path == "/inbound"), None))
    assert got.form["Body"] == "I was ill"

    await send(sandbox, body="Get well soon!", **whatsapp)
    await expect(page.locator(".bubble", has_text="Get well soon!")).to_be_visible()
    await page.get_by_role("link", name="Home screen").click()
    await push(await subscribe(sandbox, "Ada Lovelace"), vapid, '{"title": "A book for you"}')
    await expect(page.locator(".note", has_text="A book for you")).to_be_visible()

    await page.get_by_role("button", name="Report spam").click()
    await expect(page.get_by_role("button", name="Reported ✓")).to_be_visible()
    await receiver.events("spamreport")
    assert errors == []
