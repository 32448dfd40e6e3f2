"""One enrolment that gets very many events in a burst: none is lost, none counts twice.

Ten thousand reach the router, a hundred of which count, each a full step; and a hundred count one after the other.
`make bench` measures a thousand of them.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from infra.local.temporal import TemporalServer
from tests.services.journeys.bursts import burst
from tests.services.journeys.living import living


@pytest.mark.parametrize(("events", "noise"), [(100, 9_900), (100, 0)])
async def test_a_burst_of_events_is_taken_event_by_event_each_once(
    events: int, noise: int, migrated_database: Callable[[str], str], temporal: TemporalServer
) -> None:
    async with living(migrated_database("journeys"), temporal.address, grace=timedelta(minutes=3)) as system, system.worker():
        await burst(system, events, noise)
