"""The workflow of one enrolment: drives the journey core, waits durably, leaves every decision to the services."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from journeys.engine import Finish, Perform, advance, plan, resume, start

with workflow.unsafe.imports_passed_through():
    from activities.enrolments import EnrolmentActivities
    from contracts.journeys import (
        SIGNAL_INTERRUPT,
        SIGNAL_MATCHED,
        SIGNAL_MOVE,
        SIGNAL_REFRESH,
        WORKFLOW,
        FinishItem,
        InterruptSignal,
        MatchedSignal,
        MoveSignal,
        RefreshSignal,
        StepItem,
    )
    from journeys.cursor import Cursor
    from journeys.model import Journey
    from journeys.outcome import Deferred, Done, Matched, Outcome, Sleep, TimedOut, Waiting, Woke
    from workflows.definitions import PinnedEnrolment
    from workflows.state import EnrolmentState, Pending

CALL_TIMEOUT = timedelta(seconds=20)
"""One attempt; above the HTTP client's own timeout, which says more."""
LOCAL_RETRIES = timedelta(seconds=3)
"""Back-offs up to this stay inside the workflow task, longer ones become timers of the server."""
RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=250),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=60,  # about an hour; then the workflow begins anew, with a history that cannot outgrow the server
)
ASK_AGAIN = 0.25
"""Least real seconds before a service is asked again whether it is time."""

# Versions of this code, oldest first; histories of each are in tests/workflows/histories, and all are replayed.
# `patched` writes two events, so it is asked where the ways part and nowhere else.
DEFERRED_SENDS_WAIT = "deferred-sends-wait"
"""2: a deferred send sleeps and asks again; in 1 a deferral was the last word on a send."""
WALKS_ANEW = "walks-anew"
"""3: also somebody who never has to wait (all that is waited for has happened) begins anew before history is too long."""
MOVES_KEEP_ROUNDS = "moves-keep-rounds"
"""4: who is moved within a repetition has done the rounds that they have done; in 3 a move forgot them."""

_Item = TypeVar("_Item", StepItem, FinishItem)
_Answer = TypeVar("_Answer")


