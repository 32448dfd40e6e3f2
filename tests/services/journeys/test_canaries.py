"""Canaries: a version for a share of the new people."""

import pytest

from infra.errors import Conflict
from tests.services.journeys.changing import signup
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import publish


async def test_a_canary_goes_to_its_share_of_new_people_always_the_same(service: Service) -> None:
    current = await publish(service)
    _, before = await service.enter()
    definition = await service.versions.definition(current) | {"name": "Canary"}
    world = service.neighbours.world()
    canary = await service.versions.publish(definition, by="ann", now=service.clock.now(), world=world, canary=50)
    people = [await signup(service, str(number)) for number in range(40)]
    rows = {row.id: row.version for row in await service.rows("SELECT id, version FROM enrolment")}
    shares = [rows[enrolment] for _, enrolment in people if enrolment]
    assert 8 < shares.count(canary.hash) < 32
    assert rows[before] == current
    for profile_id, enrolment in people[:5]:
        await service.track(profile_id, "Signup", event_id="again")
        versions = await service.rows("SELECT version FROM enrolment WHERE profile_id = :id", id=profile_id)
        assert {row.version for row in versions} == {rows[enrolment]}
    await service.lifecycle.drafts.end_canary("signup", promote=True, by="ann")
    assert (await service.rows("SELECT current, canary FROM journey"))[0] == (canary.hash, None)


async def test_an_aborted_canary_gets_nobody_new(service: Service) -> None:
    current = await publish(service)
    definition = await service.versions.definition(current) | {"name": "Canary"}
    await service.versions.publish(definition, by="a", now=service.clock.now(), world=service.neighbours.world(), canary=99)
    await service.lifecycle.drafts.end_canary("signup", promote=False, by="ann")
    for number in range(10):
        await signup(service, str(number))
    assert {row.version for row in await service.rows("SELECT version FROM enrolment")} == {current}


async def test_a_canary_that_other_people_would_enter_is_refused(service: Service) -> None:
    current = await publish(service)
    definition = await service.versions.definition(current) | {"entry": {"event": "Other"}}
    with pytest.raises(Conflict, match="entry"):
        await service.versions.publish(definition, by="a", now=service.clock.now(), world=service.neighbours.world(), canary=5)
