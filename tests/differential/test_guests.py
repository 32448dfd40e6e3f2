"""Those who live by dates live in the real system as the simulator says."""

from collections.abc import Callable

import pytest

from infra.local.temporal import TemporalServer
from tests.differential.agreement import agree
from tests.differential.guests import SHOPS
from tests.differential.shops import Shop


@pytest.mark.parametrize("shop", SHOPS.values(), ids=SHOPS)
async def test_people_with_random_futures_live_the_same_lives(
    shop: Shop, temporal: TemporalServer, migrated_database: Callable[[str], str]
) -> None:
    await agree(shop, temporal.address, migrated_database)
