"""Histories that grow: continue-as-new loses nothing and repeats nothing."""

from datetime import timedelta

from temporalio.client import WorkflowHistory

from contracts.journeys import EnrolmentInput, StepItem
from journeys.outcome import Done, Match, ServiceOutcome, Sleep, Waiting
from tests.benchmarks.history import chain
from tests.workflows import scenarios
from tests.workflows.harness import Enrolled, Shell
from tests.workflows.journeys_under_test import ROUND, ROUNDS, TREADMILL, TREADMILL_ROUNDS, R
from tests.workflows.scripted import THREE_DAYS, instant
from tests.workflows.short_runs import SHORT_HISTORY


async def _runs(shell: Shell, person: Enrolled) -> list[WorkflowHistory]:
    return await chain(shell.starter, person.handle.id, person.handle.first_execution_run_id or "")


def _inputs(runs: list[WorkflowHistory]) -> list[EnrolmentInput]:
    started = [run.events[0].workflow_execution_started_event_attributes for run in runs]
    return [EnrolmentInput.model_validate_json(one.input.payloads[0].data) for one in started]


async def test_a_chain_of_runs_takes_every_event_once(strict_shell: Shell) -> None:
    """Each wait is registered once and each send decided once, with signals that come early, twice and late."""
    async with strict_shell.worker():
        person = await scenarios.rounds(strict_shell)
    thanked = {(item.visit, item.event_id) for item in strict_shell.world.asked if item.step == "thanks-again"}
    assert thanked == {(visit, f"e-{visit}") for visit in range(1, ROUNDS + 1)}
    pairs = [[("bag-empty", visit), ("thanks-again", visit)] for visit in range(1, ROUNDS + 1)]
    assert strict_shell.world.decided(person.id) == [one for pair in pairs for one in pair]
    assert len(await _runs(strict_shell, person)) > 2


async def test_a_wait_that_is_flooded_with_late_signals_keeps_its_deadline(strict_shell: Shell) -> None:
    """Signals that wake nobody make history long as well; the wait that is under way goes over as it is."""
    async with strict_shell.worker():
        person = await strict_shell.enrol(R)
        await strict_shell.world.until(lambda: ("order", 1) in strict_shell.world.decided(person.id))
        for number in range(3 * SHORT_HISTORY):
            await person.matched("welcome", "nowhere", f"e-{number}")
        await person.matched("order", "ordered", "e-last")
        assert await person.result() == "completed"
    runs = await _runs(strict_shell, person)
    assert len(runs) > 1
    assert strict_shell.world.times_asked(person.id)["order", 1] == 1
    carried = [str(given.carried.get("pending")) for given in _inputs(runs) if given.carried]
    assert len({pending for pending in carried if "wait_for" in pending}) == 1


async def test_signals_for_waits_to_come_are_carried_over(strict_shell: Shell) -> None:
    """All events of the loop are there before its first round is over; not one is lost between the runs."""
    person = await strict_shell.enrol(ROUND)
    for visit in range(2, ROUNDS + 1):
        await person.matched("bag-empty", "bought", f"e-{visit}", visit)
    async with strict_shell.worker():
        await strict_shell.world.until(lambda: ("bag-empty", 1) in strict_shell.world.decided(person.id))
        for number in range(2 * SHORT_HISTORY):
            await person.matched("thanks-again", "nowhere", f"e-{number}", 0)
        await person.matched("bag-empty", "bought", "e-1", 1)
        await person.result()
    thanked = [item.event_id for item in strict_shell.world.asked if item.step == "thanks-again"]
    assert thanked == [f"e-{visit}" for visit in range(1, ROUNDS + 1)]
    assert len(await _runs(strict_shell, person)) > 1


async def test_a_life_without_a_wait_does_not_outgrow_its_history(strict_shell: Shell) -> None:
    """All that is waited for has happened already: no wait ever waits, and yet the workflow begins anew in time."""
    strict_shell.world.script["step"] = lambda item: Waiting(matched=Match(path="stepped", event_id=f"e-{item.visit}"))
    async with strict_shell.worker():
        person = await strict_shell.enrol(TREADMILL, task_timeout=timedelta(seconds=1))
        assert await person.result() == "completed"
    runs = await _runs(strict_shell, person)
    assert len(runs) > 1
    assert strict_shell.world.decided(person.id) == [("step", visit) for visit in range(1, TREADMILL_ROUNDS + 1)]


