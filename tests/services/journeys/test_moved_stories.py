"""People who are moved, restarted or made late: their story stays right, and the policies are those of where they came from."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from infra.errors import Conflict
from journeys.outcome import Deferred, Done, Ended, Moved
from services.journeys.explaining.model import EnrolmentStory, Line
from services.journeys.explaining.stories import stories
from tests.services.journeys.changing import change, signup
from tests.services.journeys.conftest import Service
from tests.services.journeys.crowds import Crowd
from tests.services.journeys.letters import LAST, LETTER, PAUSE, publish
from tests.services.journeys.migrating import Person, enters, migrate

STRICT = PAUSE | {"if_past": "exit"}


async def story_of(service: Service, profile_id: UUID, journey: str = "signup") -> EnrolmentStory:
    async with service.database.read() as session:
        return (await stories(session, journey, profile_id))[-1]


async def line_of(service: Service, person: Person, step: str) -> Line:
    (line,) = [each for each in (await story_of(service, person.profile_id)).lines if each.step == step]
    return line


async def _by_hand(service: Service, person: Person, here: str, there: str) -> None:
    await service.lifecycle.by_hand.move(person.id, there, who="ann", why="meant for her")
    assert isinstance(await person.asks(here, confirm=True), Deferred)
    await person.moves()


async def _too_late(service: Service, *steps: dict[str, Any]) -> Person:
    """Somebody whose wait was over long ago as they came from it, in a pause."""
    person = await enters(service, await publish(service, STRICT, *steps))
    await person.asks("pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=3))
    assert isinstance(await person.asks("letter"), Deferred)
    return person


async def test_who_left_a_wait_by_hand_during_a_pause_is_not_too_late_by_it(service: Service) -> None:
    person = await enters(service, await publish(service, STRICT, LETTER))
    await person.asks("pause")
    await change(service, "pause")
    service.pass_time(timedelta(hours=2))
    await _by_hand(service, person, "pause", "letter")
    assert isinstance(await person.asks("letter", 2), Deferred)
    service.pass_time(timedelta(days=5))
    await change(service, "resume")
    assert isinstance(await person.asks("letter", 2), Done)
    assert len(service.neighbours.sent) == 1


async def test_who_left_a_wait_by_a_mapping_during_a_pause_is_not_too_late_by_it(service: Service) -> None:
    person = await enters(service, await publish(service, STRICT, LETTER))
    await person.asks("pause")
    await change(service, "pause")
    service.pass_time(timedelta(hours=2))
    await publish(service, STRICT, LETTER, LAST)
    await migrate(service, mapping={"pause": "letter"})
    assert isinstance(await person.asks("pause", confirm=True), Deferred)
    await person.moves()
    assert isinstance(await person.asks("letter", 2), Deferred)
    service.pass_time(timedelta(days=5))
    await change(service, "resume")
    assert isinstance(await person.asks("letter", 2), Done)


async def test_whom_a_person_moved_from_where_a_pause_had_parked_them_goes_on_from_there(service: Service) -> None:
    person = await _too_late(service, LETTER, LAST)
    await _by_hand(service, person, "letter", "last")
    assert isinstance(await person.asks("last", 2), Deferred)
    service.pass_time(timedelta(days=1))
    await change(service, "resume")
    assert isinstance(await person.asks("last", 2), Done)


async def test_whom_a_migration_moved_from_where_a_pause_had_parked_them_is_still_too_late(service: Service) -> None:
    person = await _too_late(service, LETTER)
    await publish(service, STRICT, LAST)
    await migrate(service, mapping={"letter": "last"})
    assert isinstance(await person.asks("letter", confirm=True), Deferred)
    await person.moves()
    assert isinstance(await person.asks("last", 2), Deferred)
    service.pass_time(timedelta(days=1))
    await change(service, "resume")
    assert isinstance(await person.asks("last", 2), Ended)


async def test_a_wait_that_was_left_by_hand_is_told_as_left_then_however_late_the_next_step_came(service: Service) -> None:
    person = await enters(service, await publish(service, PAUSE, LETTER))
    await person.asks("pause")
    await change(service, "pause")
    service.pass_time(timedelta(hours=2))
    left = service.clock.now()
    await _by_hand(service, person, "pause", "letter")
    await person.asks("letter", 2)
    service.pass_time(timedelta(days=5))
    await change(service, "resume")
    await person.asks("letter", 2)
    line = await line_of(service, person, "pause")
    assert line.ended is not None
    assert (line.ended.by, line.ended.at) == ("move", left)


@pytest.mark.parametrize(
    ("policy", "outcome", "said"),
    [("exit", Ended, "the person leaves"), ({"goto": "last"}, Moved, "on to 'last'")],
    ids=["exit", "goto"],
)
async def test_whom_a_pause_made_too_late_is_told_to_have_gone_where_they_went(
    service: Service, policy: object, outcome: type[object], said: str
) -> None:
    person = await enters(service, await publish(service, PAUSE | {"if_past": policy}, LETTER, LAST))
    await person.asks("pause")
    await change(service, "pause")
    service.pass_time(timedelta(days=3))
    await person.asks("letter")
    service.pass_time(timedelta(days=1))
    await change(service, "resume")
    assert isinstance(await person.asks("letter"), outcome)
    assert said in (await line_of(service, person, "letter")).text


async def test_a_wait_that_another_version_cut_short_is_told_with_what_it_was(service: Service) -> None:
    person = await enters(service, await publish(service, PAUSE, LETTER))
    await person.asks("pause")
    service.pass_time(timedelta(days=2))
    await publish(service, STRICT | {"for": "P1D"}, LETTER)
    await migrate(service)
    await person.asks("pause", confirm=True)
    line = await line_of(service, person, "pause")
    assert "it waited until 2026-03-05" in line.text
    assert "moved to at 2026-03-04 09:00:00 UTC its time, 2026-03-03 09:00:00 UTC, had passed: the person leaves" in line.text


async def test_nobody_is_late_for_the_end_of_a_wait_that_another_version_has_put_into_the_past(service: Service) -> None:
    order = {"id": "order", "type": "wait_for", "paths": [{"id": "ordered", "event": "Ordered"}], "timeout": {"after": "P9D"}}
    person = await enters(service, await publish(service, order, LETTER))
    await person.asks("order")
    service.pass_time(timedelta(days=5))
    await publish(service, order | {"timeout": {"after": "P1D"}}, LETTER)
    await migrate(service)
    await person.asks("order", confirm=True)
    await person.moves()
    assert isinstance(await person.asks("order", confirm=True), Done)
    service.pass_time(timedelta(seconds=3))
    await person.asks("letter")
    assert (await line_of(service, person, "letter")).late_seconds == 3


async def test_a_journey_that_refused_the_person_is_told_so_where_it_was_started(service: Service) -> None:
    start = {"id": "sub", "type": "start_journey", "journey": "other"}
    await publish(service, LETTER, key="other", entry={"event": "Never"})
    await publish(service, start, LETTER)
    await service.lifecycle.states.change("other", "drain", by="ann")
    profile_id, enrolment = await service.enter()
    await service.perform(enrolment, "sub")
    (line,) = [each for each in (await story_of(service, profile_id)).lines if each.step == "sub"]
    assert "did not take the person in: the journey is draining" in line.text


async def test_an_entry_is_told_with_what_its_condition_saw(service: Service) -> None:
    await publish(service, LETTER, entry={"event": "Signup", "only_if": {"trait": "age", "gt": 17}})
    service.neighbours.holds = True
    profile_id, _ = await signup(service)
    await Crowd(service).admitter.step()
    line = (await story_of(service, profile_id)).lines[0]
    assert (line.what, line.seen["asked"]["only_if"]["matches"]) == ("entered", True)
    assert "'only_if' held, since asked is true" in line.text


async def test_who_is_on_the_way_is_told_where_to_and_by_whom_and_what_stands_against_a_move_by_hand(service: Service) -> None:
    week = PAUSE | {"id": "week"}
    person = await enters(service, await publish(service, PAUSE, week, LETTER))
    await person.asks("pause")
    await publish(service, PAUSE | {"for": "P4D"}, LETTER)
    view = await migrate(service)
    service.pass_time(timedelta(days=4))
    await person.asks("pause", confirm=True)
    await person.asks("week")  # which leads nowhere
    assert (await story_of(service, person.profile_id)).text.endswith(
        "It goes to another version, as ann's migration says, from the next step that leads there."
    )
    with pytest.raises(Conflict, match=f"cancel the migration {view.id}"):
        await service.lifecycle.by_hand.move(person.id, "letter", who="bob", why="")
    await service.lifecycle.desk.cancel("signup", view.id, by="ann")
    await service.lifecycle.by_hand.move(person.id, "letter", who="bob", why="")
    assert (await story_of(service, person.profile_id)).text.endswith(
        "It goes to 'letter', as bob asked, when its workflow asks next."
    )
