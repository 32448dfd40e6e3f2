"""A burst of events to one enrolment that goes round and round, through the real router and Temporal."""

from typing import Any
from uuid import UUID

from tests.services.journeys.living import Living

PAGE = 20


def treadmill(events: int) -> dict[str, Any]:
    """A loop of waits, one for each of so many events."""
    where = {"property": "foot", "in": ["left", "right"]}
    step = {"id": "step", "type": "wait_for", "paths": [{"id": "stepped", "event": "Stepped", "where": where}]}
    return {
        "key": "treadmill",
        "name": "Treadmill",
        "purpose": "transactional",
        "entry": {"api": True},
        "steps": [{"id": "rounds", "type": "repeat", "max": events, "steps": [step]}],
    }


async def burst(system: Living, events: int, noise: int) -> None:
    """`events` end its waits, `noise` have the right name and the wrong properties: each counts, each once.

    They come faster than they are taken: some meet a wait that is there, most are found looking back.
    """
    await system.publish(treadmill(events))
    enrolment = await system.enrol("treadmill")
    profile: UUID = (await system.rows("SELECT profile_id FROM enrolment"))[0][0]
    for start in range(0, events, PAGE):
        numbers = range(start, min(start + PAGE, events))
        await system.track(profile, "Stepped", *({"foot": "left" if each % 2 else "right", "number": each} for each in numbers))
        if noise:
            await system.track(profile, "Stepped", *({"foot": "none"} for _ in range(noise * len(numbers) // events)))
        await system.track(profile, "Rested", {})
    assert await system.ended(enrolment) == "completed"
    taken = await system.rows(
        "SELECT visit, CAST(body->'properties'->>'number' AS int) AS number FROM match "
        "WHERE enrolment_id = :id AND step = 'step' ORDER BY visit",
        id=enrolment,
    )
    assert [row.visit for row in taken] == list(range(1, events + 1))
    assert sorted(row.number for row in taken) == list(range(events))
    assert (await system.rows("SELECT count(*) FROM decision WHERE step = 'step'"))[0][0] == events
    assert await system.repairs() == {}
