"""The worker's calls: batched, safe to repeat, and judged in one place."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.enrolments import EnrolmentActivities
from activities.verdicts import SLOWLY, verdict
from contracts.journeys import FinishItem, StepItem
from infra.errors import Rejected, Unavailable
from infra.http import ServiceClient
from journeys import content_hash
from journeys.outcome import Done, Ended
from tests.workflows.journeys_under_test import ALL, R
from tests.workflows.scripted import World, serving


@pytest.fixture
def world() -> World:
    return World(ALL)


@pytest.fixture
async def activities(world: World) -> AsyncIterator[EnrolmentActivities]:
    async with serving(world) as url, ServiceClient("journeys", url) as client:
        yield EnrolmentActivities(client)


def _welcome() -> StepItem:
    return StepItem(enrolment_id=uuid4(), step="welcome", visit=1, journey=content_hash(R))


async def test_steps_asked_for_at_the_same_time_travel_together(world: World, activities: EnrolmentActivities) -> None:
    outcomes = await asyncio.gather(*(ActivityEnvironment().run(activities.perform_step, _welcome()) for _ in range(150)))
    assert outcomes == [Done()] * 150
    assert len(world.batches) < 10


async def test_of_a_refused_batch_only_the_refused_item_fails(world: World, activities: EnrolmentActivities) -> None:
    items = [_welcome() for _ in range(10)]
    world.refused = {items[3].enrolment_id: 422, items[5].enrolment_id: 410}
    calls = (ActivityEnvironment().run(activities.perform_step, item) for item in items)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[3], ApplicationError)
    assert outcomes[5] == Ended(reason="gone")
    assert [outcome for number, outcome in enumerate(outcomes) if number not in {3, 5}] == [Done()] * 8


async def test_finishing_somebody_who_is_gone_is_fine(world: World, activities: EnrolmentActivities) -> None:
    world.broken = 410
    await ActivityEnvironment().run(activities.finish_enrolment, FinishItem(enrolment_id=uuid4(), reason="completed"))


async def test_finishing_is_retried_while_the_service_is_down(world: World, activities: EnrolmentActivities) -> None:
    world.broken = 503
    with pytest.raises(ApplicationError, match="journeys is not available"):
        await ActivityEnvironment().run(activities.finish_enrolment, FinishItem(enrolment_id=uuid4(), reason="completed"))


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
def test_a_refusal_is_retried_slowly_and_never_ends_anybody(status: int) -> None:
    judged = verdict(Rejected("journeys", status, "Jane Doe is no step"))
    assert isinstance(judged, ApplicationError)
    assert not judged.non_retryable
    assert judged.next_retry_delay == SLOWLY


def test_a_wrong_address_ends_nobody() -> None:
    """A router's 404 says "Not Found", ours says what is missing."""
    assert isinstance(verdict(Rejected("journeys", 404, "Not Found")), ApplicationError)
    assert verdict(Rejected("journeys", 404, "there is no enrolment 'x'")) == Ended(reason="gone")
    assert verdict(Rejected("journeys", 410, "Gone")) == Ended(reason="gone")


@pytest.mark.parametrize(
    "error", [Unavailable("journeys", "said Jane Doe"), Rejected("journeys", 422, "Jane Doe"), ValueError("Jane Doe")]
)
def test_what_goes_into_history_never_holds_the_text_of_an_answer(error: Exception) -> None:
    judged = verdict(error)
    assert isinstance(judged, ApplicationError)
    assert "Jane" not in str(judged)
    assert not judged.details