@workflow.defn(name=WORKFLOW)
class EnrolmentWorkflow:
    """Returns why the enrolment ended."""

    @workflow.init
    def __init__(self, enrolment: PinnedEnrolment) -> None:
        self._enrolment = enrolment
        self._state = state = enrolment.carried or EnrolmentState(cursor=start(enrolment.journey))
        if (move := state.move_to) is not None:
            state.moved(_resumed(enrolment.journey, state.cursor, move))

    @workflow.run
    async def run(self, enrolment: PinnedEnrolment) -> str:
        state, journey = self._state, enrolment.journey
        begun = 0
        while isinstance(effect := self._plan(), Perform):
            self._begin_anew_if_moved()
            self._begin_anew_if_walked_long(since=begun)
            begun = workflow.info().get_current_history_length()
            outcome = await (self._wait(effect, state.pending) if state.pending else self._perform(effect))
            if outcome is None:
                continue
            if isinstance(outcome, Deferred) and not workflow.patched(DEFERRED_SENDS_WAIT):
                outcome = Done(detail="deferred")
            if (pending := Pending.of(outcome)) is not None:
                state.pending = pending
            else:
                state.move(advance(journey, state.cursor, outcome, workflow.now()), outcome)
        await self._finish(effect)
        return effect.reason

    @workflow.signal(name=SIGNAL_MATCHED)
    def matched(self, signal: MatchedSignal) -> None:
        self._state.take(signal)

    @workflow.signal(name=SIGNAL_INTERRUPT)
    def interrupt(self, signal: InterruptSignal) -> None:
        self._state.stop(signal)

    @workflow.signal(name=SIGNAL_REFRESH)
    def refresh(self, signal: RefreshSignal) -> None:
        self._state.refresh(signal)

    @workflow.signal(name=SIGNAL_MOVE)
    def move(self, signal: MoveSignal) -> None:
        self._state.move_to = signal

    def _plan(self) -> Perform | Finish:
        if self._state.interrupt is not None:
            return Finish(self._state.interrupt.reason)
        return plan(self._enrolment.journey, self._state.cursor)

    async def _wait(self, effect: Perform, pending: Pending) -> Outcome | None:
        """What the wait came to; None when there is something else to look at first."""
        state = self._state
        begun = workflow.info().get_current_history_length()
        await _until(
            lambda: state.interrupt or state.move_to or state.match or state.must_ask or _history_is_long(since=begun), pending
        )
        if state.interrupt is not None or state.move_to is not None:
            return None
        self._continue_as_new_if_long(since=begun)
        if (signal := state.match) is not None:
            return Matched(path=signal.path, event_id=signal.event_id)
        asked, state.refreshed = state.must_ask, None
        if pending.kind == "deferred":
            state.pending = None
            return None
        if pending.confirm or asked:
            answer = await self._perform(effect, confirm=True)
            match answer:
                case Done() | Woke() | TimedOut():
                    pass
                case Sleep() if pending.kind == "wait_for":  # not yet
                    return Waiting(wake_at=answer.wake_at, confirm=answer.confirm)
                case _:
                    return answer
        return TimedOut() if pending.kind == "wait_for" else Woke()

    async def _perform(self, effect: Perform, *, confirm: bool = False) -> Outcome:
        item = StepItem(
            enrolment_id=self._enrolment.enrolment_id,
            step=effect.step_id,
            visit=effect.visit,
            event_id=self._state.cursor.event_id,
            journey=self._enrolment.digest,
            confirm=confirm,
            rounds=self._state.cursor.loops,
        )
        return await self._call(EnrolmentActivities.perform_step, item)

    async def _finish(self, effect: Finish) -> None:
        interrupt = self._state.interrupt
        item = FinishItem(
            enrolment_id=self._enrolment.enrolment_id, reason=effect.reason, event_id=interrupt.event_id if interrupt else None
        )
        await self._call(EnrolmentActivities.finish_enrolment, item)

    async def _call(self, activity: Callable[[EnrolmentActivities, _Item], Awaitable[_Answer]], item: _Item) -> _Answer:
        """Calls until it is answered; a history that grows long meanwhile goes on in another run."""
        while True:
            try:
                return await workflow.execute_local_activity_method(
                    activity,
                    item,
                    start_to_close_timeout=CALL_TIMEOUT,
                    retry_policy=RETRIES,
                    local_retry_threshold=LOCAL_RETRIES,
                )
            except ActivityError as error:
                self._begin_anew_after(error)

    def _begin_anew_after(self, error: ActivityError) -> None:
        if is_cancelled_exception(error):
            raise error
        self._continue_as_new_if_long()

    def _begin_anew_if_moved(self) -> None:
        """Another version's definition comes with the input of another run."""
        if self._state.move_to is not None:
            workflow.continue_as_new(self._enrolment.again(self._state))

    def _begin_anew_if_walked_long(self, since: int) -> None:
        """Between two steps, as the first thing in a workflow task but for the step that the one before had begun."""
        if since and self._state.pending is None and _history_is_long(since) and workflow.patched(WALKS_ANEW):
            workflow.continue_as_new(self._enrolment.again(self._state))

    def _continue_as_new_if_long(self, since: int = 0) -> None:
        """Signals are taken without waiting for anything, so those that have arrived are in the state."""
        if _history_is_long(since):
            workflow.continue_as_new(self._enrolment.again(self._state))


def _resumed(journey: Journey, cursor: Cursor, move: MoveSignal) -> Cursor:
    """Where a move leads."""
    kept = resume(journey, cursor, move.step, move.offset)
    forgotten = resume(journey, cursor, move.step, move.offset, keep_rounds=False)
    return kept if kept == forgotten or workflow.patched(MOVES_KEEP_ROUNDS) else forgotten


def _history_is_long(since: int = 0) -> bool:
    """Whether to continue as new, now that history is longer than `since`: not in the workflow task that began to wait.

    The server refuses it while signals keep coming and has the whole task repeated, so the task shall have done nothing else.
    """
    info = workflow.info()
    return info.is_continue_as_new_suggested() and info.get_current_history_length() > since


async def _until(awake: Callable[[], object], pending: Pending) -> None:
    """Returns when `awake` or at the deadline, which is absolute: it survives continue-as-new unchanged."""
    if awake():
        return
    seconds = pending.seconds_left(workflow.now())
    if seconds is None:
        await workflow.wait_condition(lambda: bool(awake()))
        return
    if pending.confirm or pending.kind == "deferred":
        seconds = max(seconds, ASK_AGAIN)
    if seconds > 0:
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: bool(awake()), timeout=seconds)
