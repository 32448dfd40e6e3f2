"""Kill -9 of the journeys service in the middle of a resume: whoever was parked or held gets each message exactly once."""

import signal
from collections import Counter
from uuid import uuid4

import pytest
from segment.analytics import Client as SegmentClient

from tests.e2e.shop import Shop, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PARKED, HELD = 100, 20
SEND = {"type": "send", "template": "resume-note", "channels": ["email"], "purpose": "transactional"}
STEPS = [
    {
        "id": "go",
        "type": "wait_for",
        "since": "entry",
        "paths": [{"id": "went", "event": "Go on"}],
        "timeout": {"after": "PT4H", "steps": [{"id": "late", "type": "exit", "reason": "late"}]},
    },
    SEND | {"id": "after"},
]


async def test_a_resume_that_was_killed_in_the_middle_writes_everybody_once(shop: Shop) -> None:
    mark = f"resume-{uuid4().hex[:8]}"
    people = [f"{mark}-{number}" for number in range(PARKED + HELD)]
    await shop.publish("templates", "resume-note", {"email": {"subject": "{{ profile.traits.mark }}", "html": "<p>Hello</p>"}})
    entry = {"event": f"Start {mark}", "reentry": "never"}
    await shop.publish("journeys", mark, {"key": mark, "name": mark, "purpose": "transactional", "entry": entry, "steps": STEPS})

    async def enter(these: list[str]) -> None:
        def calls(client: SegmentClient) -> None:
            for person in these:
                client.identify(person, {"name": person, "mark": mark, "email": f"{person}@example.com"})
                client.track(person, f"Start {mark}")

        await shop.track(calls)

    async def counts(**wanted: int) -> bool:
        stats = await shop.journeys.get_json(f"/v1/journeys/{mark}/stats")
        return all(stats[name] == number for name, number in wanted.items())

    async def waiting() -> bool:
        stats = await shop.journeys.get_json(f"/v1/journeys/{mark}/stats")
        return {each["step"]: each["waiting_now"] for each in stats["steps"]}.get("go") == PARKED

    async def got() -> list[str]:
        return [str(each["to"]) for each in await shop.messages(channel="email") if each.get("subject") == mark]

    await enter(people[:PARKED])
    await until(waiting, what="everybody waits")
    await shop.journeys.request("POST", f"/v1/journeys/{mark}/pause", {})
    await enter(people[PARKED:])
    await until(lambda: counts(held=HELD), what="those who enter meanwhile are held")
    await shop.track(lambda client: [client.track(person, "Go on") for person in people])
    await until(lambda: counts(parked=PARKED, held=HELD), what="everybody is parked at the message")
    assert await got() == []

    await shop.journeys.request("POST", f"/v1/journeys/{mark}/resume", {})

    async def begun() -> bool:
        return len(await got()) >= PARKED // 10

    await until(begun, what="a tenth has been written to")
    shop.system.kill("journeys", signal.SIGKILL)
    await shop.system.wait_ready("journeys")

    async def all_ended() -> bool:
        return await counts(running=0, ended=PARKED + HELD) and len(await got()) >= PARKED + HELD

    await until(all_ended, what="everybody has ended and every message is out")
    assert Counter(await got()) == Counter(f"{person}@example.com" for person in people)
    assert await counts(goal_reached=0)
    assert Counter(each["reason"] for each in await shop.enrolments(mark)) == {"completed": PARKED + HELD}
