"""One enrolment moved, ended or restarted by a person."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.journeys import FinishItem
from infra.errors import BadInput, Conflict, NotFound
from journeys.outcome import Deferred, Done, Ended, Sleep
from services.journeys.lifecycle import auditing
from services.journeys.merging import merge
from tests.services.journeys.conftest import Service
from tests.services.journeys.letters import LAST, LETTER, PAUSE, publish


async def _waiting(service: Service, **changes: object) -> tuple[str, UUID]:
    """A version, and somebody who waits at its `pause` after one letter."""
    version = await publish(service, LETTER, PAUSE, LAST, **changes)
    _, enrolment = await service.enter()
    await service.perform(enrolment, "letter", journey=version)
    await service.perform(enrolment, "pause", journey=version)
    return version, enrolment


async def _signals(service: Service, enrolment: UUID, kind: str) -> list[dict[str, object]]:
    rows = await service.rows(
        "SELECT payload FROM outgoing WHERE enrolment_id = :id AND kind = :kind ORDER BY id", id=enrolment, kind=kind
    )
    return [row.payload for row in rows]


async def test_somebody_moved_to_a_step_goes_there_and_is_decided_for_anew(service: Service) -> None:
    version, enrolment = await _waiting(service)
    await service.lifecycle.by_hand.move(enrolment, "letter", who="ann", why="asked for it again")
    assert len(await _signals(service, enrolment, "refresh")) == 1
    assert isinstance(await service.perform(enrolment, "pause", journey=version, confirm=True), Deferred)
    (move,) = await _signals(service, enrolment, "move")
    assert (move["journey"], move["step"], move["offset"]) == (version, "letter", 1)
    assert isinstance(await service.perform(enrolment, "letter", 2, journey=version), Done)
    assert [each.key for each in service.neighbours.sent] == [f"{enrolment}:letter:1", f"{enrolment}:letter:2"]
    assert isinstance(await service.perform(enrolment, "pause", 2, journey=version), Sleep)


async def test_a_move_to_a_step_that_is_not_there_names_those_that_are(service: Service) -> None:
    _, enrolment = await _waiting(service)
    with pytest.raises(BadInput) as refused:
        await service.lifecycle.by_hand.move(enrolment, "nowhere", who="ann", why="")
    assert "letter, pause, last" in refused.value.flaws[0].remedy


async def test_who_is_on_the_way_is_not_moved_elsewhere(service: Service) -> None:
    _, enrolment = await _waiting(service)
    await service.lifecycle.by_hand.move(enrolment, "letter", who="ann", why="")
    with pytest.raises(Conflict, match="on its way"):
        await service.lifecycle.by_hand.move(enrolment, "last", who="ann", why="")


async def test_somebody_ended_by_hand_is_sent_nothing_more_and_the_reason_is_kept(service: Service) -> None:
    version, enrolment = await _waiting(service)
    await service.lifecycle.by_hand.end(enrolment, "asked us to stop", who="ann")
    assert len(await _signals(service, enrolment, "interrupt")) == 1
    answer = await service.perform(enrolment, "last", journey=version)
    assert answer == Ended(reason="ended")
    await service.steps.finish([FinishItem(enrolment_id=enrolment, reason="ended")])
    assert (await service.rows("SELECT state, reason FROM enrolment"))[0] == ("ended", "ended: asked us to stop")
    assert service.neighbours.cancelled == [enrolment]
    with pytest.raises(Conflict, match="is ended"):
        await service.lifecycle.by_hand.end(enrolment, "again", who="ann")
    with pytest.raises(NotFound):
        await service.lifecycle.by_hand.end(uuid4(), "nobody", who="ann")


async def test_a_restart_ends_one_and_enters_anew_with_the_same_entry_and_key_in_the_current_version(service: Service) -> None:
    entry = {"event": "Signup", "key": "event.properties.event_id", "reentry": "never"}
    _, enrolment = await _waiting(service, entry=entry)
    current = await service.publish(steps=[LETTER, LAST], entry=entry)
    done = await service.lifecycle.by_hand.restart(enrolment, version="current", who="ann", why="try again")
    rows = await service.rows(
        "SELECT id, version, number, entry_key, state, entry->'properties' AS p FROM enrolment ORDER BY number"
    )
    assert [(row.number, row.state) for row in rows] == [(1, "ending"), (2, "running")]
    assert (rows[1].id, rows[1].version) == (done.enrolment_id, current)
    assert rows[0].entry_key == rows[1].entry_key
    assert rows[0].p == rows[1].p
    assert len(await _signals(service, done.enrolment_id, "start")) == 1
    with pytest.raises(Conflict, match="restart that"):
        await service.lifecycle.by_hand.restart(enrolment, version="current", who="ann", why="twice")


async def test_a_restart_of_a_closed_journey_is_refused_and_ends_nobody(service: Service) -> None:
    _, enrolment = await _waiting(service)
    await service.lifecycle.states.change("signup", "drain", by="ann")
    with pytest.raises(Conflict, match="draining"):
        await service.lifecycle.by_hand.restart(enrolment, version="same", who="ann", why="")
    assert (await service.rows("SELECT state FROM enrolment"))[0].state == "running"


async def test_who_did_what_to_whom_and_why_is_kept(service: Service) -> None:
    _, enrolment = await _waiting(service)
    await service.lifecycle.by_hand.move(enrolment, "letter", who="ann", why="asked for it")
    await service.lifecycle.by_hand.end(enrolment, "enough", who="bob")
    async with service.database.read() as session:
        entries = await auditing.entries(session, journey=None, enrolment_id=enrolment, before=None, limit=10)
        of_journey = await auditing.entries(session, journey="signup", enrolment_id=None, before=entries[-1].id, limit=10)
    assert [(each.who, each.action, each.detail.get("why")) for each in entries] == [
        ("bob", "end", "enough"),
        ("ann", "ask to move", "asked for it"),
    ]
    assert [each.action for each in of_journey] == ["publish"]


async def test_a_restart_waits_for_a_merge_before_it_holds_what_the_merge_moves(service: Service) -> None:
    _, enrolment = await _waiting(service)
    async with service.database.begin() as merging:
        await merge(merging, uuid4(), uuid4(), "m1")
        restart = asyncio.create_task(service.lifecycle.by_hand.restart(enrolment, version="same", who="ann", why=""))
        while not await service.rows("SELECT 1 FROM pg_locks WHERE NOT granted") and not restart.done():
            await asyncio.sleep(0)
        await merging.execute(text("SELECT 1 FROM enrolment FOR UPDATE NOWAIT"))
    assert (await restart).state == "entered"


@pytest.mark.parametrize("acts", [("restart", "restart"), ("restart", "end"), ("end", "move"), ("move", "restart")])
async def test_of_two_who_act_on_one_enrolment_at_once_nobody_undoes_or_doubles_it(
    service: Service, acts: tuple[str, str]
) -> None:
    _, enrolment = await _waiting(service, entry={"event": "Signup", "reentry": "never"})
    by_hand = service.lifecycle.by_hand
    act = {
        "restart": lambda: by_hand.restart(enrolment, version="same", who="ann", why=""),
        "end": lambda: by_hand.end(enrolment, "enough", who="bob"),
        "move": lambda: by_hand.move(enrolment, "last", who="cem", why=""),
    }
    results = await asyncio.gather(*(act[each]() for each in acts), return_exceptions=True)
    refused = [each for each in results if isinstance(each, BaseException)]
    assert all(isinstance(each, Conflict) for each in refused)
    rows = await service.rows("SELECT number, state, reason, moving FROM enrolment ORDER BY number")
    restarts = sum(each == "restart" and not isinstance(done, BaseException) for each, done in zip(acts, results, strict=True))
    assert restarts <= 1
    assert len(rows) == 1 + restarts
    assert sum(row.state == "running" for row in rows) == restarts
    assert all(row.moving is None for row in rows if row.state != "running")
    noted = await service.rows("SELECT action FROM audit WHERE enrolment_id = :id", id=enrolment)
    assert len(noted) == 2 - len(refused)
