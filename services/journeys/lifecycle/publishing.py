"""What publishing writes: the version, and which version new people enter from now on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.errors import Conflict
from journeys import Journey, parse_journey
from journeys.model import EntryBySchedule, Schedule

_STORE = text(
    "INSERT INTO version (hash, key, number, definition, published_at, published_by) "
    "SELECT CAST(:hash AS text), CAST(:key AS text), coalesce(max(number), 0) + 1, "
    "CAST(:definition AS jsonb), CAST(:now AS timestamptz), CAST(:by AS text) "
    "FROM version WHERE key = :key RETURNING number, published_at"
)
_PUBLISH = text(
    "INSERT INTO journey (key, current, created_at, state, state_since) VALUES (:key, :hash, :now, 'published', :now) "
    "ON CONFLICT (key) DO UPDATE SET current = excluded.current, canary = NULL, canary_share = NULL, "
    "state = CASE WHEN journey.state = 'paused' THEN 'paused' ELSE 'published' END, "
    "state_since = CASE WHEN journey.state IN ('paused', 'published') THEN journey.state_since ELSE excluded.state_since END"
)
_BEFORE = text(
    "SELECT j.state, j.current, v.definition FROM journey j LEFT JOIN version v ON v.hash = j.current "
    "WHERE j.key = :key FOR UPDATE OF j"
)
_FOLLOW_FROM = text(
    "INSERT INTO schedule (journey, checked_to) VALUES (:key, :now) "
    "ON CONFLICT (journey) DO UPDATE SET checked_to = greatest(schedule.checked_to, excluded.checked_to)"
)
_PASS_OVER = text(
    "UPDATE schedule SET passed_over = passed_over || jsonb_build_object('version', CAST(:version AS text), 'after', checked_to, "
    "'to', CAST(:now AS timestamptz)) WHERE journey = :key AND checked_to < CAST(:now AS timestamptz)"
)


async def store(
    session: AsyncSession, key: str, version: str, definition: dict[str, Any], by: str, now: datetime
) -> tuple[int, datetime]:
    """Keeps a version; answers its number and when it was published first."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"publish:{key}"})
    known = (
        await session.execute(text("SELECT number, published_at FROM version WHERE hash = :hash"), {"hash": version})
    ).first()
    if known is None:
        values = {"hash": version, "key": key, "definition": orjson.dumps(definition).decode(), "now": now, "by": by}
        known = (await session.execute(_STORE, values)).one()
    return int(known[0]), known[1]


async def take_effect(session: AsyncSession, journey: Journey, version: str, now: datetime, canary: int | None) -> None:
    """Makes a version the current one, or the canary of so many percent. Raises `Conflict`."""
    row = (await session.execute(_BEFORE, {"key": journey.key})).first()
    if canary is None:
        await _schedule(session, journey, row, now)
        await session.execute(_PUBLISH, {"key": journey.key, "hash": version, "now": now})
        return
    if row is None or row.current is None or row.state not in {"published", "paused"}:
        raise Conflict(f"nobody enters {journey.key!r} now, so no share of them can: publish without a canary")
    if row.current == version:
        raise Conflict(f"{journey.key!r} has this version already: a canary is another one")
    if parse_journey(row.definition).entry != journey.entry:
        raise Conflict("a canary is entered as the current version is: write the same 'entry', or publish for everybody")
    await session.execute(
        text("UPDATE journey SET canary = :hash, canary_share = :share WHERE key = :key"),
        {"key": journey.key, "hash": version, "share": canary},
    )


async def _schedule(session: AsyncSession, journey: Journey, before: Any, now: datetime) -> None:
    """Another schedule than that of the version before counts from now on; what that one has yet to bring is passed over.

    The same one goes on where it is, so that a version which mends something else loses no occurrence.
    """
    schedule = _schedule_of(journey)
    counted = before is not None and before.definition is not None and before.state in ("published", "paused")
    was = _schedule_of(parse_journey(before.definition)) if counted else None
    if schedule == was:
        return
    if was is not None:
        await session.execute(_PASS_OVER, {"key": journey.key, "version": before.current, "now": now})
    await session.execute(_FOLLOW_FROM, {"key": journey.key, "now": now})


def _schedule_of(journey: Journey) -> tuple[Schedule, str] | None:
    """When people enter, and which; None of a journey that they enter otherwise."""
    entry = journey.entry
    return (entry.schedule, entry.segment) if isinstance(entry, EntryBySchedule) else None


async def end_canary(session: AsyncSession, key: str, *, promote: bool) -> str:
    """Ends the canary: it becomes the version for everybody, or for nobody new. Answers its hash. Raises `Conflict`."""
    row = (await session.execute(text("SELECT canary FROM journey WHERE key = :key FOR UPDATE"), {"key": key})).first()
    if row is None or row.canary is None:
        raise Conflict(f'{key!r} has no canary: publish one with {{"canary": percent}}')
    await session.execute(
        text(
            "UPDATE journey SET current = CASE WHEN :promote THEN canary ELSE current END, canary = NULL, canary_share = NULL "
            "WHERE key = :key"
        ),
        {"key": key, "promote": promote},
    )
    return str(row.canary)
