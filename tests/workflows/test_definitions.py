"""Definitions travel by their hash."""

import asyncio
from uuid import uuid4

import pytest
from pydantic_core import to_json
from temporalio.contrib.pydantic import pydantic_data_converter

from contracts.journeys import EnrolmentInput, FinishItem, MatchedSignal, StepItem
from journeys import content_hash
from tests.workflows.journeys_under_test import FOLLOW_UP, PUPPY, ROUND, R
from workflows.converter import data_converter, definition_of
from workflows.definitions import Definitions, PinnedEnrolment
from workflows.errors import UnknownDefinition, WrongDefinition


async def _nowhere(digest: str) -> bytes:
    raise ConnectionError(digest)


async def test_what_a_starter_wrote_as_plain_json_arrives_with_its_definition() -> None:
    async def fetch(digest: str) -> bytes:
        assert digest == content_hash(R)
        return to_json(R)

    given = EnrolmentInput(enrolment_id=uuid4(), journey=content_hash(R))
    payloads = await pydantic_data_converter.encode([given])
    [decoded] = await data_converter(Definitions(fetch)).decode(payloads, [PinnedEnrolment])
    assert isinstance(decoded, PinnedEnrolment)
    assert decoded.enrolment_id == given.enrolment_id
    assert decoded.journey.key == "r"
    assert decoded.carried is None


async def test_a_definition_that_cannot_be_fetched_fails_the_decoding() -> None:
    payloads = await pydantic_data_converter.encode([EnrolmentInput(enrolment_id=uuid4(), journey=content_hash(R))])
    with pytest.raises(ConnectionError):
        await data_converter(Definitions(_nowhere)).decode(payloads, [PinnedEnrolment])


async def test_a_definition_of_another_hash_is_refused() -> None:
    async def fetch(_: str) -> bytes:
        return to_json(PUPPY)

    with pytest.raises(WrongDefinition):
        await Definitions(fetch).ensure(content_hash(R))


async def test_those_who_ask_at_the_same_time_share_one_fetch_and_its_failure_is_not_kept() -> None:
    asked: list[str] = []

    async def fetch(digest: str) -> bytes:
        asked.append(digest)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise ConnectionError
        return to_json(R)

    definitions, digest = Definitions(fetch), content_hash(R)
    first = await asyncio.gather(*(definitions.ensure(digest) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in first] == [ConnectionError] * 5
    await asyncio.gather(*(definitions.ensure(digest) for _ in range(5)))
    assert len(asked) == 2
    assert definitions.get(digest).key == "r"


async def test_the_least_recently_used_definition_leaves_first() -> None:
    definitions = Definitions(_nowhere, kept=2)
    r, puppy = definitions.add(R), definitions.add(PUPPY)
    await definitions.ensure(r)
    follow_up = definitions.add(FOLLOW_UP)
    assert definitions.get(r).key == "r"
    assert definitions.get(follow_up).key == "event-follow-up"
    with pytest.raises(UnknownDefinition):
        definitions.get(puppy)


@pytest.mark.parametrize(
    "other",
    [
        StepItem(enrolment_id=uuid4(), step="journey", visit=1),
        FinishItem(enrolment_id=uuid4(), reason='"journey"'),
        MatchedSignal(step="a", visit=1, path="p", event_id='{"enrolment_id": 1, "journey": "x"}'),
        ["enrolment_id", "journey"],
        ROUND,
    ],
)
def test_no_other_payload_is_taken_for_an_enrolments_input(other: object) -> None:
    assert definition_of(to_json(other)) is None


def test_payloads_that_are_no_json_are_left_alone() -> None:
    assert definition_of(b'\x00"enrolment_id""journey"') is None
