"""Entering a journey: who may, under which number, with which listeners; refusals are kept with their reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID, uuid5

import orjson
from pydantic import JsonValue
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import MISSING, Journey, resolve
from journeys.model import ReentryAfter
from services.journeys.facts import traits_context
from services.journeys.listeners import Listener, for_enrolment, register
from services.journeys.outgoing import Outgoing, write

LONGEST_KEY = 256
_NAMESPACE = UUID("6f6b1d0e-6c53-5d2e-9d3a-52f3b9a6d1c4")


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody who met a journey's entry trigger. `look_back`: criteria may have been met before they are registered."""

    journey: Journey
    version: str
    profile_id: UUID
    entry: dict[str, Any]
    at: datetime
    traits: dict[str, JsonValue]
    position: str | None = None
    look_back: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """What entering wrote: listeners that are now in force, and what to tell Temporal."""

    enrolments: list[UUID]
    listeners: list[Listener]
    outgoing: list[Outgoing]


@dataclass(slots=True)
class _Past:
    number: int
    running: bool
    entries: set[str]


def enrolment_id(journey: str, profile_id: UUID, key: str, number: int) -> UUID:
    """The id that makes entering twice impossible: the same four give the same one."""
    return uuid5(_NAMESPACE, f"{journey}\x1f{profile_id}\x1f{key}\x1f{number}")


def entry_key(entrant: Entrant) -> str | None:
    """What tells two runs of one person apart: `""` without an entry key, None where its value is missing."""
    if entrant.key is not None:
        return entrant.key
    ref = entrant.journey.entry.key
    if ref is None:
        return ""
    found = resolve(ref, traits_context(entrant.profile_id, entrant.entry, entrant.traits))
    return None if found is MISSING else str(found)


async def enter(session: AsyncSession, entrants: Sequence[Entrant]) -> Entered:
    """Enrols those who may enter, in order; everything is written in the caller's transaction."""
    keyed = [(entrant, entry_key(entrant)) for entrant in entrants]
    past = await _past(session, [(entrant, key) for entrant, key in keyed if key is not None and len(key) <= LONGEST_KEY])
    admitted: list[tuple[Entrant, str, int]] = []
    refused: list[tuple[Entrant, str]] = []
    for entrant, key in keyed:
        if key is None:
            refused.append((entrant, f"there is no {entrant.journey.entry.key}, the entry key"))
            continue
        if len(key) > LONGEST_KEY:
            refused.append((entrant, f"{entrant.journey.entry.key}, the entry key, is longer than {LONGEST_KEY} characters"))
            continue
        known = past.setdefault((entrant.journey.key, entrant.profile_id, key), _Past(0, running=False, entries=set()))
        if entrant.entry["id"] in known.entries:
            continue
        reason = _refusal(entrant.journey, known)
        if reason:
            refused.append((entrant, reason))
            continue
        known.number += 1
        known.running = True
        known.entries.add(entrant.entry["id"])
        admitted.append((entrant, key, known.number))
    await _refuse(session, refused)
    return await _enrol(session, admitted)


def _refusal(journey: Journey, known: _Past) -> str | None:
    match journey.entry.reentry:
        case "never":
            return "entered before, and re-entry is 'never'" if known.number else None
        case "when-finished":
            return "is still under way, and re-entry is 'when-finished'" if known.running else None
        case "always":
            return None
        case ReentryAfter():
            raise TypeError("not carried out yet, and therefore not published")
        case _:
            assert_never(journey.entry.reentry)


async def _past(session: AsyncSession, keyed: Sequence[tuple[Entrant, str]]) -> dict[tuple[str, UUID, str], _Past]:
    if not keyed:
        return {}
    rows = await session.execute(
        text(
            "SELECT e.journey, e.profile_id, e.entry_key, max(e.number) AS number, bool_or(e.state = 'running') AS running, "
            "array_agg(e.entry->>'id') AS entries FROM enrolment e JOIN (SELECT DISTINCT * FROM unnest(CAST(:journeys "
            "AS text[]), "
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
        (row.journey, row.profile_id, row.entry_key): _Past(row.number, running=row.running, entries=set(row.entries))
        for row in rows.all()
    }


async def _enrol(session: AsyncSession, admitted: Sequence[tuple[Entrant, str, int]]) -> Entered:
    if not admitted:
        return Entered([], [], [])
    ids = [enrolment_id(entrant.journey.key, entrant.profile_id, key, number) for entrant, key, number in admitted]
    await session.execute(
        text(
            "INSERT INTO enrolment (id, journey, version, profile_id, entry_key, number, entry, position, entered_at, state) "
            "SELECT *, 'running' FROM unnest(CAST(:ids AS uuid[]), CAST(:journeys AS text[]), CAST(:versions AS text[]), "
            "CAST(:profiles AS uuid[]), CAST(:keys AS text[]), CAST(:numbers AS int[]), CAST(:entries AS jsonb[]), "
            "CAST(:positions AS text[]), CAST(:ats AS timestamptz[]))"
        ),
        {
            "ids": ids,
            "journeys": [entrant.journey.key for entrant, _, _ in admitted],
            "versions": [entrant.version for entrant, _, _ in admitted],
            "profiles": [entrant.profile_id for entrant, _, _ in admitted],
            "keys": [key for _, key, _ in admitted],
            "numbers": [number for _, _, number in admitted],
            "entries": [orjson.dumps(entrant.entry).decode() for entrant, _, _ in admitted],
            "positions": [entrant.position for entrant, _, _ in admitted],
            "ats": [entrant.at for entrant, _, _ in admitted],
        },
    )
    listeners: list[Listener] = []
    for identifier, (entrant, _, _) in zip(ids, admitted, strict=True):
        context = traits_context(entrant.profile_id, entrant.entry, entrant.traits)
        listeners += for_enrolment(entrant.journey, identifier, entrant.profile_id, context, entrant.at)
    await register(session, listeners)
    starts = [
        Outgoing(
            identifier,
            entrant.journey.key,
            "start",
            {
                "version": entrant.version,
                "look_back": entrant.look_back and bool(entrant.journey.exit_when or entrant.journey.goal),
            },
            str(identifier),
        )
        for identifier, (entrant, _, _) in zip(ids, admitted, strict=True)
    ]
    return Entered(ids, listeners, await write(session, starts))


async def _refuse(session: AsyncSession, refused: Sequence[tuple[Entrant, str]]) -> None:
    if not refused:
        return
    await session.execute(
        text(
            "INSERT INTO refusal (journey, event_id, profile_id, reason, at) SELECT * FROM unnest(CAST(:journeys AS text[]), "
            "CAST(:events AS text[]), CAST(:profiles AS uuid[]), CAST(:reasons AS text[]), CAST(:ats AS timestamptz[])) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "journeys": [entrant.journey.key for entrant, _ in refused],
            "events": [entrant.entry["id"] for entrant, _ in refused],
            "profiles": [entrant.profile_id for entrant, _ in refused],
            "reasons": [reason for _, reason in refused],
            "ats": [entrant.at for entrant, _ in refused],
        },
    )
