"""A journey's states: which there are, who changes them, and who may enter."""

from uuid import uuid4

import pytest

from contracts.journeys import EnrolRequest, FinishItem
from infra.errors import BadInput, Conflict
from journeys.outcome import Ended, Sleep
from services.journeys import reporting
from tests.services.journeys.changing import change, signup, state
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LETTER, PAUSE, publish


async def test_a_draft_is_kept_with_everything_that_is_wrong_and_lets_nobody_in(service: Service) -> None:
    draft = await service.lifecycle.drafts.save("signup", {"key": "other", "steps": [{"id": "a"}]}, by="ann")
    assert not draft.valid
    assert len(draft.problems) > 1
    assert (await service.lifecycle.drafts.read("signup")).definition == draft.definition
    assert (await signup(service))[1] is None
    assert await state(service) == "draft"
    with pytest.raises(BadInput):
        await service.lifecycle.drafts.publish("signup", by="ann", canary=None)


async def test_publishing_a_draft_lets_people_in_and_leaves_no_draft(service: Service) -> None:
    version = await service.publish()
    definition = await service.versions.definition(version) | {"name": "Better"}
    await service.lifecycle.drafts.save("signup", definition, by="ann")
    assert (await service.rows("SELECT version FROM enrolment")) == []
    published = await service.lifecycle.drafts.publish("signup", by="ann", canary=None)
    _, enrolment = await signup(service)
    assert (await service.rows("SELECT version FROM enrolment WHERE id = :id", id=enrolment))[0].version == published.hash
    with pytest.raises(Conflict, match="has no draft"):
        await service.lifecycle.drafts.publish("signup", by="ann", canary=None)


@pytest.mark.parametrize(
    ("before", "refused"),
    [((), "resume"), (("pause",), "pause"), (("drain",), "pause"), (("archive",), "resume"), (("archive",), "archive")],
)
async def test_a_change_that_the_state_does_not_allow_is_refused_and_names_those_it_does(
    service: Service, before: tuple[str, ...], refused: str
) -> None:
    await publish(service)
    await change(service, *before)
    with pytest.raises(Conflict, match=r"cannot \w+; it can publish"):
        await change(service, refused)


async def test_a_draining_journey_refuses_entries_lets_people_go_on_and_archives_itself(service: Service) -> None:
    await publish(service)
    _, enrolment = await service.enter()
    await change(service, "drain")
    assert (await signup(service, "later"))[1] is None
    ((reason,),) = await service.rows("SELECT reason FROM refusal")
    assert "draining" in reason
    assert isinstance(await service.perform(enrolment, "pause"), Sleep)
    await service.lifecycle.closer.step()
    assert await state(service) == "draining"
    await service.steps.finish([FinishItem(enrolment_id=enrolment, reason="completed")])
    await service.lifecycle.closer.step()
    assert await state(service) == "archived"


async def test_the_api_and_other_journeys_are_refused_by_an_archived_journey(service: Service) -> None:
    await publish(service)
    await change(service, "archive")
    profile_id = uuid4()
    service.neighbours.traits[profile_id] = {}
    answer = await service.enroller.enrol("signup", EnrolRequest(profile_id=profile_id, idempotency_key="1", entry_key="k"))
    assert answer.enrolment_id is None
    assert "archived" in (answer.refused or "")


async def test_an_archive_with_people_under_way_is_refused_or_ends_them(service: Service) -> None:
    await publish(service)
    _, enrolment = await service.enter()
    with pytest.raises(Conflict, match="1 people are under way"):
        await change(service, "archive")
    await service.lifecycle.states.change("signup", "archive", by="ann", end=True)
    await service.lifecycle.closer.step()
    assert [each.kind for each in service.told if each.enrolment_id == enrolment] == ["interrupt"]
    assert isinstance(await service.perform(enrolment, "letter"), Ended)
    await service.steps.finish([FinishItem(enrolment_id=enrolment, reason="ended")])
    assert (await service.rows("SELECT state, reason FROM enrolment"))[0] == ("ended", "archived")
    assert service.neighbours.cancelled == [enrolment]


async def test_an_archived_journey_is_published_again(service: Service) -> None:
    await publish(service)
    await change(service, "archive")
    await service.lifecycle.drafts.publish("signup", by="ann", canary=None)
    assert (await signup(service))[1] is not None
    assert await state(service) == "published"


async def test_publishing_a_paused_journey_leaves_it_paused(service: Service) -> None:
    await publish(service)
    await change(service, "pause")
    await publish(service, LETTER)
    assert await state(service) == "paused"


async def test_every_change_is_in_the_audit_log(service: Service) -> None:
    await publish(service)
    await change(service, "pause", "resume")
    rows = await service.rows("SELECT who, action FROM audit ORDER BY id")
    assert [tuple(row) for row in rows] == [("test", "publish"), ("ann", "pause"), ("ann", "resume")]


async def test_the_numbers_of_a_journey_say_who_is_held_and_who_is_parked(service: Service) -> None:
    await publish(service, LETTER, PAUSE)
    _, enrolment = await service.enter()
    await change(service, "pause")
    await service.perform(enrolment, "letter")
    await signup(service, "held")
    async with service.database.read() as session:
        found = await reporting.stats(session, "signup", service.clock)
    assert (found.state, found.running, found.held, found.parked) == ("paused", 2, 1, 1)
