"""Publishing tells everything that is wrong at once, and looks at the journeys that are there."""

from typing import Any

import pytest

from infra.errors import BadInput
from tests.services.journeys.conftest import Service


async def refused(service: Service, **changes: Any) -> dict[str, str]:
    """Path to message of everything that forbids publishing."""
    with pytest.raises(BadInput) as caught:
        await service.publish(**changes)
    return {flaw.path: flaw.message for flaw in caught.value.flaws}


async def test_a_problem_of_form_hides_none_of_meaning(service: Service) -> None:
    mistyped = {"id": "a", "type": "wait", "fro": "P1D"}
    lost = {"id": "b", "type": "start_journey", "journey": "nowhere"}
    found = await refused(service, steps=[mistyped, lost])
    assert found["$.steps[0].fro"] == "unknown key 'fro'"
    assert found["$.steps[1].journey"] == "there is no journey 'nowhere'"


async def test_a_circle_with_a_published_journey_is_refused(service: Service) -> None:
    await service.publish(steps=[{"id": "w", "type": "wait", "for": "P1D"}])
    there = {"id": "x", "type": "start_journey", "journey": "signup"}
    await service.publish(key="other", entry={"api": True}, steps=[there])
    back = {"id": "y", "type": "start_journey", "journey": "other"}
    assert await refused(service, steps=[back]) == {
        "$.steps[0].journey": "signup starts other starts signup without anybody ever waiting"
    }
