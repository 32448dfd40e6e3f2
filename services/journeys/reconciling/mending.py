"""Mending a suspect: what is done depends on what seems wrong and on whether its workflow runs.

Nothing is sent or decided twice by it: a workflow that begins anew walks the way that was decided, since every decision is kept
under (enrolment, step, visit), and a repeated signal is for a wait that is over or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import FinishItem, InterruptSignal, RefreshSignal
from infra.clock import Clock
from infra.db import Database
from services.journeys.outgoing import Outgoing, write
from services.journeys.reconciling.counting import count
from services.journeys.reconciling.runs import Run
from services.journeys.reconciling.suspects import Suspect, clear, look
from services.journeys.steps.performing import Steps


class Mender:
    """Each repair is one transaction, which looks at the enrolment once more: whoever else mended it meanwhile has."""

    def __init__(
        self, *, database: Database, clock: Clock, steps: Steps, deliver: Callable[[Sequence[Outgoing]], None], grace: timedelta
    ) -> None:
        self._database = database
        self._clock = clock
        self._steps = steps
        self._deliver = deliver
        self._grace = grace

    async def mend(self, suspect: Suspect, run: Run) -> str | None:
        """The kind of the repair; None where nothing was wrong, or it is merely slow."""
        if run.state == "running" and run.busy:
            return None
        if not suspect.ours or (run.state == "running" and suspect.fault in {"none", "start"}):
            async with self._database.begin() as session:
                await clear(session, [suspect.enrolment_id])
            return None
        if suspect.state == "ending" and run.state == "gone":
            return await self._end(suspect)
        async with self._database.begin() as session:
            if not await self._is_still(session, suspect):
                return None
            kind, rows = self._remedy(suspect, run)
            written = await write(session, rows)
            await count(session, Counter({kind: 1}), self._clock.now())
        self._deliver(written)
        return kind

    async def _end(self, suspect: Suspect) -> str | None:
        """Its workflow can no longer say that it is over."""
        async with self._database.read() as session:
            if not await self._is_still(session, suspect):
                return None
        await self._steps.finish([FinishItem(enrolment_id=suspect.enrolment_id, reason="ended")])
        async with self._database.begin() as session:
            await count(session, Counter(end=1), self._clock.now())
        return "end"

    async def _is_still(self, session: AsyncSession, suspect: Suspect) -> bool:
        """Whether nothing happened to it since; its place is locked."""
        locked = await session.execute(
            text("SELECT 1 FROM place WHERE enrolment_id = :id FOR UPDATE SKIP LOCKED"), {"id": suspect.enrolment_id}
        )
        if locked.first() is None:
            return False
        overdue = self._clock.to_virtual(self._clock.real_now() - self._grace)
        now = await look(session, [suspect.enrolment_id], grace=self._grace, overdue=overdue)
        return (
            bool(now)
            and now[0].ours
            and (now[0].state, now[0].changed_at, now[0].told)
            == (
                suspect.state,
                suspect.changed_at,
                suspect.told,
            )
        )

    def _remedy(self, suspect: Suspect, run: Run) -> tuple[str, list[Outgoing]]:
        if run.state == "gone":
            rows = [self._row(suspect, "start", self._start(suspect))]
            if suspect.told is not None:
                rows.append(self._row(suspect, suspect.told["kind"], suspect.told["body"]))
            return ("start" if suspect.step is None else "workflow"), rows
        if suspect.fault == "end":
            body = InterruptSignal(reason="ended", event_id=f"repair:{suspect.enrolment_id}").model_dump(mode="json")
            return "end", [self._row(suspect, "interrupt", body)]
        if suspect.told is not None:
            return "signal", [self._row(suspect, suspect.told["kind"], suspect.told["body"])]
        body = RefreshSignal(step=suspect.step or "", visit=suspect.visit or 1).model_dump(mode="json")
        return "wake", [self._row(suspect, "refresh", body)]

    @staticmethod
    def _start(suspect: Suspect) -> dict[str, Any]:
        """From the beginning, or from where a migration or a person has put it last."""
        start: dict[str, Any] = {"version": suspect.version, "look_back": False, "exits": True, "again": True}
        if suspect.moved is not None:
            moved = suspect.moved
            cursor = {
                "step": moved["step"],
                "visits": {moved["step"]: moved["visit"]} if moved["step"] else {},
                "loops": moved.get("rounds", {}),
                "event_id": moved.get("event_id"),
            }
            start["carried"] = {"cursor": cursor, "move_to": moved["move_to"]}
            start["version"] = moved["move_to"]["journey"]
        return start

    @staticmethod
    def _row(suspect: Suspect, kind: Any, payload: dict[str, Any]) -> Outgoing:
        # A new request: Temporal takes the same one once, and the first may be what was lost.
        return Outgoing(suspect.enrolment_id, suspect.journey, kind, payload, f"repair:{uuid4()}")


def overdue_before(clock: Clock, grace: timedelta) -> datetime:
    """What was due before this instant of our clock is overdue."""
    return clock.to_virtual(clock.real_now() - grace)
