"""One enrolment that gets ten thousand events in a burst, through the real router and Temporal: none is lost, none counts twice.

A hundred of them end its waits, round after round; the others have the right name and the wrong properties.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from infra.local.temporal import TemporalServer
from tests.services.journeys.living import living

EVENTS = 100
NOISE = 9_900
PAGE = 20
LOOP: dict[str, Any] = {
    "key": "treadmill",
    "name": "Treadmill",
    "purpose": "transactional",
    "entry": {"api": True},
    "steps": [
        {
            "id": "rounds",
            "type": "repeat",
            "max": EVENTS,
            "steps": [
                {
                    "id": "step",
                    "type": "wait_for",
                    "paths": [{"id": "stepped", "event": "Stepped", "where": {"property": "foot", "in": ["left", "right"]}}],
                }
            ],
        }
    ],
}


async def test_a_burst_of_events_is_taken_event_by_event_each_once(
    migrated_database: Callable[[str], str], temporal: TemporalServer
) -> None:
    """They come faster than they are taken: some meet a wait that is there, most are found looking back."""
    async with living(migrated_database("journeys"), temporal.address, grace=timedelta(minutes=3)) as system, system.worker():
        await system.publish(LOOP)
        enrolment = await system.enrol("treadmill")
        profile: UUID = (await system.rows("SELECT profile_id FROM enrolment"))[0][0]
        for start in range(0, EVENTS, PAGE):
            steps = [{"foot": "left" if number % 2 else "right", "number": number} for number in range(start, start + PAGE)]
            await system.track(profile, "Stepped", *steps)
            await system.track(profile, "Stepped", *({"foot": "none"} for _ in range(NOISE * PAGE // EVENTS)))
            await system.track(profile, "Rested", {})
        assert await system.ended(enrolment) == "completed"
        taken = await system.rows(
            "SELECT visit, CAST(body->'properties'->>'number' AS int) AS number FROM match "
            "WHERE enrolment_id = :id AND step = 'step' ORDER BY visit",
            id=enrolment,
        )
        assert [row.visit for row in taken] == list(range(1, EVENTS + 1))
        assert sorted(row.number for row in taken) == list(range(EVENTS))
        assert (await system.rows("SELECT count(*) FROM decision WHERE step = 'step'"))[0][0] == EVENTS
        assert await system.repairs() == {}
