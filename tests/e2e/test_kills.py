"""Kill -9 of any part while 200 people are under way: everybody ends where they should, with each message exactly once."""

import signal
from collections import Counter
from uuid import uuid4

import pytest
from segment.analytics import Client as SegmentClient

from tests.e2e.shop import Shop, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PEOPLE = 200
STEPS = [
    {"id": "hello", "type": "send", "template": "kill-note", "channels": ["sms"], "purpose": "transactional"},
    {
        "id": "go",
        "type": "wait_for",
        "since": "entry",
        "paths": [{"id": "went", "event": "Go"}],
        "timeout": {"after": "PT4H", "steps": [{"id": "late", "type": "exit", "reason": "late"}]},
    },
    {"id": "again", "type": "send", "template": "kill-note", "channels": ["email"], "purpose": "transactional"},
    {"id": "rest", "type": "wait", "for": "PT1S"},
    {"id": "bye", "type": "send", "template": "kill-note", "channels": ["whatsapp"], "purpose": "transactional"},
]


@pytest.mark.parametrize("victim", ["worker", "profiles", "segments", "channels", "dispatcher", "journeys", "temporal"])
async def test_nobody_is_lost_and_nobody_written_twice(shop: Shop, victim: str) -> None:
    mark = f"{victim}-{uuid4().hex[:8]}"
    key = f"kill-{mark}"
    people = [f"{mark}-{number}" for number in range(PEOPLE)]
    parts = {
        "email": {"subject": mark, "html": "<p>Hello {{ profile.traits.name }}</p>"},
        "sms": {"body": mark},
        "whatsapp": {"body": mark},
    }
    await shop.publish("templates", "kill-note", parts)
    entry = {"event": f"Start {mark}", "reentry": "never"}
    await shop.publish("journeys", key, {"key": key, "name": key, "purpose": "transactional", "entry": entry, "steps": STEPS})

    def enter(client: SegmentClient) -> None:
        for number, person in enumerate(people):
            client.identify(person, {"name": person, "email": f"{person}@example.com", "phone": _phone(victim, number)})
            client.track(person, f"Start {mark}")

    await shop.track(enter)

    async def messages() -> list[dict[str, object]]:
        return [message for message in await shop.messages() if mark in (message.get("subject") or message.get("body") or "")]

    async def some_sent() -> bool:
        return len(await messages()) >= PEOPLE // 4

    async def all_under_way() -> bool:
        return len(await shop.enrolments(key)) == PEOPLE

    await until(some_sent, what="a quarter of the first messages is out")
    shop.system.kill(victim, signal.SIGKILL)
    await shop.system.wait_ready(victim)
    await until(all_under_way, what="everybody has entered")

    await shop.track(lambda client: [client.track(person, "Go") for person in people])

    async def second_round() -> bool:
        return len(await messages()) >= PEOPLE + PEOPLE // 4

    await until(second_round, what="a quarter of the second messages is out")
    shop.system.kill(victim, signal.SIGKILL)
    await shop.system.wait_ready(victim)

    async def all_ended() -> bool:
        return all(each["state"] == "ended" for each in await shop.enrolments(key)) and len(await messages()) >= 3 * PEOPLE

    await until(all_ended, what="everybody has ended and every message is out")
    assert Counter(each["reason"] for each in await shop.enrolments(key)) == {"completed": PEOPLE}
    got = Counter((message["to"], message["channel"]) for message in await messages())
    assert len(got) == 3 * PEOPLE
    assert set(got.values()) == {1}


def _phone(victim: str, number: int) -> str:
    """A valid German mobile number of this person's own."""
    block = ["worker", "profiles", "segments", "channels", "dispatcher", "journeys", "temporal"].index(victim)
    return f"+49151{block:01d}{number:07d}"
