"""What a running enrolment does when it is told to ask again, or to go on in another version or at another step."""

from typing import Any
from uuid import UUID

from pydantic import JsonValue

from contracts.journeys import SIGNAL_MOVE, SIGNAL_REFRESH, MoveSignal, RefreshSignal, StepItem
from journeys import content_hash
from journeys.outcome import Deferred, Done, Moved, ServiceOutcome, Sleep, Waiting
from tests.workflows import scenarios
from tests.workflows.harness import Enrolled, Shell
from tests.workflows.journeys_under_test import R
from tests.workflows.scripted import SOON, THREE_DAYS, instant

assert isinstance(R, dict)
NEXT: dict[str, JsonValue] = {**R, "name": "The next version"}


async def _waits(shell: Shell, step: str) -> Enrolled:
    """Somebody of R who waits at this step."""
    shell.world.definitions[content_hash(NEXT)] = NEXT
    person = await shell.enrol(R)
    await shell.world.until(lambda: (step, 1) in shell.world.times_asked(person.id))
    return person


async def _refresh(person: Enrolled, step: str, visit: int = 1) -> None:
    await person.handle.signal(SIGNAL_REFRESH, RefreshSignal(step=step, visit=visit))


async def _move(person: Enrolled, version: Any, step: str | None = None, offset: int = 0) -> None:
    await person.handle.signal(SIGNAL_MOVE, MoveSignal(journey=content_hash(version), step=step, offset=offset))


def _versions(shell: Shell, whose: UUID, step: str) -> list[str | None]:
    """The versions in which this step was asked for."""
    return [item.journey for item in shell.world.asked if item.enrolment_id == whose and item.step == step]


async def test_a_step_that_was_deferred_is_asked_for_again_at_a_refresh(shell: Shell) -> None:
    paused = [True]
    shell.world.script["welcome"] = lambda _: Deferred(wake_at=instant(THREE_DAYS)) if paused[0] else Done()
    async with shell.worker():
        person = await _waits(shell, "welcome")
        paused[0] = False
        await _refresh(person, "welcome")
        await shell.world.until(lambda: ("order", 1) in shell.world.decided(person.id))
    assert shell.world.times_asked(person.id)["welcome", 1] == 2


async def test_after_a_pause_the_service_may_send_somebody_elsewhere(shell: Shell) -> None:
    answers: list[ServiceOutcome] = [Deferred(wake_at=instant(THREE_DAYS)), Moved(target="advice")]
    shell.world.script["welcome"] = lambda _: answers.pop(0)
    async with shell.worker():
        person = await _waits(shell, "welcome")
        await _refresh(person, "welcome")
        assert await person.result() == "completed"
    assert shell.world.decided(person.id)[-1] == ("advice", 1)
    assert ("order", 1) not in shell.world.decided(person.id)


async def test_a_wait_that_became_shorter_ends_at_its_new_instant(shell: Shell) -> None:
    shell.world.script["order"] = lambda item: Waiting(wake_at=instant(SOON if item.confirm else THREE_DAYS))
    async with shell.worker():
        person = await _waits(shell, "order")
        await _refresh(person, "order")
        assert await person.result() == "completed"


async def test_a_refresh_for_another_visit_wakes_nobody(shell: Shell) -> None:
    async with shell.worker():
        person = await _waits(shell, "order")
        await _refresh(person, "order", visit=2)
        await _refresh(person, "welcome")
        await person.matched("order", "ordered", "e1")
        await person.result()
    assert shell.world.times_asked(person.id)["order", 1] == 1


async def test_who_stays_where_they_are_asks_for_the_same_visit_in_the_other_version(shell: Shell) -> None:
    async with shell.worker():
        person = await _waits(shell, "order")
        await _move(person, NEXT, offset=1)
        await shell.world.until(lambda: shell.world.times_asked(person.id)["order", 1] == 2)
        await person.matched("order", "ordered", "e1")
        assert await person.result() == "completed"
    assert _versions(shell, person.id, "order") == [content_hash(R), content_hash(NEXT)]
    assert _versions(shell, person.id, "thanks") == [content_hash(NEXT)]
    assert [(step, visit) for step, visit in shell.world.decided(person.id) if step == "welcome"] == [("welcome", 1)]


async def test_a_signal_that_comes_while_somebody_waits_for_their_move_is_kept(shell: Shell) -> None:
    """The service, asked to confirm, parks the workflow; the event arrives; then the move."""

    def order(item: StepItem) -> ServiceOutcome:
        return Deferred(wake_at=instant(THREE_DAYS)) if item.confirm else Waiting(wake_at=instant(THREE_DAYS))

    shell.world.script["order"] = order
    async with shell.worker():
        person = await _waits(shell, "order")
        await _refresh(person, "order")
        await shell.world.until(lambda: shell.world.times_asked(person.id)["order", 1] == 2)
        await person.matched("order", "ordered", "e1")
        await _move(person, NEXT, offset=1)
        assert await person.result() == "completed"
    (thanks,) = [item for item in shell.world.asked if item.step == "thanks" and item.enrolment_id == person.id]
    assert (thanks.journey, thanks.event_id) == (content_hash(NEXT), "e1")


async def test_who_is_moved_to_a_step_is_decided_for_anew_from_there(shell: Shell) -> None:
    shell.world.script["pause"] = lambda item: Sleep(wake_at=instant(THREE_DAYS if item.visit == 1 else SOON))
    async with shell.worker():
        person = await _waits(shell, "order")
        await person.matched("order", "ordered", "e1")
        await shell.world.until(lambda: ("pause", 1) in shell.world.decided(person.id))
        await _move(person, R, step="thanks", offset=1)
        assert await person.result() == "completed"
    assert shell.world.decided(person.id)[-4:] == [("pause", 1), ("thanks", 2), ("pause", 2), ("advice", 2)]


async def test_who_is_moved_in_the_last_round_of_a_repetition_has_no_other(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.moved_in_rounds(shell)
    news = [visit for step, visit in shell.world.decided(person.id) if step == "news"]
    assert news == [1, 2, 3, 21]
    assert [item.rounds for item in shell.world.asked if item.step == "news"] == [{"rounds": each} for each in (0, 1, 2, 2)]


async def test_a_move_is_found_by_a_worker_that_comes_later(shell: Shell) -> None:
    async with shell.worker():
        person = await _waits(shell, "order")
    await _move(person, NEXT, step="pause", offset=1)
    async with shell.worker():
        assert await person.result() == "completed"
    assert shell.world.decided(person.id)[-2:] == [("pause", 2), ("advice", 2)]


async def test_an_interrupt_wins_over_a_move(shell: Shell) -> None:
    async with shell.worker():
        person = await _waits(shell, "order")
    await _move(person, NEXT, step="thanks", offset=1)
    await person.interrupted()
    async with shell.worker():
        assert await person.result() == "exit"
    assert ("thanks", 2) not in shell.world.decided(person.id)


async def test_moved_to_an_exit_the_enrolment_ends(shell: Shell) -> None:
    last: dict[str, JsonValue] = {**NEXT, "steps": [{"id": "order", "type": "exit", "reason": "moved out"}]}
    shell.world.definitions[content_hash(last)] = last
    async with shell.worker():
        person = await _waits(shell, "order")
        await _move(person, last, step="order", offset=1)
        assert await person.result() == "moved out"
    assert shell.world.reason(person.id) == "moved out"
