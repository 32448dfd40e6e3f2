"""Entering a journey: who may, under which number, with which listeners; refusals are kept with their reason.

All ways in lead here: events, segments, the API, other journeys, cohorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from conditions.model import TraitIs
from infra.errors import Conflict
from journeys import identity
from journeys.model import OnSegmentEntered, OnSegmentLeft
from services.journeys.entry import candidates, caps
from services.journeys.entry.admission import Entrant, Past, Refused, entry_key, needs_asking, refusal, refusal_of_key
from services.journeys.entry.caps import Place
from services.journeys.entry.doors import Door
from services.journeys.merging import hold, survivors
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.awaiting import Parent
from services.journeys.steps.awaiting import refused as unheard
from services.journeys.steps.results import answer
from services.journeys.waits import watches
from services.journeys.waits.listeners import Listener, for_enrolment, register
from services.journeys.waits.looking_back import SEGMENTS_ONLY, STANDING_ONLY

__all__ = ["Entered", "Entrant", "Refused", "enrolment_id", "enter"]

_TRIES = 20


@dataclass(slots=True)
class Entered:
    """What entering wrote: listeners that are now in force, what to tell Temporal, and who did not enter.

    `asked` are those about whom another service is asked first: they enter, or not, a moment later. `watched` says whether there
    are exit conditions to look at now.
    """

    enrolments: list[UUID] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    asked: list[Entrant] = field(default_factory=list)
    watched: bool = False


@dataclass(frozen=True, slots=True)
class _Admitted:
    entrant: Entrant
    key: str
    number: int
    place: Place

    @property
    def id(self) -> UUID:
        return enrolment_id(self.entrant.journey.key, self.entrant.profile_id, self.key, self.number)

    @property
    def carried(self) -> bool:
        """Taken through its first steps by its cohort."""
        return self.entrant.cohort_id is not None and self.place.start_at is None


def enrolment_id(journey: str, profile_id: UUID, key: str, number: int) -> UUID:
    """The id that makes entering twice impossible: the same four give the same one."""
    return UUID(identity.enrolment_id(journey, profile_id, key, number))


async def enter(session: AsyncSession, entrants: Sequence[Entrant], now: datetime) -> Entered:
    """Enrols those who may enter, in order; everything is written in the caller's transaction. `now` is our clock's.

    Where another transaction enrolled the same person meanwhile, the rules are held against that. Whoever was merged into
    another since they were asked about enters as who they are now.
    """
    if not entrants:
        return Entered()
    await hold(session)
    now_are = await survivors(session, [each.profile_id for each in entrants])
    entrants = [replace(each, profile_id=now_are.get(each.profile_id, each.profile_id)) for each in entrants]
    doors = await Door.of(session, [each.journey.key for each in entrants])
    entrants = [each if each.version_chosen else _of_version(each, doors) for each in entrants]
    entered = Entered(asked=[each for each in entrants if each.asked is None and needs_asking(each)])
    await candidates.add(session, entered.asked)
    left = [each for each in entrants if each.asked is not None or not needs_asking(each)]
    for _ in range(_TRIES):
        if not left:
            return entered
        left = await _enter(session, left, doors, now, entered)
    if left:
        raise Conflict(f"{len(left)} people were enrolled by others at every try")
    return entered


async def _enter(
    session: AsyncSession, entrants: Sequence[Entrant], doors: dict[str, Door], now: datetime, entered: Entered
) -> list[Entrant]:
    """One try; answers those that another transaction was faster with."""
    free = await caps.open_for(session, [each.journey for each in entrants], now)
    keyed = [(entrant, entry_key(entrant)) for entrant in entrants]
    past = await _past(
        session, [(entrant, key) for entrant, key in keyed if key is not None and not refusal_of_key(entrant, key)]
    )
    admitted: list[_Admitted] = []
    refused: list[Refused] = []
    for entrant, key in keyed:
        door = doors.get(entrant.journey.key, Door())
        known = past.setdefault((entrant.journey.key, entrant.profile_id, key or ""), Past())
        if entrant.event_id in known.entries:
            continue
        no = refusal_of_key(entrant, key) or _closed(entrant, door) or refusal(entrant, known) or free.refusal(entrant)
        if no is not None:
            refused.append(no)
            continue
        known.number += 1
        known.running = True
        known.entries.add(entrant.event_id)
        known.entered_at = entrant.at
        place = free.place(entrant.journey)
        place = replace(place, start_at=door.held_until(now, place.start_at))
        admitted.append(_Admitted(entrant, key or "", known.number, place))
    await _refuse(session, refused)
    entered.refused += refused
    entered.outgoing += await answer(session, unheard([(each.entrant.entry, each.reason) for each in refused], now))
    written = await _write(session, admitted)
    await _enrol(session, [each for each in admitted if each.id in written], entered, now)
    return [each.entrant for each in admitted if each.id not in written]


def _of_version(entrant: Entrant, doors: dict[str, Door]) -> Entrant:
    """In the canary version, if that is theirs."""
    canary = doors.get(entrant.journey.key, Door()).version_for(entrant.profile_id, entrant.version)
    return entrant if canary is None else replace(entrant, version=canary[0], journey=canary[1])


def _closed(entrant: Entrant, door: Door) -> Refused | None:
    return None if door.closed is None else Refused(entrant, door.closed)


async def _past(session: AsyncSession, keyed: Sequence[tuple[Entrant, str]]) -> dict[tuple[str, UUID, str], Past]:
    if not keyed:
        return {}
    rows = await session.execute(
        text(
            "SELECT e.journey, e.profile_id, e.entry_key, max(e.number) AS number, bool_or(e.state = 'running') AS running, "
            "array_agg(e.entry->>'id') AS entries, max(e.entered_at) AS entered_at, max(e.ended_at) AS ended_at "
            "FROM enrolment e JOIN (SELECT DISTINCT * FROM unnest(CAST(:journeys AS text[]), "
            "CAST(:profiles AS uuid[]), CAST(:keys AS text[])) AS u(journey, profile_id, entry_key)) k "
            "USING (journey, profile_id, entry_key) GROUP BY 1, 2, 3"
        ),
        {
            "journeys": [entrant.journey.key for entrant, _ in keyed],
            "profiles": [entrant.profile_id for entrant, _ in keyed],
            "keys": [key for _, key in keyed],
        },
    )
    return {
        (row.journey, row.profile_id, row.entry_key): Past(
            row.number, row.running, set(row.entries), row.entered_at, row.ended_at
        )
        for row in rows.all()
    }


async def _write(session: AsyncSession, admitted: Sequence[_Admitted]) -> set[UUID]:
    """Inserts the rows; answers those that were not there already."""
    if not admitted:
        return set()
    parents = [Parent.of(each.entrant.entry) for each in admitted]
    rows = await session.execute(
        text(
            "INSERT INTO enrolment (id, journey, version, profile_id, entry_key, number, entry, position, entered_at, start_at, "
            "begins_at, cohort_id, carried, asked, parent_id, parent_step, parent_visit, state) "
            "SELECT *, 'running' FROM unnest(CAST(:ids AS uuid[]), CAST(:journeys AS text[]), CAST(:versions AS text[]), "
            "CAST(:profiles AS uuid[]), CAST(:keys AS text[]), CAST(:numbers AS int[]), CAST(:entries AS jsonb[]), "
            "CAST(:positions AS text[]), CAST(:ats AS timestamptz[]), CAST(:starts AS timestamptz[]), "
            "CAST(:places AS timestamptz[]), CAST(:cohorts AS uuid[]), CAST(:carried AS bool[]), CAST(:asked AS jsonb[]), "
            "CAST(:parents AS uuid[]), CAST(:parent_steps AS text[]), CAST(:parent_visits AS int[])) "
            "ON CONFLICT DO NOTHING RETURNING id"
        ),
        {
            "ids": [each.id for each in admitted],
            "journeys": [each.entrant.journey.key for each in admitted],
            "versions": [each.entrant.version for each in admitted],
            "profiles": [each.entrant.profile_id for each in admitted],
            "keys": [each.key for each in admitted],
            "numbers": [each.number for each in admitted],
            "entries": [orjson.dumps(each.entrant.entry).decode() for each in admitted],
            "positions": [each.entrant.position for each in admitted],
            "ats": [each.entrant.at for each in admitted],
            "starts": [each.place.start_at for each in admitted],
            "places": [each.place.begins_at for each in admitted],
            "cohorts": [each.entrant.cohort_id for each in admitted],
            "carried": [each.carried for each in admitted],
            "asked": [_seen(each.entrant) for each in admitted],
            "parents": [parent.enrolment_id if parent else None for parent in parents],
            "parent_steps": [parent.step if parent else None for parent in parents],
            "parent_visits": [parent.visit if parent else None for parent in parents],
        },
    )
    return {row[0] for row in rows.all()}


def _seen(entrant: Entrant) -> str | None:
    return orjson.dumps(entrant.asked.seen).decode() if entrant.asked is not None and entrant.asked.seen else None


async def _enrol(session: AsyncSession, admitted: Sequence[_Admitted], entered: Entered, now: datetime) -> None:
    """Registers listeners, and starts the workflows of those whom nothing holds."""
    listeners: list[Listener] = []
    for each in admitted:
        entrant = each.entrant
        listeners += for_enrolment(entrant.journey, each.id, entrant.profile_id, entrant.context, entrant.at, entrant.zone)
    await register(session, listeners)
    watched = [
        watch
        for each in admitted
        for watch in watches.for_enrolment(each.entrant.journey, each.id, each.entrant.profile_id, each.entrant.entry, now)
    ]
    await watches.register(session, watched)
    entered.watched |= bool(watched)
    entered.enrolments += [each.id for each in admitted]
    entered.listeners += listeners
    ruled = {watch.enrolment_id for watch in watched}
    told = [row for each in admitted if (row := _told(each, exits=each.id in ruled)) is not None]
    entered.outgoing += await write(session, told)


def _told(admitted: _Admitted, *, exits: bool) -> Outgoing | None:
    """Starts the workflow; somebody who is held is only looked back for, and somebody carried by their cohort.

    `exits` says whether exit rules are to be looked at before the first step.
    """
    entrant = admitted.entrant
    look_back: bool | str = entrant.look_back and bool(entrant.journey.exit_when or entrant.journey.goal)
    rules = entrant.journey.exit_when
    if not look_back and any(isinstance(rule, TraitIs | OnSegmentEntered | OnSegmentLeft) for rule in rules):
        # Traits may be so already; another feed tells of segments, perhaps before this one told of the entry.
        look_back = STANDING_ONLY if any(isinstance(rule, TraitIs) for rule in rules) else SEGMENTS_ONLY
    if admitted.carried:
        return None
    if admitted.place.start_at is None:
        payload = {"version": entrant.version, "look_back": look_back, "exits": exits}
        return Outgoing(admitted.id, entrant.journey.key, "start", payload, str(admitted.id))
    payload = {"look_back": look_back}
    return Outgoing(admitted.id, entrant.journey.key, "look_back", payload, f"{admitted.id}:look_back") if look_back else None


async def _refuse(session: AsyncSession, refused: Sequence[Refused]) -> None:
    if not refused:
        return
    await session.execute(
        text(
            "INSERT INTO refusal (journey, event_id, profile_id, reason, at, seen) SELECT * FROM unnest(CAST(:journeys AS "
            "text[]), CAST(:events AS text[]), CAST(:profiles AS uuid[]), CAST(:reasons AS text[]), CAST(:ats AS timestamptz[]), "
            "CAST(:seens AS jsonb[])) ON CONFLICT DO NOTHING"
        ),
        {
            "journeys": [each.entrant.journey.key for each in refused],
            "events": [each.entrant.event_id for each in refused],
            "profiles": [each.entrant.profile_id for each in refused],
            "reasons": [each.reason for each in refused],
            "ats": [each.entrant.at for each in refused],
            "seens": [orjson.dumps(each.seen).decode() for each in refused],
        },
    )
