"""The watcher: looks at conditions and dates when something they mention has changed, or when time alone may have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from pydantic import JsonValue
from sqlalchemy import text

from conditions import parse_condition, references
from infra.clock import Clock
from infra.db import Database, is_outage
from infra.errors import CallFailed
from journeys.model import WaitFor
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.waits.due import Due, claim
from services.journeys.waits.following import Followed, Follower, Retimed, retime
from services.journeys.waits.rendezvous import Answer, Key, Looked, Rendezvous, met_by, settle
from services.journeys.waits.watches import bound_to, mentioned
from services.journeys.world import World

log = structlog.get_logger(__name__)

_LATER = timedelta(seconds=2)  # when nobody answered (real time)
_LONGEST_SLEEP = 2.0  # real seconds: rows that another process wrote are seen after this at the latest
_PRUNED_EVERY = 60.0  # real seconds
# A goal's event that comes late, with its own timestamp, counts for this long behind the term (our clock).
_GOAL_GRACE = timedelta(days=1)


class Watcher:
    """Sleeps until the earliest look. Rows are leased: several processes share the work, and one that dies loses none."""

    def __init__(
        self,
        *,
        database: Database,
        versions: Versions,
        world: World,
        clock: Clock,
        workspace_zone: str,
        deliver: Callable[[Sequence[Outgoing]], None],
    ) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._clock = clock
        self._deliver = deliver
        self._rendezvous = Rendezvous(database=database, world=world, clock=clock)
        self._follower = Follower(world=world, clock=clock, workspace_zone=workspace_zone)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """To be called when something was stirred or registered."""
        self._woken.set()

    async def run(self) -> None:
        """Looks until cancelled."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            self._woken.clear()
            try:
                while await self.step():
                    pass
                if loop.time() >= prune_at:
                    prune_at = loop.time() + _PRUNED_EVERY
                    await self.prune()
                seconds = await self._seconds_to_next()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next round tries again
                log.warning("watcher.failed", why=f"{type(error).__name__}: {error}".splitlines()[0])
                seconds = _LONGEST_SLEEP
            try:
                await asyncio.wait_for(self._woken.wait(), seconds)
            except TimeoutError:
                continue

    async def step(self) -> int:
        """Looks at a batch of those that are due; returns how many. Those that nobody answered for come again later."""
        async with self._database.begin() as session:
            due = await claim(session, self._clock.now())
        if not due:
            return 0
        position = await self._rendezvous.position()
        dates = [each for each in due if each.watch.kind == "date"]
        exits = [each for each in due if each.watch.kind == "exit"]
        waits: dict[Key, list[Due]] = {}
        for each in due:
            if each.watch.kind == "wait":
                waits.setdefault(each.watch.key, []).append(each)
        groups = [[each] for each in dates + exits] + list(waits.values())
        found = await asyncio.gather(
            *(self._date(each, position) for each in dates),
            *(self._exit(each, position) for each in exits),
            *(self._wait(key, group, position) for key, group in waits.items()),
            return_exceptions=True,
        )
        come_to = [(one, group) for group, one in zip(groups, found, strict=True) if isinstance(one, Looked | Retimed)]
        failed = [each.watch.id for group, one in zip(groups, found, strict=True) if _failed(group, one) for each in group]
        try:
            told, unwritten = await self._settle(come_to)
            failed += unwritten
        except BaseException:
            failed = [each.watch.id for each in due]
            raise
        finally:
            await self._put_off(failed)
        self._deliver(told)
        return len(due)

    async def _settle(self, come_to: Sequence[tuple[Looked | Retimed, Sequence[Due]]]) -> tuple[list[Outgoing], list[int]]:
        """All at once; where that fails one by one, so that none waits for another's fault. Answers also the ids that failed."""
        try:
            return await self._write([one for one, _ in come_to]), []
        except Exception as error:
            if is_outage(error):
                raise
        told: list[Outgoing] = []
        failed: list[int] = []
        for one, dues in come_to:
            try:
                told += await self._write([one])
            except Exception as error:
                if is_outage(error):
                    raise
                watch = dues[0].watch  # of the error no more than its kind: a database's names the values
                log.error("watch.not_written", enrolment=str(watch.enrolment_id), step=watch.step, why=type(error).__name__)  # noqa: TRY400
                failed += [due.watch.id for due in dues]
        return told, failed

    async def _write(self, come_to: Sequence[Looked | Retimed]) -> list[Outgoing]:
        retimed = [one for one in come_to if isinstance(one, Retimed)]
        looked = [Looked(answers=[one.answer]) if isinstance(one, Retimed) else one for one in come_to]
        async with self._database.begin() as session:
            told, _ = await settle(session, looked, signal=True)
            return told + await retime(session, retimed, self._clock.now())

    async def prune(self) -> None:
        """Goals whose term is over are listened for no more."""
        async with self._database.begin() as session:
            await session.execute(
                text("DELETE FROM listener WHERE kind = 'goal' AND until < :over"), {"over": self._clock.now() - _GOAL_GRACE}
            )

    async def _put_off(self, ids: Sequence[int]) -> None:
        """Those that nobody answered for, or whose answer could not be written, come again soon."""
        if ids:
            log.warning("watcher.later", watches=len(ids))
            async with self._database.begin() as session:
                await session.execute(
                    text("UPDATE watch SET leased_until = now() + CAST(:later AS interval) WHERE id = ANY(:ids)"),
                    {"later": _LATER, "ids": list(ids)},
                )

    async def _date(self, due: Due, position: str | None) -> Retimed | Looked:
        if due.decision is None:
            return Looked(answers=[Answer(due.watch, None)])
        journey = await self._versions.journey(due.version)
        return await self._follower.look(Followed(due.watch, journey, due.decision), position)

    async def _exit(self, due: Due, position: str | None) -> Looked:
        """An exit rule's condition; what it refers to is bound at the first look, and kept."""
        watch = due.watch
        assert watch.condition is not None
        condition, kept = parse_condition(watch.condition), None
        if refs := references(condition).refs:
            condition = bound_to(condition, await self._context(due, refs, position))
            kept = condition.model_dump(mode="json")
        answer = await self._rendezvous.ask(replace(watch, condition=kept or watch.condition), position)
        settled = Answer(watch, self._rendezvous.again(answer.next_change), kept, mentioned(condition))
        return Looked(met_by(watch, answer, due.at) if answer.matches else None, [settled], [watch.id])

    async def _wait(self, key: Key, due: Sequence[Due], position: str | None) -> Looked:
        """The conditions of one wait, and what else may have happened to it, in the order of its paths."""
        journey = await self._versions.journey(due[0].version)
        step = journey.index.steps.get(key[1])
        if not isinstance(step, WaitFor):
            return Looked(answers=[Answer(each.watch, None) for each in due])
        async with self._database.read() as session:
            waits = await self._rendezvous.open_waits(session, {key: step})
        if not waits:
            return Looked()
        return await self._rendezvous.look(waits[0], position, min(each.at for each in due))

    async def _context(self, due: Due, refs: frozenset[str], position: str | None) -> dict[str, JsonValue]:
        profile = await self._world.profile(due.watch.profile_id)
        computed: dict[str, JsonValue] = {}
        if any(ref.startswith("profile.computed") for ref in refs):
            computed = await self._world.computed(due.watch.profile_id, position)
        traits = profile.traits if profile else {}
        return {"entry": due.entry, "profile": {"id": str(due.watch.profile_id), "traits": traits, "computed": computed}}

    async def _seconds_to_next(self) -> float:
        async with self._database.read() as session:
            found = await session.execute(
                text(
                    "SELECT min(look_at) FROM watch WHERE look_at IS NOT NULL AND (leased_until IS NULL OR leased_until <= now())"
                )
            )
            first: datetime | None = found.scalar()
        if first is None:
            return _LONGEST_SLEEP
        seconds = (self._clock.to_real(first) - self._clock.real_now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_SLEEP)


def _failed(due: Sequence[Due], found: object) -> bool:
    """Whether a look came to nothing. What is nobody's outage is told; a cancellation is passed on."""
    if not isinstance(found, BaseException):
        return False
    if not isinstance(found, Exception):
        raise found
    if not isinstance(found, CallFailed):
        log.error("watch.failed", enrolment=str(due[0].watch.enrolment_id), step=due[0].watch.step, exc_info=found)
    return True