async def test_a_refresh_reaches_a_wait_that_was_carried_over(strict_shell: Shell) -> None:
    """Those that came in the task that began anew, and those that come after."""
    asked: list[int] = []

    def pause(item: StepItem) -> ServiceOutcome:
        if item.confirm:
            asked.append(item.visit)
        return Done() if len(asked) == 2 else Sleep(wake_at=instant(THREE_DAYS))

    strict_shell.world.script["pause"] = pause
    async with strict_shell.worker():
        person = await strict_shell.enrol(R)
        await person.matched("order", "ordered", "e-1")
        await strict_shell.world.until(lambda: ("pause", 1) in strict_shell.world.decided(person.id))
    for number in range(3 * SHORT_HISTORY):
        await person.matched("welcome", "nowhere", f"e-{number}")
    await person.refreshed("pause")
    async with strict_shell.worker():
        await strict_shell.world.until(lambda: len(asked) == 1)
        for number in range(3 * SHORT_HISTORY):
            await person.matched("welcome", "nowhere", f"f-{number}")
        await person.refreshed("pause")
        assert await person.result() == "completed"
    assert len(await _runs(strict_shell, person)) > 2
    assert asked == [1, 1]


async def test_a_move_takes_effect_whichever_run_is_the_current_one(strict_shell: Shell) -> None:
    """Moved to another version after many rounds, and back to an earlier step of it: visits go on counting."""
    strict_shell.world.script["bag-empty"] = lambda _: Waiting()
    async with strict_shell.worker():
        person = await strict_shell.enrol(ROUND)
        for visit in range(1, ROUNDS):
            await strict_shell.world.until(lambda: ("bag-empty", visit) in strict_shell.world.decided(person.id))  # noqa: B023
            await person.matched("bag-empty", "bought", f"e-{visit}", visit)
        await strict_shell.world.until(lambda: ("bag-empty", ROUNDS) in strict_shell.world.decided(person.id))
        await person.moved(R, "order", offset=ROUNDS)
        await strict_shell.world.until(lambda: ("order", ROUNDS + 1) in strict_shell.world.decided(person.id))
        await person.matched("bag-empty", "bought", "e-late", ROUNDS)
        await person.matched("order", "ordered", "e-order", ROUNDS + 1)
        assert await person.result() == "completed"
    assert len(await _runs(strict_shell, person)) > 2
    assert [step for step, visit in strict_shell.world.decided(person.id) if visit > ROUNDS] == [
        "order",
        "thanks",
        "pause",
        "advice",
    ]


async def test_a_match_that_comes_with_the_beginning_of_a_new_run_is_taken_once(strict_shell: Shell) -> None:
    async with strict_shell.worker():
        person = await strict_shell.enrol(R)
        await strict_shell.world.until(lambda: ("order", 1) in strict_shell.world.decided(person.id))
    for number in range(3 * SHORT_HISTORY):
        await person.matched("welcome", "nowhere", f"e-{number}")
    await person.matched("order", "ordered", "e-order")
    await person.matched("order", "ordered", "e-again")
    async with strict_shell.worker():
        assert await person.result() == "completed"
    (thanks,) = [item for item in strict_shell.world.asked if item.step == "thanks"]
    assert thanks.event_id == "e-order"
    assert len(await _runs(strict_shell, person)) > 1


async def test_an_exit_reaches_whichever_run_is_the_current_one(strict_shell: Shell) -> None:
    strict_shell.world.script["bag-empty"] = lambda _: Waiting()
    async with strict_shell.worker():
        person = await strict_shell.enrol(ROUND)
        for visit in range(1, ROUNDS):
            await strict_shell.world.until(lambda: ("bag-empty", visit) in strict_shell.world.decided(person.id))  # noqa: B023
            await person.matched("bag-empty", "bought", f"e-{visit}", visit)
        await person.interrupted()
        assert await person.result() == "exit"
    assert len(await _runs(strict_shell, person)) > 1
    assert strict_shell.world.reason(person.id) == "exit"
