"""The control API: what arrived, what arrived twice, and whose it is."""

from tests.sandbox.support import Sandbox
from tests.sandbox.test_sendgrid import mail, post
from tests.sandbox.test_twilio import ADA, send


async def test_the_same_attempt_accepted_twice_is_a_duplicate(sandbox: Sandbox) -> None:
    callback = "http://127.0.0.1:9/status?attempt=a-1"
    first, second = await send(sandbox, status_callback=callback), await send(sandbox, status_callback=callback)
    await send(sandbox, status_callback="http://127.0.0.1:9/status?attempt=a-2")
    await send(sandbox)
    [duplicate] = (await sandbox.get("/api/messages/duplicates"))["duplicates"]
    assert duplicate["attempt"] == "a-1"
    assert [m["id"] for m in duplicate["messages"]] == [first.sid, second.sid]


async def test_messages_are_read_in_order_and_resumed_after_the_last_one_seen(sandbox: Sandbox) -> None:
    for n in range(5):
        await post(sandbox, mail(attempt=f"a-{n}"))
    page = await sandbox.get("/api/messages", limit=3)
    assert [m["attempt"] for m in page["messages"]] == ["a-0", "a-1", "a-2"]
    rest = await sandbox.get("/api/messages", after=page["next_after"])
    assert [m["attempt"] for m in rest["messages"]] == ["a-3", "a-4"]
    assert (await sandbox.get("/api/messages", after=rest["next_after"]))["next_after"] == rest["next_after"]


async def test_messages_are_counted_by_channel_and_recipient(sandbox: Sandbox) -> None:
    await send(sandbox)
    await send(sandbox, to=f"whatsapp:{ADA}", from_="whatsapp:+15557654321")
    await post(sandbox, mail())
    count = await sandbox.get("/api/messages/count")
    assert (count["total"], count["by_channel"]) == (3, {"sms": 1, "whatsapp": 1, "email": 1, "web_push": 0})
    assert (await sandbox.get("/api/messages/count", to=ADA))["total"] == 2
    assert (await sandbox.get("/api/messages/count", channel="email", after=3))["total"] == 0


async def test_a_customer_joins_addresses_that_were_strangers(sandbox: Sandbox) -> None:
    await send(sandbox)
    await post(sandbox, mail())
    assert [c["known"] for c in await sandbox.get("/api/customers")] == [False, False]
    ada = await sandbox.post("/api/customers", {"name": "Ada", "phone": ADA, "email": "ADA@example.com"})
    assert await sandbox.get("/api/customers") == [ada]
    assert {m["customer"] for m in await sandbox.messages(to="Ada")} == {ada["id"]}
    assert len(await sandbox.messages(to=ada["id"])) == 2
    again = await sandbox.post("/api/customers", {"name": "Ada L.", "phone": ADA})
    assert (again["id"], again["email"]) == (ada["id"], "ada@example.com")


async def test_people_of_one_name_stay_apart_by_address_or_id(sandbox: Sandbox) -> None:
    one = await sandbox.post("/api/customers", {"name": "Anna", "phone": "+4915100000001"})
    two = await sandbox.post("/api/customers", {"name": "Anna", "phone": "+4915100000002"})
    three = await sandbox.post("/api/customers", {"name": "Anna", "id": "u-3"})
    assert len({one["id"], two["id"], three["id"]}) == 3
    assert three["id"] == "u-3"


async def test_an_unknown_message_cannot_be_acted_on(sandbox: Sandbox) -> None:
    answer = await sandbox.http.post("/api/act", json={"message_id": "none", "action": "open"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no message 'none'")


async def test_it_is_live_and_ready(sandbox: Sandbox) -> None:
    assert await sandbox.get("/livez") == {"status": "ok"}
    assert await sandbox.get("/readyz") == {"status": "ok"}
