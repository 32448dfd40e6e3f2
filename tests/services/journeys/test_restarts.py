"""Enrolments begun anew by a person: in which version, who hears of their end, and how it is told."""

from uuid import UUID

import pytest

from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LAST, LETTER, PAUSE, publish
from tests.services.journeys.test_moved_stories import story_of

NEVER = {"event": "Signup", "reentry": "never"}


@pytest.fixture
async def both(service: Service) -> tuple[str, str, UUID]:
    """The current version, a canary for nearly everybody, and an enrolment in the current one."""
    current = await publish(service, PAUSE, LETTER, entry=NEVER)
    _, enrolment = await service.enter()
    definition = await service.versions.definition(current) | {"name": "Canary"}
    world = service.neighbours.world()
    canary = await service.versions.publish(definition, by="ann", now=service.clock.now(), world=world, canary=99)
    return current, canary.hash, enrolment


@pytest.mark.parametrize("chosen", ["same", "current"])
async def test_beside_a_canary_a_restart_is_in_the_version_that_was_asked_for(
    service: Service, both: tuple[str, str, UUID], chosen: str
) -> None:
    current, canary, enrolment = both
    # In the canary's share or not: who enters now decides what "current" is for this person.
    await service.write("UPDATE journey SET canary_share = 100")
    done = await service.lifecycle.by_hand.restart(enrolment, version=chosen, who="ann", why="")  # type: ignore[arg-type]
    ((version,),) = await service.rows("SELECT version FROM enrolment WHERE id = :id", id=done.enrolment_id)
    assert version == (current if chosen == "same" else canary)
    ((noted,),) = await service.rows("SELECT detail->>'version' FROM audit WHERE enrolment_id = :id", id=enrolment)
    assert noted == version


async def test_who_awaits_a_journey_that_is_restarted_hears_how_the_new_one_ends(service: Service) -> None:
    start = {"id": "sub", "type": "start_journey", "journey": "other", "wait": True}
    await service.publish(key="other", entry={"event": "Never"}, steps=[{"id": "w", "type": "wait", "for": "P1D"}])
    await service.publish(steps=[start])
    _, parent = await service.enter()
    await service.perform(parent, "sub")
    ((child,),) = await service.rows("SELECT id FROM enrolment WHERE journey = 'other'")
    done = await service.lifecycle.by_hand.restart(child, version="same", who="ann", why="")
    await service.finish(child, "ended")
    assert await service.rows("SELECT 1 FROM match WHERE enrolment_id = :id", id=parent) == []
    await service.finish(done.enrolment_id, "rested")
    ((body,),) = await service.rows("SELECT body FROM result WHERE enrolment_id = :id", id=parent)
    assert body["reason"] == "rested"


async def test_a_restart_is_told_in_both_lives(service: Service) -> None:
    await publish(service, PAUSE, LETTER, LAST)
    profile_id, enrolment = await service.enter()
    before = await story_of(service, profile_id)
    assert not any(line.who for line in before.lines)
    await service.lifecycle.by_hand.restart(enrolment, version="same", who="ann", why="she asked")
    after = await story_of(service, profile_id)
    said = [line.text for line in after.lines if line.who]
    assert said == ["ann restarted an earlier enrolment as this one (she asked)."]
