"""Taking messages and getting them out."""

from contracts.channels import Channel
from tests.services.channels.support import World


async def test_a_message_goes_out_on_each_channel_and_its_receipts_come_back(world: World) -> None:
    subscription = await world.sandbox.post("/api/push-subscriptions", {"customer": "Ada"})
    traits = {"name": "Ada", "email": "ada@example.com", "phone": "+1 555 000 2001", "push_subscription": subscription}
    ada = world.people.add(**traits)
    await world.dispatch()
    for channel in Channel:
        assert (await world.send_one(ada, channel)).status == "accepted"
    await world.reached(ada, ("email", "delivered"), ("sms", "delivered"), ("whatsapp", "delivered"), ("web_push", "sent"))
    messages = await world.sandbox.messages()
    assert {m["channel"]: m["subject"] or m["body"] for m in messages} == {
        "email": "Hi Ada",
        "sms": "Hi Ada",
        "whatsapp": "Hello Ada",
        "web_push": "Hi Ada",
    }
    published = {(data["channel"], data["status"]) for data in await world.published()}
    assert {("email", "sent"), ("email", "delivered"), ("sms", "delivered"), ("web_push", "sent")} <= published
