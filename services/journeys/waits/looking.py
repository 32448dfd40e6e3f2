"""Looking at conditions and dates that are due: what it comes to is written, and told to those whom it concerns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

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
from services.journeys.waits.due import Due, exits_of
from services.journeys.waits.following import Followed, Follower, Retimed, retime
from services.journeys.waits.readiness import Key
from services.journeys.waits.rendezvous import Answer, Looked, Rendezvous, met_by, settle
from services.journeys.waits.watches import bound_to, mentioned
from services.journeys.world import World

log = structlog.get_logger(__name__)

_LATER = timedelta(seconds=2)  # when nobody answered (real time)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a batch of looks came to: the signals to deliver, and the watches that nobody answered for."""

    told: list[Outgoing]
    failed: list[int]


class Looker:
    """Looks at watches that are due. Whatever a look comes to is written once, however often it is made."""

    def __init__(self, *, database: Database, versions: Versions, world: World, clock: Clock, workspace_zone: str) -> None:
        self._database = database
        self._versions = versions
        self._world = world
        self._clock = clock
        self._rendezvous = Rendezvous(database=database, world=world, clock=clock)
        self._follower = Follower(world=world, clock=clock, workspace_zone=workspace_zone)

    async def exits(self, enrolments: Sequence[UUID]) -> list[list[Outgoing] | None]:
        """Looks at the exit rules of each that are due; answers what to deliver, None where nobody answered."""
        async with self._database.begin() as session:
            due = await exits_of(session, enrolments, self._clock.now())
        seen = await self.look(due) if due else Seen([], [])
        failed = {each.watch.enrolment_id for each in due if each.watch.id in seen.failed}
        told: dict[UUID, list[Outgoing]] = defaultdict(list)
        for row in seen.told:
            told[row.enrolment_id].append(row)
        return [None if each in failed else told[each] for each in enrolments]

    async def look(self, due: Sequence[Due]) -> Seen:
        """Looks and writes what that came to. Those that nobody answered for are put off."""
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
        return Seen(told, failed)

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
            settled = await settle(session, looked, signal=True)
            return settled.told + await retime(session, retimed, self._clock.now())

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


def _failed(due: Sequence[Due], found: object) -> bool:
    """Whether a look came to nothing. What is nobody's outage is told; a cancellation is passed on."""
    if not isinstance(found, BaseException):
        return False
    if not isinstance(found, Exception):
        raise found
    if not isinstance(found, CallFailed):
        log.error("watch.failed", enrolment=str(due[0].watch.enrolment_id), step=due[0].watch.step, exc_info=found)
    return True
