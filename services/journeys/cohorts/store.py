"""Cohorts as rows: many people who enter a journey together, made once, paused, resumed and cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.errors import Conflict, NotFound

State = Literal["running", "paused", "cancelled", "done", "missed"]

_COLUMNS = (
    "id, journey, version, occasion, segment, zone, at, state, after, per_hour, taken, entered, refused, created_at, created_by, "
    "ended_at, next_at"
)
_CREATE = text(
    "INSERT INTO cohort (id, journey, version, occasion, segment, zone, at, state, per_hour, taken, entered, refused, "
    "created_at, created_by, ended_at) VALUES (:id, :journey, :version, :occasion, :segment, :zone, :at, :state, :per_hour, "
    "0, 0, 0, :now, :by, :ended_at) ON CONFLICT (journey, occasion) DO NOTHING RETURNING id"
)
_ONE = text(f"SELECT {_COLUMNS} FROM cohort WHERE id = :id")  # constants only
_LOCKED = text(f"SELECT {_COLUMNS} FROM cohort WHERE id = :id FOR UPDATE")
_NAMED = text(f"SELECT {_COLUMNS} FROM cohort WHERE journey = :journey AND occasion = :occasion")
_OF_JOURNEY = text(f"SELECT {_COLUMNS} FROM cohort WHERE journey = :journey ORDER BY created_at DESC, id LIMIT :limit")
_RUNNING = text(
    "SELECT c.id FROM cohort c JOIN journey j ON j.key = c.journey WHERE (c.state = 'running' AND j.state <> 'paused' "
    "AND (c.next_at IS NULL OR c.next_at <= :soon)) "
    # Whom it carries it takes to their first wait, whatever has become of it.
    "OR c.id IN (SELECT cohort_id FROM enrolment WHERE carried AND state <> 'ended') ORDER BY c.created_at"
)
_TAKEN = text(
    "UPDATE cohort SET after = :after, taken = taken + :taken, entered = entered + :entered, refused = refused + :refused, "
    "next_at = :next_at WHERE id = :id"
)
_MOVE = text("UPDATE cohort SET state = :to, ended_at = :ended_at WHERE id = :id AND state = ANY(:of) RETURNING id")


class Cohort(BaseModel):
    """`zone`: only people of this time zone. `next_at`: when the pace allows the next ones. `taken` counts members looked at."""

    id: UUID
    journey: str
    version: str
    occasion: str
    segment: str | None
    zone: str | None
    at: datetime
    state: State
    after: str | None
    per_hour: int | None
    taken: int
    entered: int
    refused: int
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    next_at: datetime | None


async def create(
    session: AsyncSession,
    *,
    journey: str,
    version: str,
    occasion: str,
    segment: str,
    zone: str | None,
    at: datetime,
    per_hour: int | None,
    by: str,
    now: datetime,
    state: State = "running",
) -> bool:
    """Makes the cohort of an occasion, unless it has one; whether it is new."""
    values = {
        "id": uuid4(),
        "journey": journey,
        "version": version,
        "occasion": occasion,
        "segment": segment,
        "zone": zone,
        "at": at,
        "per_hour": per_hour,
        "by": by,
        "now": now,
        "state": state,
        "ended_at": now if state == "missed" else None,
    }
    return (await session.execute(_CREATE, values)).first() is not None


async def load(session: AsyncSession, cohort_id: UUID, *, locked: bool = False) -> Cohort:
    """Raises `NotFound`."""
    row = (await session.execute(_LOCKED if locked else _ONE, {"id": cohort_id})).mappings().first()
    if row is None:
        raise NotFound("cohort", cohort_id)
    return Cohort(**row)


async def named(session: AsyncSession, journey: str, occasion: str) -> Cohort:
    """The cohort of an occasion."""
    row = (await session.execute(_NAMED, {"journey": journey, "occasion": occasion})).mappings().one()
    return Cohort(**row)


async def of_journey(session: AsyncSession, journey: str, limit: int) -> list[Cohort]:
    """The newest first."""
    rows = (await session.execute(_OF_JOURNEY, {"journey": journey, "limit": limit})).mappings().all()
    return [Cohort(**row) for row in rows]


async def running(session: AsyncSession, now: datetime) -> list[UUID]:
    """Those that have something to do, soon at the latest."""
    return [row[0] for row in (await session.execute(_RUNNING, {"soon": now + timedelta(minutes=1)})).all()]


async def taken(
    session: AsyncSession, cohort_id: UUID, *, after: UUID, taken: int, entered: int, refused: int, next_at: datetime | None
) -> None:
    """Moves the cohort behind the members it has taken; in the transaction that enrols them."""
    values = {"id": cohort_id, "after": str(after), "taken": taken, "entered": entered, "refused": refused, "next_at": next_at}
    await session.execute(_TAKEN, values)


_FROM: dict[State, tuple[State, ...]] = {
    "paused": ("running",),
    "running": ("paused",),
    "cancelled": ("running", "paused"),
    "done": ("running",),
    "missed": (),
}


async def move(session: AsyncSession, cohort_id: UUID, to: State, now: datetime) -> None:
    """Brings a cohort into another state; the state it is in already is fine. Raises `NotFound`, `Conflict`."""
    values = {"id": cohort_id, "to": to, "of": list(_FROM[to]), "ended_at": now if to in ("done", "cancelled") else None}
    if (await session.execute(_MOVE, values)).first() is not None:
        return
    cohort = await load(session, cohort_id)
    if cohort.state != to:
        raise Conflict(f"the cohort is {cohort.state}: it cannot become {to}")
