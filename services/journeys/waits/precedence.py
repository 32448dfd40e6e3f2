"""Which path comes first where one event meets a wait twice: as what it waits for, and by making a condition true."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.model import ConditionPath, WaitFor
from services.journeys.lifecycle.versions import Versions
from services.journeys.waits.matching import Met


async def undoubted(
    session: AsyncSession, versions: Versions, met: Sequence[Met], stirred: Collection[tuple[UUID, str, int]]
) -> list[Met]:
    """What may be recorded at once. The rest are waits with an earlier path whose condition may hold now as well.

    These were stirred: the watcher asks the condition, finds what happened by looking back, and takes the earlier path.
    """
    doubtful = [
        each
        for each in met
        if each.listener.kind == "wait"
        and (each.listener.enrolment_id, each.listener.step, each.listener.visit) in stirred
        and each.fact.at >= each.listener.since
    ]
    if not doubtful:
        return list(met)
    rows = await session.execute(
        text("SELECT id, version FROM enrolment WHERE id = ANY(:ids)"), {"ids": [each.listener.enrolment_id for each in doubtful]}
    )
    version = {row.id: row.version for row in rows.all()}
    left = {
        id(each)
        for each in doubtful
        if _comes_later(
            (await versions.journey(version[each.listener.enrolment_id], session)).index.steps.get(each.listener.step),
            each.listener.path,
        )
    }
    return [each for each in met if id(each) not in left]


def _comes_later(step: object, path_id: str) -> bool:
    """Whether a condition precedes this path."""
    if not isinstance(step, WaitFor):
        return False
    for path in step.paths:
        if path.id == path_id:
            return False
        if isinstance(path, ConditionPath):
            return True
    return False
