"""One enrolment from its start to its end."""

from datetime import timedelta

from temporalio.testing import TimeSkipper

from journeys.outcome import Deferred, Done, Ended, Match, Outcome, Sleep, Waiting
from contracts.journeys import StepItem
from tests.benchmarks.history import events, kinds
from tests.workflows.harness import Shell
from tests.workflows.journeys_under_test import FOLLOW_UP, PUPPY, R
from tests.workflows.scripted import SOON, instant

LONG = timedelta(days=730)


async def test_the_reference_journey_takes_at_most_22_history_events(shell: Shell) -> None:
    async with shell.worker():
        person = await shell.enrol(R)
        await shell.world.until(lambda: ("order", 1) in shell.world.decided(person.id))
        await person.matched("order", "ordered", "e-1")
        assert await person.result() == "completed"
    assert [step for step, _ in shell.world.decided(person.id)] == ["welcome", "order", "thanks", "pause", "advice"]
    assert shell.world.reason(person.id) == "completed"
    assert await events(shell.starter, person.handle.id) <= 22
    assert (await kinds(shell.starter, person.handle.id))["WORKFLOW_TASK_COMPLETED"] == 3
