"""A partner, and processes that call it."""

from collections.abc import AsyncIterator

import pytest

from tests.services.journeys.calls.calling import Process
from tests.services.journeys.calls.partner import Calling, Partner, partner
from tests.services.journeys.conftest import Service


@pytest.fixture
async def site() -> AsyncIterator[Partner]:
    async with partner() as found:
        yield found


@pytest.fixture
async def process(service: Service, site: Partner) -> AsyncIterator[Process]:
    """Makes processes that call; what they hold open is closed at the end."""
    made: list[Calling] = []

    def make(**limits: int) -> Calling:
        made.append(Calling.of(service, **limits))
        return made[-1]

    yield make
    site.open.set()
    for each in made:
        await each.close()


@pytest.fixture
def calling(process: Process) -> Calling:
    return process()
