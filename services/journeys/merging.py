"""A merge of two profiles: enrolments move to the survivor, and where both are under way the older one wins."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import InterruptSignal
from services.journeys.enrolments import end_held
from services.journeys.event_ids import told_as
from services.journeys.outgoing import Outgoing, write

# Whoever writes enrolments shares it; whoever merges has it alone.
_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('merge', 0))")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('merge', 0))")


async def hold(session: AsyncSession) -> None:
    """Nobody is merged until the caller's transaction is over. To be called before it writes what a merge moves."""
    await session.execute(_SHARED)


async def survivors(session: AsyncSession, profiles: Iterable[UUID]) -> dict[UUID, UUID]:
    """Who those of these profiles are now that were merged into another."""
    rows = await session.execute(
        text("SELECT profile_id, survivor FROM merged WHERE profile_id = ANY(:ids)"), {"ids": list(set(profiles))}
    )
    return {row.profile_id: row.survivor for row in rows.all()}


async def merge(session: AsyncSession, merged: UUID, survivor: UUID, event_id: str) -> list[Outgoing]:
    """Moves everything of `merged` to `survivor` in the caller's transaction; returns the signals that end the younger ones.

    Workflow ids stay: an enrolment's id was derived at entry and is only looked up from then on. Who enters meanwhile waits, and
    then enters as the survivor.
    """
    await session.execute(_ALONE)
    rows = await session.execute(
        text(
            "SELECT e.id, e.journey, e.entry_key, e.number, e.entered_at, e.state, s.id AS other, s.entered_at AS "
            "other_entered_at, "
            "coalesce((SELECT max(number) FROM enrolment x WHERE x.journey = e.journey AND x.profile_id = :survivor "
            "AND x.entry_key = e.entry_key), 0) AS taken FROM enrolment e LEFT JOIN enrolment s ON s.profile_id = :survivor "
            "AND s.journey = e.journey AND s.entry_key = e.entry_key AND s.state = 'running' AND e.state = 'running' "
            "WHERE e.profile_id = :merged ORDER BY e.number FOR UPDATE OF e"
        ),
        {"merged": merged, "survivor": survivor},
    )
    ended: list[Outgoing] = []
    heard: list[Outgoing] = []
    for row in rows.all():
        await session.execute(
            text("UPDATE enrolment SET profile_id = :survivor, number = :number WHERE id = :id"),
            {"survivor": survivor, "number": row.taken + row.number, "id": row.id},
        )
        if row.other is not None:
            younger = row.id if row.entered_at > row.other_entered_at else row.other
            await session.execute(
                text("UPDATE enrolment SET state = 'ending', reason = 'merged' WHERE id = :id AND state = 'running'"),
                {"id": younger},
            )
            held, told = await end_held(session, [younger], max(row.entered_at, row.other_entered_at))
            if held:
                heard += told
                continue
            told_by = told_as(younger, event_id)
            body = InterruptSignal(reason="ended", event_id=told_by).model_dump(mode="json")
            ended.append(Outgoing(younger, row.journey, "interrupt", body, f"{told_by}:merged"))
    parameters = {"survivor": survivor, "merged": merged}
    await session.execute(text("UPDATE merged SET survivor = :survivor WHERE survivor = :merged"), parameters)
    await session.execute(
        text(
            "INSERT INTO merged (profile_id, survivor) VALUES (:merged, :survivor) "
            "ON CONFLICT (profile_id) DO UPDATE SET survivor = excluded.survivor"
        ),
        parameters,
    )
    await session.execute(text("UPDATE listener SET profile_id = :survivor WHERE profile_id = :merged"), parameters)
    await session.execute(text("UPDATE watch SET profile_id = :survivor WHERE profile_id = :merged"), parameters)
    await session.execute(text("UPDATE refusal SET profile_id = :survivor WHERE profile_id = :merged"), parameters)
    return [*heard, *await write(session, ended)]
