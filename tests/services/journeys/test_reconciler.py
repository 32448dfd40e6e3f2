"""The reconciler: every fault is caused for real and seen to heal; what is healthy or merely slow is left alone."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from infra.local.temporal import TemporalServer
from services.journeys.deliverer import Deliverer
from services.journeys.outgoing import Outgoing
from tests.services.journeys.living import Living, living

HEAD: dict[str, Any] = {"key": "signup", "name": "Signup", "purpose": "transactional", "entry": {"api": True}}
SEND = {"id": "hello", "type": "send", "template": "hello", "channels": ["email"]}
WAIT_FOR = {"id": "w", "type": "wait_for", "paths": [{"id": "came", "event": "Came"}], "timeout": {"after": "P3D"}}
LAST = SEND | {"id": "bye"}


@pytest.fixture
async def system(migrated_database: Callable[[str], str], temporal: TemporalServer) -> AsyncIterator[Living]:
    async with living(migrated_database("journeys"), temporal.address) as system:
        system.neighbours.templates = [{"key": "hello"}]
        yield system


async def repaired(system: Living, kind: str) -> None:
    async def counted() -> bool:
        return (await system.repairs()).get(kind, 0) > 0

    await system.until(counted)


async def listening(system: Living, enrolment: UUID) -> None:
    """Stands at `w` and has looked back: from now on an event comes by a signal, not by that look."""

    async def ready() -> bool:
        return bool(await system.rows("SELECT 1 FROM listener WHERE enrolment_id = :id AND step = 'w' AND ready", id=enrolment))

    await system.until(ready)


def sends(system: Living) -> list[str]:
    return [request.key.partition(":")[2] for request in system.neighbours.sent]


def lose_next(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The deliverer believes that it told Temporal of the next row of this kind, and forgets it."""
    deliver = Deliverer._deliver
    lost: list[Outgoing] = []

    async def losing(self: Deliverer, row: Outgoing) -> bool:
        if row.kind == kind and not lost:
            lost.append(row)
            return True
        return await deliver(self, row)

    monkeypatch.setattr(Deliverer, "_deliver", losing)


