"""Moving an enrolment to another version or step. It goes when its workflow asks the next time: then nothing of it is under way.

Whoever wants it moved writes a `Wish` and has the workflow ask. At that question the step and visit are known for certain, so
no decision can be made twice, or in a version that the workflow is not in. From the answer until the workflow begins anew in
the other version, every question is answered by waiting for the move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import MoveSignal, StepItem
from infra.clock import Clock
from infra.db import Database
from journeys import Journey
from journeys.model import Wait, WaitFor
from journeys.outcome import Deferred, Ended, ServiceOutcome
from services.journeys.enrolments import Decision, Enrolment, Key, Known
from services.journeys.lifecycle.versions import Versions
from services.journeys.moves.destinations import Destination, Sent, Wish
from services.journeys.moves.migrating import noted_exits
from services.journeys.moves.migration_plans import Action, MigrationPlan
from services.journeys.moves.transferring import Transfer, transfer
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.cases import Case
from services.journeys.steps.rulings import Ruling
from services.journeys.stopping import stop
from services.journeys.waits.criteria import criteria_context
from services.journeys.waits.deciding import WaitDecider
from services.journeys.waits.matching import matched
from services.journeys.world import World

# Real time; the signal comes long before.
_ASK_AGAIN = timedelta(seconds=30)
_WAITS = frozenset({"sleep", "waiting"})


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question of an enrolment that is to move: what was decided there, and the event that woke its path."""

    item: StepItem
    enrolment: Enrolment
    wish: Wish
    decision: Decision | None
    event: dict[str, Any]
    position: str | None


