"""A workflow's part, played in the test's process: the same core and state, signals from the table `outgoing`, no Temporal."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from contracts.journeys import FinishItem, InterruptSignal, MatchedSignal, MoveSignal, RefreshSignal
from journeys.engine import Finish, advance, plan, resume, start
from journeys.outcome import Done, Later, Matched, Sleep, TimedOut, Waiting, Woke
from tests.services.journeys.conftest import Service
from workflows.state import EnrolmentState, Pending


@dataclass
class Run:
    """One enrolment's workflow. `over` is why it ended."""

    service: Service
    id: UUID
    version: str
    state: EnrolmentState
    over: str | None = None

    async def turn(self) -> None:
        """Goes on until it has to wait, as the workflow does."""
        while self.over is None:
            if not await self._step():
                return

    async def _step(self) -> bool:
        state = self.state
        journey = await self.service.versions.journey(self.version)
        effect = Finish(state.interrupt.reason) if state.interrupt is not None else plan(journey, state.cursor)
        if isinstance(effect, Finish):
            await self.service.steps.finish([FinishItem(enrolment_id=self.id, reason=effect.reason)])
            self.over = effect.reason
            return False
        if (move := state.move_to) is not None:
            self.version = move.journey
            state.moved(resume(await self.service.versions.journey(self.version), state.cursor, move.step, move.offset))
            return True
        answer: Any = await self._waited(state.pending) if state.pending is not None else await self._ask()
        if answer is None or isinstance(answer, Later):
            return False
        if answer == "ask":
            return True
        if (pending := Pending.of(answer)) is not None:
            state.pending = pending
        else:
            state.move(advance(journey, state.cursor, answer, self.service.clock.now()), answer)
        return True

    async def _waited(self, pending: Pending) -> Any:
        """An outcome, "ask" where the step is to be asked for again, or None while the wait lasts."""
        state = self.state
        if (signal := state.match) is not None:
            return Matched(path=signal.path, event_id=signal.event_id)
        left = pending.seconds_left(self.service.clock.now())
        if not state.must_ask and (left is None or left > 0):
            return None
        asked, state.refreshed = state.must_ask, None
        if pending.kind == "deferred":
            state.pending = None
            return "ask"
        if pending.confirm or asked:
            answer = await self._ask(confirm=True)
            match answer:
                case Done() | Woke() | TimedOut():
                    pass
                case Sleep() if pending.kind == "wait_for":
                    return Waiting(wake_at=answer.wake_at, confirm=answer.confirm)
                case _:
                    return answer
        return TimedOut() if pending.kind == "wait_for" else Woke()

    async def _ask(self, *, confirm: bool = False) -> Any:
        cursor = self.state.cursor
        assert cursor.step is not None
        return await self.service.perform(
            self.id, cursor.step, cursor.visit, event_id=cursor.event_id, journey=self.version, confirm=confirm
        )


@dataclass
class Runs:
    """All workflows, and what Temporal would do for them."""

    service: Service
    runs: dict[UUID, Run] = field(default_factory=dict)

    async def deliver(self) -> int:
        """Takes everything from `outgoing`, in order, as the deliverer does; answers how much it was."""
        async with self.service.database.begin() as session:
            rows = (await session.execute(text("DELETE FROM outgoing RETURNING id, enrolment_id, kind, payload"))).all()
        for row in sorted(rows, key=lambda each: each.id):
            await self._take(row)
        return len(rows)

    async def _take(self, row: Any) -> None:
        body = {name: value for name, value in row.payload.items() if name != "$journey"}
        run = self.runs.get(row.enrolment_id)
        if row.kind == "start":
            assert run is None, "started twice"
            journey = await self.service.versions.journey(body["version"])
            state = EnrolmentState(cursor=start(journey))
            self.runs[row.enrolment_id] = Run(self.service, row.enrolment_id, body["version"], state)
        elif run is not None and run.over is None:
            match row.kind:
                case "matched":
                    run.state.take(MatchedSignal.model_validate(body))
                case "interrupt":
                    run.state.stop(InterruptSignal.model_validate(body))
                case "refresh":
                    run.state.refresh(RefreshSignal.model_validate(body))
                case "move":
                    run.state.move_to = MoveSignal.model_validate(body)
                case _:
                    pass

    async def settle(self) -> None:
        """Delivers and goes on until nothing more happens by itself, background jobs included."""
        life = self.service.lifecycle
        while True:
            for job in (life.starter, life.resumer, life.closer, life.migrator):
                await job.step()
            delivered = await self.deliver()
            for run in list(self.runs.values()):
                await run.turn()
            rows = await self.service.rows("SELECT 1 FROM outgoing LIMIT 1")
            if not delivered and not rows:
                return
