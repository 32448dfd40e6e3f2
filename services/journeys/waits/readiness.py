"""A wait looks back before the feeds may meet it: of what happened to it the earliest counts, whoever finds it.

What a feed brings while the look is on its way (or cannot be made, in an outage) is left to it, and has it made again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys.waits.matching import Met

Key = tuple[UUID, str, int]

# All paths of a wait are locked together, in one order, so that feed and look back see the same of it.
_LOCKED = (
    "WITH l AS (SELECT x.id, x.ready, x.passed_by FROM unnest(CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), "
    "CAST(:visits AS int[])) AS k(enrolment_id, step, visit) JOIN listener x USING (enrolment_id, step, visit) "
    "WHERE x.kind = 'wait' ORDER BY x.id FOR UPDATE OF x) "
)
_PASS_BY = text(
    _LOCKED
    + "UPDATE listener u SET passed_by = true FROM l WHERE u.id = l.id AND NOT l.ready RETURNING u.enrolment_id, u.step, u.visit"
)
_LOOKED = text(
    _LOCKED + "UPDATE listener u SET ready = l.ready OR NOT l.passed_by, passed_by = false FROM l WHERE u.id = l.id "
    "RETURNING u.enrolment_id, u.step, u.visit, u.ready"
)


async def left_to_look_back(session: AsyncSession, met: Sequence[Met]) -> list[Met]:
    """What may be recorded at once. The rest are waits that have yet to look back: they will find this, or what came before."""
    early = {
        _key(each)
        for each in met
        if each.listener.kind == "wait" and not each.listener.ready and each.fact.at >= each.listener.since
    }
    if not early:
        return list(met)
    passed_by = {tuple(row) for row in (await session.execute(_PASS_BY, _columns(early))).all()}
    return [each for each in met if each.listener.kind != "wait" or _key(each) not in passed_by]


async def looked(session: AsyncSession, waits: Collection[Key]) -> set[Key]:
    """Lets the feeds meet these waits, whose look back found nothing; answers those that something passed by meanwhile."""
    if not waits:
        return set()
    rows = await session.execute(_LOOKED, _columns(waits))
    return {(row.enrolment_id, row.step, row.visit) for row in rows.all() if not row.ready}


def _key(met: Met) -> Key:
    return (met.listener.enrolment_id, met.listener.step, met.listener.visit)


def _columns(keys: Collection[Key]) -> dict[str, list[object]]:
    ordered = list(keys)
    return {
        "enrolments": [key[0] for key in ordered],
        "steps": [key[1] for key in ordered],
        "visits": [key[2] for key in ordered],
    }
