"""A journey's states: draft, published, paused, draining, archived; which step leads from where to where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import Conflict, NotFound
from services.journeys.lifecycle.auditing import note
from services.journeys.outgoing import Outgoing
from services.journeys.stopping import stop

Change = Literal["pause", "resume", "drain", "archive"]
State = Literal["draft", "published", "paused", "draining", "archived"]

_FROM: dict[Change, tuple[State, ...]] = {
    "pause": ("published",),
    "resume": ("paused",),
    "drain": ("published", "paused"),
    "archive": ("draft", "published", "paused", "draining"),
}
_TO: dict[Change, State] = {"pause": "paused", "resume": "published", "drain": "draining", "archive": "archived"}
_ALWAYS = "publish"
_BATCH = 200
_VIEW = text(
    "SELECT j.key, j.state, count(e.id) AS under_way, count(e.start_at) AS held, (SELECT count(*) FROM decision d "
    "JOIN enrolment p ON p.id = d.enrolment_id AND p.state = 'running' "
    "WHERE d.journey = j.key AND d.kind = 'deferred' AND d.seen->>'reason' = 'paused') AS parked "
    "FROM journey j LEFT JOIN enrolment e ON e.journey = j.key AND e.state <> 'ended' WHERE j.key = :key GROUP BY j.key"
)


class StateView(BaseModel):
    """The state a journey is in now. `under_way` people have entered and not ended; `held` of them have yet to be started,
    `parked` wait at a step that acts for the end of a pause (or for their turn after it)."""

    key: str
    state: State
    under_way: int
    held: int
    parked: int


class States:
    """Changes of state, each checked, audited and in one transaction with what it rests on."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def change(self, key: str, change: Change, *, by: str, end: bool = False) -> StateView:
        """Raises `NotFound`, and `Conflict` where it cannot be done from the state the journey is in.

        `end` lets an archive end people who are under way; otherwise they stand against it.
        """
        async with self._database.begin() as session:
            state = await locked(session, key)
            if state not in _FROM[change]:
                raise Conflict(_not_from(key, state, change))
            view = await state_view(session, key)
            if change == "archive" and view.under_way and not end:
                raise Conflict(
                    f"{view.under_way} people are under way in {key!r}: drain it and it is archived when they have gone, "
                    'or send {"end": true} to end them now'
                )
            await enter_state(session, key, _TO[change], self._clock)
            detail = {"from": state, "under_way": view.under_way}
            await note(session, at=self._clock.now(), who=by, action=change, journey=key, detail=detail)
        return view.model_copy(update={"state": _TO[change]})

    async def view(self, key: str) -> StateView:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            return await state_view(session, key)


class Closer:
    """What follows from a state by itself: an archived journey's people end, a drained one that is empty is archived."""

    def __init__(self, *, database: Database, clock: Clock, deliver: Callable[[Sequence[Outgoing]], None]) -> None:
        self._database = database
        self._clock = clock
        self._deliver = deliver

    async def step(self) -> bool:
        """Ends some; answers whether there may be more to do."""
        now = self._clock.now()
        async with self._database.begin() as session:
            rows = await session.execute(
                text(
                    "SELECT e.id FROM journey j JOIN enrolment e ON e.journey = j.key WHERE j.state = 'archived' "
                    "AND e.state <> 'ended' AND e.state = 'running' LIMIT :limit FOR UPDATE OF e SKIP LOCKED"
                ),
                {"limit": _BATCH},
            )
            ids = [row[0] for row in rows.all()]
            written = (await stop(session, ids, "archived", now))[1] if ids else []
        self._deliver(written)
        if not ids:
            await self._archive_empty()
        return len(ids) == _BATCH

    async def _archive_empty(self) -> None:
        async with self._database.begin() as session:
            rows = await session.execute(
                text(
                    "SELECT key FROM journey j WHERE state = 'draining' AND NOT EXISTS (SELECT 1 FROM enrolment e "
                    "WHERE e.journey = j.key AND e.state <> 'ended') FOR UPDATE SKIP LOCKED"
                )
            )
            for (key,) in rows.all():
                if (await state_view(session, key)).under_way:  # entered while we waited for nobody
                    continue
                await enter_state(session, key, "archived", self._clock)
                await note(session, at=self._clock.now(), who="reis", action="archive", journey=key, detail={"from": "draining"})


async def locked(session: AsyncSession, key: str) -> State:
    """The state of a journey, which nobody changes, and which nobody enters, until the transaction ends. Raises `NotFound`."""
    row = (await session.execute(text("SELECT state FROM journey WHERE key = :key FOR UPDATE"), {"key": key})).first()
    if row is None:
        raise NotFound("journey", key)
    state: State = row[0]
    return state


async def enter_state(session: AsyncSession, key: str, state: State, clock: Clock) -> None:
    """Writes the new state."""
    await session.execute(
        text(
            "UPDATE journey SET state = :state, state_since = :now, "
            "paused_at = CASE WHEN :paused THEN CAST(:now AS timestamptz) ELSE paused_at END WHERE key = :key"
        ),
        {"key": key, "state": state, "now": clock.now(), "paused": state == "paused"},
    )


async def state_view(session: AsyncSession, key: str) -> StateView:
    """Raises `NotFound`."""
    row = (await session.execute(_VIEW, {"key": key})).mappings().first()
    if row is None:
        raise NotFound("journey", key)
    return StateView(**row)


def _not_from(key: str, state: State, change: Change) -> str:
    possible = [_ALWAYS, *(each for each, sources in _FROM.items() if state in sources)]
    return f"{key!r} is {state}, so it cannot {change}; it can {', '.join(possible)}"