async def test_a_start_that_was_lost_is_made_good(system: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    await system.publish(HEAD | {"steps": [SEND]})
    lose_next(monkeypatch, "start")
    async with system.worker():
        enrolment = await system.enrol("signup")
        assert await system.ended(enrolment) == "completed"
        await repaired(system, "start")
    assert await system.repairs() == {"start": 1}
    assert sends(system) == ["hello:1"]


async def test_a_workflow_that_was_terminated_goes_on_where_it_stood_and_sends_nothing_twice(system: Living) -> None:
    await system.publish(HEAD | {"steps": [SEND, WAIT_FOR, LAST]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.standing_at(enrolment, "w")
        await system.handle("signup", enrolment).terminate()
        await repaired(system, "workflow")
        await system.track((await system.rows("SELECT profile_id FROM enrolment"))[0][0], "Came")
        assert await system.ended(enrolment) == "completed"
    assert await system.repairs() == {"workflow": 1}
    assert sends(system) == ["hello:1", "bye:1"]


async def test_a_signal_that_was_lost_is_sent_again(system: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    await system.publish(HEAD | {"steps": [WAIT_FOR, LAST]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await listening(system, enrolment)
        lose_next(monkeypatch, "matched")
        await system.track((await system.rows("SELECT profile_id FROM enrolment"))[0][0], "Came")
        assert await system.ended(enrolment) == "completed"
        await repaired(system, "signal")
    assert await system.repairs() == {"signal": 1}
    assert sends(system) == ["bye:1"]


async def test_a_wait_that_its_workflow_does_not_know_is_over_is_ended(system: Living) -> None:
    """The deadline moved to an earlier instant, and nobody told the workflow."""
    await system.publish(HEAD | {"steps": [{"id": "w", "type": "wait", "for": "P3D"}, LAST]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.standing_at(enrolment, "w")
        await system.change("UPDATE decision SET deadline = now()")
        await system.change("UPDATE place SET due = now()")
        assert await system.ended(enrolment) == "completed"
        await repaired(system, "wake")
    assert await system.repairs() == {"wake": 1}
    assert sends(system) == ["bye:1"]


async def test_an_exit_whose_signal_was_lost_ends_the_enrolment(system: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    await system.publish(HEAD | {"steps": [WAIT_FOR, LAST], "exit_when": [{"event": "Gone"}]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.standing_at(enrolment, "w")
        lose_next(monkeypatch, "interrupt")
        await system.track((await system.rows("SELECT profile_id FROM enrolment"))[0][0], "Gone")
        assert await system.ended(enrolment) == "exit: event 'Gone'"
        await repaired(system, "end")
    assert await system.repairs() == {"end": 1}
    assert sends(system) == []


async def test_an_enrolment_that_should_end_and_has_no_workflow_is_ended(system: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    await system.publish(HEAD | {"steps": [SEND, WAIT_FOR], "exit_when": [{"event": "Gone"}]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.standing_at(enrolment, "w")
        lose_next(monkeypatch, "interrupt")
        await system.track((await system.rows("SELECT profile_id FROM enrolment"))[0][0], "Gone")
        await system.handle("signup", enrolment).terminate()
        assert await system.ended(enrolment) == "exit: event 'Gone'"
        await repaired(system, "end")
    assert await system.repairs() == {"end": 1}
    assert system.neighbours.cancelled == [enrolment]


async def test_a_workflow_whose_enrolment_has_ended_is_ended(system: Living) -> None:
    await system.publish(HEAD | {"steps": [WAIT_FOR]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.standing_at(enrolment, "w")
        await system.change("UPDATE enrolment SET state = 'ended', reason = 'restored', ended_at = now()")
        assert await system.handle("signup", enrolment).result() == "ended"
        await repaired(system, "ended")


async def test_what_ended_enrolments_left_behind_is_removed(system: Living) -> None:
    await system.publish(HEAD | {"steps": [SEND]})
    async with system.worker():
        enrolment = await system.enrol("signup")
        await system.ended(enrolment)
    await system.change(
        "INSERT INTO watch (enrolment_id, profile_id, kind, step, visit, path, mentions, look) "
        "VALUES (:id, :id, 'wait', 'w', 1, 'p', '[]', 0)",
        id=enrolment,
    )
    await system.change(
        "INSERT INTO call (enrolment_id, step, visit, request, attempts, next_at) "
        "VALUES (:id, 'c', 1, '{}', 0, now() + interval '1 day')",
        id=enrolment,
    )
    await repaired(system, "watch")
    await repaired(system, "call")
    assert await system.repairs() == {"watch": 1, "call": 1}
    assert await system.rows("SELECT 1 FROM watch UNION ALL SELECT 1 FROM call") == []


async def test_a_parent_hears_of_a_child_that_ended_unheard(system: Living) -> None:
    await system.publish(HEAD | {"key": "child", "steps": [WAIT_FOR]})
    await system.publish(HEAD | {"steps": [{"id": "go", "type": "start_journey", "journey": "child", "wait": True}, LAST]})
    async with system.worker():
        enrolment = await system.enrol("signup")

        async def child_waits() -> bool:
            return bool(await system.rows("SELECT 1 FROM decision WHERE step = 'w'"))

        await system.until(child_waits)
        await system.change(
            "UPDATE enrolment SET state = 'ended', reason = 'restored', ended_at = now() - interval '1 hour' "
            "WHERE journey = 'child'"
        )
        assert await system.ended(enrolment) == "completed"
        await repaired(system, "parent")
    assert (await system.repairs())["parent"] == 1


async def test_who_is_merely_slow_is_left_alone(system: Living) -> None:
    """No worker runs for many graces: starts, a deadline and a signal wait for it, and nobody is repaired."""
    short = {"id": "nap", "type": "wait", "for": "PT1S"}
    await system.publish(HEAD | {"steps": [short, WAIT_FOR, LAST]})
    async with system.worker():
        napping, waiting = await system.enrol("signup"), await system.enrol("signup")
        await system.standing_at(napping, "nap")
        await system.standing_at(waiting, "w")
    waiting_profile = (await system.rows("SELECT profile_id FROM enrolment WHERE id = :id", id=waiting))[0][0]
    await system.track(waiting_profile, "Came")
    starting = await system.enrol("signup")

    async def doubted_for_long() -> bool:
        return bool(
            await system.rows(
                "SELECT 1 FROM place WHERE enrolment_id = :id AND suspect_at IS NOT NULL "
                "AND changed_at < now() - interval '5 seconds'",
                id=starting,
            )
        )

    await system.until(doubted_for_long)
    async with system.worker():
        assert await system.ended(waiting) == "completed"
        await system.standing_at(starting, "w")
    assert await system.repairs() == {}


async def test_a_healthy_system_under_load_needs_no_repair(
    migrated_database: Callable[[str], str], temporal: TemporalServer
) -> None:
    """The grace is longer than a busy machine takes for a signal, and passes twice while people sleep."""
    nap = {"id": "nap", "type": "wait", "for": "PT20S"}
    async with living(migrated_database("journeys"), temporal.address, grace=timedelta(seconds=10)) as system:
        system.neighbours.templates = [{"key": "hello"}]
        await system.publish(HEAD | {"steps": [SEND, nap, WAIT_FOR, LAST], "exit_when": [{"event": "Gone"}]})
        async with system.worker():
            people = [await system.enrol("signup") for _ in range(60)]
            profiles = {row.id: row.profile_id for row in await system.rows("SELECT id, profile_id FROM enrolment")}
            for each in people:  # one after the other: sixty that ask are a load of another kind
                await system.standing_at(each, "w")
            for number, each in enumerate(people):
                await system.track(profiles[each], "Gone" if number % 3 == 0 else "Came")
            reasons = [await system.ended(each) for each in people]
        assert reasons.count("completed") == 40
        assert await system.repairs() == {}
        assert len(sends(system)) == 100


async def test_what_was_mended_and_how_late_people_woke_is_published(system: Living) -> None:
    await system.publish(
        HEAD | {"steps": [{"id": "nap", "type": "wait", "for": "PT1S"}, LAST, {"id": "end", "type": "wait", "for": "PT1S"}]}
    )
    async with system.worker():
        await system.ended(await system.enrol("signup"))
    await system.change("INSERT INTO repair (kind, count, last_at) VALUES ('wake', 3, now())")
    late = await system.journeys.get_json("/v1/health/lateness")
    assert late["wakes"] == 2
    assert 0 <= late["p50"] <= late["p99"] <= late["max"]
    assert late["overdue"] == 0
    (repair,) = await system.journeys.get_json("/v1/health/repairs")
    assert (repair["kind"], repair["count"]) == ("wake", 3)
    assert repair["what"]
    assert (await system.journeys.get_json("/v1/journeys/signup/stats"))["lateness"]["wakes"] == 2
    await system.change("UPDATE enrolment SET state = 'running'")
    await system.change(
        "INSERT INTO place (enrolment_id, step, visit, due) SELECT id, 'nap', 1, now() - interval '1 minute' FROM enrolment"
    )
    assert (await system.journeys.get_json("/v1/health/lateness"))["overdue"] == 1