class Mover:
    """Answers for enrolments that are to move."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        waits: WaitDecider,
        world: World,
        clock: Clock,
        workspace_zone: str,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._zone = workspace_zone
        self._waits = waits
        self._world = world
        self._clock = clock
        self._deliver = deliver

    async def __call__(self, items: Sequence[StepItem], known: Known) -> dict[Key, ServiceOutcome | BaseException]:
        """Answers for the questions that are not to be decided now; an error where something did not answer.

        Only workflows are moved: whoever asks for somebody that has none yet does not say which version it is in.
        """
        asking: dict[Key, _Asking] = {}
        for item in items:
            enrolment = known.enrolments.get(item.enrolment_id)
            if (
                enrolment is not None
                and enrolment.state == "running"
                and enrolment.moving is not None
                and item.journey is not None
            ):
                wish = Wish.model_validate(enrolment.moving)
                key = (item.enrolment_id, item.step, item.visit)
                asking[key] = _Asking(item, enrolment, wish, known.decisions.get(key), *known.woken_by(item, enrolment))
        answers = await asyncio.gather(*(self._answer(asked) for asked in asking.values()), return_exceptions=True)
        return {key: answer for key, answer in zip(asking, answers, strict=True) if answer is not None}

    async def _answer(self, asked: _Asking) -> ServiceOutcome | None:
        item, enrolment, wish = asked.item, asked.enrolment, asked.wish
        if wish.sent is not None:
            return await self._told(item, enrolment, wish, wish.sent)
        if asked.decision is not None and not await self._still_waits(asked.decision):
            return None
        match await self._rule(item, enrolment, wish):
            case "stay":
                await self._stay(enrolment, wish)
                return None
            case "exit":
                return await self._exit(enrolment, wish)
            case "map":
                pass
        here = await self._versions.journey(enrolment.version)
        there = await self._versions.journey(wish.to)
        match (destination := Destination.of(wish, here, there, item.step)).kind:
            case "nowhere":
                return None
            case "exit":
                return await self._exit(enrolment, wish)
            case "stay" | "go":
                return await self._move(asked, destination, there)

    async def _told(self, item: StepItem, enrolment: Enrolment, wish: Wish, sent: Sent) -> ServiceOutcome | None:
        """None once the workflow has begun anew; until then it waits for the signal."""
        arrived = item.journey == wish.to and (sent.step is None or item.visit > sent.offset)
        async with self._database.begin() as session:
            if arrived:
                await session.execute(
                    text("UPDATE enrolment SET moving = NULL WHERE id = :id AND moving->'sent'->>'request' = :request"),
                    {"id": enrolment.id, "request": sent.request},
                )
                return None
            written = await write(session, [move_signal(enrolment, wish.to, sent)])
        self._deliver(written)
        return self._wait_for_it()

    async def _still_waits(self, decision: Decision) -> bool:
        """Whether the enrolment stands there. What is over is answered as it was decided, and leads on to another step."""
        now = self._clock.now()
        if decision.outcome["kind"] not in _WAITS or (decision.deadline is not None and decision.deadline <= now):
            return False
        async with self._database.read() as session:
            return not await matched(session, [decision.key])

    async def _rule(self, item: StepItem, enrolment: Enrolment, wish: Wish) -> Action:
        """What a migration says of somebody who stands here: they may have come here since it looked at them."""
        if wish.migration is None:
            return "map"
        async with self._database.read() as session:
            rows = await session.execute(text("SELECT plan FROM migration WHERE id = :id"), {"id": wish.migration})
            plan = MigrationPlan.model_validate(rows.scalar_one())
        return plan.action(item.step, enrolment.id, enrolment.entered_at)

    async def _stay(self, enrolment: Enrolment, wish: Wish) -> None:
        async with self._database.begin() as session:
            if not await _still_counts(session, wish):
                return
            stayed = await session.execute(
                text(
                    "UPDATE enrolment SET moving = NULL WHERE id = :id AND state = 'running' "
                    "AND moving = CAST(:moving AS jsonb) RETURNING 1"
                ),
                {"id": enrolment.id, "moving": orjson.dumps(enrolment.moving).decode()},
            )
            if stayed.first() is not None:
                await count(session, wish, "stayed")

    async def _exit(self, enrolment: Enrolment, wish: Wish) -> ServiceOutcome | None:
        now = self._clock.now()
        async with self._database.begin() as session:
            if not await _still_counts(session, wish):
                return None
            stopped, written = await stop(session, [enrolment.id], "migrated", now)
            if stopped and wish.migration is not None:
                await count(session, wish, "ended")
                await noted_exits(session, enrolment.journey, stopped, who=wish.who, migration=wish.migration, to=wish.to, at=now)
        self._deliver(written)
        return Ended(reason="ended")

    async def _move(self, asked: _Asking, destination: Destination, there: Journey) -> ServiceOutcome | None:
        enrolment, wish = asked.enrolment, asked.wish
        context = await criteria_context(self._world, there, enrolment.profile_id, enrolment.entry, enrolment.position)
        retimed = None
        if destination.kind == "stay" and asked.decision is not None:
            retimed = await self._retimed(asked, asked.decision, there)
        change = Transfer(
            enrolment=enrolment,
            there=there,
            wish=wish,
            item=asked.item,
            target=destination.step if destination.kind == "go" else None,
            context=context,
            retimed=retimed,
            was=asked.decision,
            request=f"move:{uuid4()}",
            workspace_zone=self._zone,
        )
        async with self._database.begin() as session:
            if not await _still_counts(session, wish):
                return None
            written = await transfer(session, change, self._clock.now())
            if written is not None and wish.migration is not None:
                await count(session, wish, "moved")
        self._deliver(written or [])
        return self._wait_for_it()

    async def _retimed(self, asked: _Asking, decision: Decision, there: Journey) -> Ruling | None:
        """The wait under way as the other version has it, counted from when it was entered."""
        enrolment, step = asked.enrolment, there.index.steps[asked.item.step]
        case = Case(enrolment, there, step, decision.visit, enrolment.entry, asked.event, asked.position, decision.at)
        match step:
            case Wait():
                return await self._waits.wait(case, step, entered_at=decision.at)
            case WaitFor():
                return await self._waits.wait_for(case, step, entered_at=decision.at)
            case _:
                return None

    def _wait_for_it(self) -> Deferred:
        return Deferred(wake_at=self._clock.real_now() + _ASK_AGAIN)


def move_signal(enrolment: Enrolment, to: str, sent: Sent) -> Outgoing:
    """What makes a workflow begin anew; Temporal takes the same request once."""
    body = MoveSignal(journey=to, step=sent.step, offset=sent.offset).model_dump(mode="json")
    return Outgoing(enrolment.id, enrolment.journey, "move", body, sent.request)


async def _still_counts(session: AsyncSession, wish: Wish) -> bool:
    """Whether it was not cancelled. Its migration is locked before its enrolments, as by everybody else."""
    if wish.migration is None:
        return True
    rows = await session.execute(text("SELECT state FROM migration WHERE id = :id FOR UPDATE"), {"id": wish.migration})
    return rows.scalar_one_or_none() != "cancelled"


async def count(session: AsyncSession, wish: Wish, what: str) -> None:
    """One more person that a migration has dealt with."""
    column = {"moved": "moved", "stayed": "stayed", "ended": "ended"}[what]
    await session.execute(
        text(f"UPDATE migration SET {column} = {column} + 1 WHERE id = :id"),
        {"id": wish.migration},
    )
