"""One enrolment moved, ended or restarted by a person; who did it and why is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import BadInput, Conflict, Flaw, NotFound
from services.journeys.entry.admission import Asked, Entrant, fixed_refs
from services.journeys.entry.doors import in_canary
from services.journeys.entry.entering import enter
from services.journeys.lifecycle.auditing import note
from services.journeys.lifecycle.versions import Versions
from services.journeys.merging import hold
from services.journeys.moves.destinations import Wish
from services.journeys.moves.wishes import want
from services.journeys.outgoing import Outgoing
from services.journeys.stopping import stop
from services.journeys.waits.clocks import lives_in
from services.journeys.waits.criteria import computed_for
from services.journeys.world import World

_ENROLMENT = text(
    "SELECT e.id, e.journey, e.version, e.profile_id, e.entry_key, e.number, e.entry, e.position, e.state, e.moving, e.carried, "
    "j.current, j.canary, j.canary_share, "
    "(SELECT count(*) FROM enrolment o WHERE o.journey = e.journey AND o.profile_id = e.profile_id "
    "AND o.entry_key = e.entry_key AND o.number > e.number AND o.state = 'running') AS later "
    "FROM enrolment e JOIN journey j ON j.key = e.journey WHERE e.id = :id FOR UPDATE OF e"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it; a restart answers the new enrolment."""

    enrolment_id: UUID
    state: Literal["moving", "ending", "entered"]


class ByHand:
    """What a person may do with one enrolment. Raises `NotFound`, `Conflict` and `BadInput`."""

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
        self._zone = workspace_zone
        self._world = world
        self._clock = clock
        self._deliver = deliver

    async def move(self, enrolment_id: UUID, step: str, *, who: str, why: str) -> Done:
        """To a step of its version; what it waits for is over, what was sent stays sent. It goes when its workflow asks next."""
        async with self._database.begin() as session:
            row = await _running(session, enrolment_id)
            if row.moving is not None or row.carried:
                raise Conflict(_on_its_way(row))
            steps = (await self._versions.journey(row.version, session)).index.steps
            if step not in steps:
                remedy = f"use one of {', '.join(steps)}"
                raise BadInput([Flaw(path="$.step", message=f"its version has no step {step!r}", remedy=remedy)], "the move")
            written = await want(session, {enrolment_id: Wish(to=row.version, step=step, who=who, why=why)})
            await self._note(session, row, "ask to move", who, {"step": step, "why": why})
        self._deliver(written)
        return Done(enrolment_id, "moving")

    async def end(self, enrolment_id: UUID, reason: str, *, who: str) -> Done:
        """Ends it; what it has not sent yet is taken back."""
        async with self._database.begin() as session:
            row = await _running(session, enrolment_id)
            _, written = await stop(session, [enrolment_id], f"ended: {reason}", self._clock.now())
            await self._note(session, row, "end", who, {"why": reason})
        self._deliver(written)
        return Done(enrolment_id, "ending")

    async def restart(self, enrolment_id: UUID, *, version: Literal["same", "current"], who: str, why: str) -> Done:
        """Ends it, if it runs, and enters the person anew with the same entry and key, whatever the rule of re-entry says."""
        async with self._database.read() as session:
            found = await _row(session, enrolment_id)
        profile = await self._world.profile(found.profile_id)
        if profile is None:
            raise NotFound("profile", found.profile_id)
        chosen = found.version if version == "same" else _for_new_people(found)
        journey = await self._versions.journey(chosen)
        computed = await computed_for(self._world, fixed_refs(journey), profile.id, found.position)
        free = journey.model_copy(update={"entry": journey.entry.model_copy(update={"reentry": "always"})})
        now = self._clock.now()
        async with self._database.begin() as session:
            await hold(session)
            row = await _row(session, enrolment_id)
            if row.later:
                raise Conflict(f"the person is under way again since {enrolment_id}: restart that enrolment")
            # Who awaits this enrolment awaits the new one, which names them in its entry.
            await session.execute(
                text("UPDATE enrolment SET parent_id = NULL WHERE id = :id AND state <> 'ended'"), {"id": enrolment_id}
            )
            _, written = await stop(session, [enrolment_id], "restarted", now)
            entry = row.entry | {"id": f"{row.entry['id']}:restart:{row.number}"}
            zone, _ = lives_in(profile.traits, journey, self._zone)
            asked = Asked(matches=True, seen={"restart of": str(enrolment_id)}, zone=zone.key)
            entrant = Entrant(
                free,
                chosen,
                profile.id,
                entry,
                now,
                profile.traits,
                position=row.position,
                key=row.entry_key,
                asked=asked,
                computed=computed,
                version_chosen=True,
            )
            entered = await enter(session, [entrant], now)
            if not entered.enrolments:
                reasons = [each.reason for each in entered.refused]
                raise Conflict(f"{enrolment_id} cannot be restarted: {reasons[0] if reasons else 'it was restarted before'}")
            (anew,) = entered.enrolments
            await self._note(session, row, "restart", who, {"why": why, "as": str(anew), "version": chosen})
            told = {"why": why, "of": str(enrolment_id), "version": chosen}
            await note(session, at=now, who=who, action="restart", journey=row.journey, enrolments=[anew], detail=told)
        self._deliver([*written, *entered.outgoing])
        return Done(anew, "entered")

    async def _note(self, session: AsyncSession, row: Any, action: str, who: str, detail: dict[str, Any]) -> None:
        now = self._clock.now()
        await note(session, at=now, who=who, action=action, journey=row.journey, enrolments=[row.id], detail=detail)


def _on_its_way(row: Any) -> str:
    migration = row.moving and row.moving.get("migration")
    remedy = f", or cancel the migration {migration}" if migration else ""
    return f"the enrolment {row.id} is on its way already: ask again when it has arrived{remedy}"


def _for_new_people(row: Any) -> str:
    """The version that the person would enter now: the canary, if there is one for them."""
    canary = row.canary is not None and in_canary(row.journey, row.profile_id, row.canary_share)
    return str(row.canary if canary else row.current)


async def _row(session: AsyncSession, enrolment_id: UUID) -> Any:
    row = (await session.execute(_ENROLMENT, {"id": enrolment_id})).first()
    if row is None:
        raise NotFound("enrolment", enrolment_id)
    return row


async def _running(session: AsyncSession, enrolment_id: UUID) -> Any:
    row = await _row(session, enrolment_id)
    if row.state != "running":
        raise Conflict(f"the enrolment {enrolment_id} is {row.state}: only one that runs can be changed; restart it instead")
    return row
