"""One enrolment from its start to its end."""

from datetime import timedelta

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowHistory
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.journeys import SIGNAL_MATCHED, MatchedSignal, StepItem
from journeys.outcome import Done, Ended, Match, PastDue, ServiceOutcome, Sleep, Waiting
from tests.benchmarks.history import events, history, kinds
from tests.workflows import scenarios
from tests.workflows.harness import Enrolled, Shell
from tests.workflows.journeys_under_test import FOLLOW_UP, PUPPY, ROUND, R
from tests.workflows.scripted import SOON, instant

YEARS = timedelta(days=800)


async def _standing_at(shell: Shell, person: Enrolled, step: str, visit: int = 1) -> None:
    await shell.world.until(lambda: (step, visit) in shell.world.decided(person.id))


async def test_the_reference_journey_takes_at_most_22_history_events(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.r_with_event(shell)
    assert [step for step, _ in shell.world.decided(person.id)] == ["welcome", "order", "thanks", "pause", "advice"]
    assert shell.world.reason(person.id) == "completed"
    assert await events(shell.starter, person.handle.id) <= 22
    assert (await kinds(shell.starter, person.handle.id))["WORKFLOW_TASK_COMPLETED"] == 3


async def test_history_holds_ids_positions_instants_and_choices_only(shell: Shell) -> None:
    """A refusal's text is about a person; it must not get into history, which cannot be erased."""
    async with shell.worker():
        person = await shell.enrol(R)
        await _standing_at(shell, person, "order")
        shell.world.broken = 503
        await person.matched("order", "ordered", "e-1")
        await shell.world.until(lambda: shell.world.failures >= 5)  # a back-off has become a timer by then
        shell.world.broken = None
        await person.result()
    run = await history(shell.starter, person.handle.id)
    assert (await kinds(shell.starter, person.handle.id))["TIMER_FIRED"] > 1
    assert "Jane" not in run.to_json()
    assert "is not available" in run.to_json()
    assert person.handle.id == f"r/{person.id}"
    assert all(_plain(text) for text in _payloads(run))


def _payloads(run: WorkflowHistory) -> list[str]:
    found = []
    for event in run.events:
        for _, attributes in event.ListFields():
            if hasattr(attributes, "input"):
                found += [payload.data.decode() for payload in attributes.input.payloads]
            if hasattr(attributes, "details"):
                found += [payload.data.decode() for one in attributes.details.values() for payload in one.payloads]
    assert len(found) > 5
    return found


def _plain(text: str) -> bool:
    return len(text) < 500 and "@" not in text


async def test_an_event_wakes_the_path_it_belongs_to(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.follow_up_attended(shell)
    steps = [step for step, _ in shell.world.decided(person.id)]
    assert steps[-4:] == ["breathe", "offer-test", "which-book", "offer-advanced"]
    assert next(item for item in shell.world.asked if item.step == "breathe").event_id == "e-2"


async def test_a_wait_that_looked_back_and_found_does_not_wait(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.follow_up_found_by_looking_back(shell)
    steps = [step for step, _ in shell.world.decided(person.id)]
    assert steps == ["confirm", "day-before", "attendance", "breathe", "offer-test"]


async def test_no_event_in_time_takes_the_timeout(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.follow_up_no_show(shell)
    assert [step for step, _ in shell.world.decided(person.id)][-3:] == ["missed-you", "answer", "note"]
    assert next(item for item in shell.world.asked if item.step == "note").event_id == "r-1"


async def test_repetitions_are_told_apart_by_their_visit(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.puppy(shell)
    decided = shell.world.decided(person.id)
    assert [visit for step, visit in decided if step == "bag-empty"] == [1, 2, 3]
    assert len([step for step, _ in decided if step == "refill"]) == 1
    assert decided[-1] == ("hand-over", 1)


async def test_a_signal_that_comes_before_its_wait_is_kept(shell: Shell) -> None:
    """Sent before any worker runs: it is in the very first workflow task."""
    person = await shell.enrol(R)
    await person.matched("order", "ordered", "e-1")
    async with shell.worker():
        assert await person.result() == "completed"
    assert [step for step, _ in shell.world.decided(person.id)][2] == "thanks"


async def test_a_signal_that_arrives_while_the_wait_is_being_registered_is_kept(shell: Shell) -> None:
    """The service goes down right after the first send, and comes back when the signal has been taken."""

    def welcome(_: StepItem) -> ServiceOutcome:
        shell.world.broken = 503
        return Done()

    shell.world.script.update(welcome=welcome, order=lambda _: Waiting())
    async with shell.worker():
        person = await shell.enrol(R)
        await shell.world.until(lambda: shell.world.failures > 0)
        await person.matched("order", "ordered", "e-1")
        shell.world.broken = None
        assert await person.result() == "completed"


async def test_a_duplicate_signal_is_dropped(shell: Shell) -> None:
    """The second, third and a different late one find their visit over; the next visit waits for its own."""
    async with shell.worker():
        person = await shell.enrol(ROUND)
        await _standing_at(shell, person, "bag-empty", 1)
        for event in ("e-1", "e-1", "e-1", "e-other"):
            await person.matched("bag-empty", "bought", event, 1)
        await _standing_at(shell, person, "bag-empty", 2)
        await person.matched("bag-empty", "bought", "e-1", 1)
        await person.matched("bag-empty", "bought", "e-2", 2)
        await _standing_at(shell, person, "bag-empty", 3)
        await person.interrupted()
        await person.result()
    thanked = [item for item in shell.world.asked if item.step == "thanks-again"]
    assert [(item.visit, item.event_id) for item in thanked] == [(1, "e-1"), (2, "e-2")]


async def test_the_server_drops_a_signal_with_the_same_request_id(shell: Shell) -> None:
    """What the router relies on: the request id of a signal is its event's id."""
    async with shell.worker():
        person = await shell.enrol(R)
        await _standing_at(shell, person, "order")
        await _signal_once(shell, person, "e-1")
        await _signal_once(shell, person, "e-1")
        await person.matched("order", "ordered", "e-2")
        await person.result()
    assert (await kinds(shell.starter, person.handle.id))["WORKFLOW_EXECUTION_SIGNALED"] == 2


async def _signal_once(shell: Shell, person: Enrolled, request_id: str) -> None:
    late = MatchedSignal(step="welcome", visit=1, path="x", event_id="e-1")
    request = SignalWorkflowExecutionRequest(
        namespace=shell.starter.namespace,
        workflow_execution=WorkflowExecution(workflow_id=person.handle.id),
        signal_name=SIGNAL_MATCHED,
        input=Payloads(payloads=await shell.starter.data_converter.encode([late])),
        request_id=request_id,
    )
    await shell.starter.workflow_service.signal_workflow_execution(request)


async def test_an_exit_ends_a_wait_at_once(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.r_interrupted(shell)
    assert [step for step, _ in shell.world.decided(person.id)] == ["welcome", "order"]
    assert [(item.reason, item.event_id) for item in shell.world.finished] == [("exit", "e-exit")]


async def test_an_exit_ends_a_sleep_too(shell: Shell) -> None:
    shell.world.script["pause"] = lambda _: Sleep(wake_at=instant(YEARS))
    async with shell.worker():
        person = await shell.enrol(R)
        await person.matched("order", "ordered", "e-1")
        await _standing_at(shell, person, "pause")
        await person.interrupted()
        assert await person.result() == "exit"


async def test_an_exit_before_the_first_step_sends_nothing(shell: Shell) -> None:
    person = await shell.enrol(R)
    await person.interrupted()
    async with shell.worker():
        assert await person.result() == "exit"
    assert shell.world.decided(person.id) == []


async def test_a_service_that_says_ended_ends_it(shell: Shell) -> None:
    shell.world.script["welcome"] = lambda _: Ended(reason="erased")
    async with shell.worker():
        person = await shell.enrol(R)
        assert await person.result() == "erased"
    assert shell.world.reason(person.id) == "erased"


async def test_an_enrolment_that_is_gone_ends(shell: Shell) -> None:
    person = await shell.enrol(R)
    shell.world.refused[person.id] = 410
    async with shell.worker():
        assert await person.result() == "gone"


async def test_a_deferred_send_is_asked_for_again_until_it_is_sent(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.r_in_quiet_hours(shell)
    assert shell.world.times_asked(person.id)["thanks", 1] == 3


async def test_a_confirmed_wait_asks_whether_it_is_due(shell: Shell) -> None:
    async with shell.worker():
        person = await scenarios.r_confirmed(shell)
    asked = [item.confirm for item in shell.world.asked if item.step == "pause"]
    assert asked == [False, True, True]
    assert await person.result() == "completed"


async def test_a_confirmed_wait_for_an_event_stays_open_until_the_service_agrees(shell: Shell) -> None:
    """Its timer fires, the service says not yet: an event still wakes it."""

    def order(item: StepItem) -> ServiceOutcome:
        return Sleep(wake_at=instant(YEARS)) if item.confirm else Waiting(wake_at=instant(SOON), confirm=True)

    shell.world.script["order"] = order
    async with shell.worker():
        person = await shell.enrol(R)
        await shell.world.until(lambda: shell.world.times_asked(person.id)["order", 1] == 2)
        await person.matched("order", "ordered", "e-1")
        await person.result()
    assert next(item for item in shell.world.asked if item.step == "thanks").event_id == "e-1"


async def test_a_confirmation_can_bring_the_match_that_the_signal_has_not_brought_yet(shell: Shell) -> None:
    match = Match(path="ordered", event_id="e-1")
    shell.world.script["order"] = lambda item: (
        Waiting(matched=match) if item.confirm else Waiting(wake_at=instant(SOON), confirm=True)
    )
    async with shell.worker():
        await (await shell.enrol(R)).result()
    assert next(item for item in shell.world.asked if item.step == "thanks").event_id == "e-1"


async def test_a_confirmed_timeout_times_out(shell: Shell) -> None:
    shell.world.script["order"] = lambda item: Done() if item.confirm else Waiting(wake_at=instant(SOON), confirm=True)
    async with shell.worker():
        assert await (await shell.enrol(R)).result() == "completed"
    assert next(item for item in shell.world.asked if item.step == "thanks").event_id is None


async def test_a_past_due_policy_is_followed(shell: Shell) -> None:
    shell.world.script["eight-weeks"] = lambda _: PastDue(action="goto", target="four-months")
    shell.world.script["four-months"] = lambda _: PastDue(action="exit")
    async with shell.worker():
        person = await shell.enrol(PUPPY)
        await person.result()
    assert [step for step, _ in shell.world.decided(person.id)] == ["welcome", "eight-weeks", "four-months"]


async def test_a_wait_of_years_is_one_timer(shell: Shell) -> None:
    """On the server's skipped time; the sleep is absolute, so what was waited for before does not move it."""
    shell.world.script["pause"] = lambda _: Sleep(wake_at=instant(YEARS))
    skipper = TimeSkipper(shell.starter, config=TimeSkippingConfig(max_session_skip_count=10_000))
    person = await shell.enrol(R)
    await person.matched("order", "ordered", "e-1")
    async with shell.worker():
        await _standing_at(shell, person, "pause")
        await skipper.fast_forward(person.handle, YEARS - timedelta(days=1))
        assert ("advice", 1) not in shell.world.decided(person.id)
        await skipper.fast_forward(person.handle, timedelta(days=2))
        assert await person.result() == "completed"
    assert (await kinds(shell.starter, person.handle.id))["TIMER_STARTED"] == 1


async def test_a_journey_that_was_left_behind_by_all_workers_is_taken_up_by_the_next(shell: Shell) -> None:
    """A new worker knows no definition and has no cache: it fetches, replays and goes on."""
    async with shell.worker():
        person = await shell.enrol(FOLLOW_UP)
        await _standing_at(shell, person, "attendance")
    async with shell.worker():
        await person.matched("attendance", "attended", "e-1")
        assert await person.result() == "completed"
    assert max(shell.world.times_asked(person.id).values()) == 1
    assert list(shell.world.fetched.values()) == [2]
