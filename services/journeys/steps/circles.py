"""Circles in which nobody rests: a loop whose waits are over as soon as they begin would turn for ever. It is noticed and ended.

Validation warns of such loops where they can be seen; a date that is past or a condition that holds only shows at run time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from journeys.model import Wait, WaitFor
from journeys.moving import AT_ONCE, ENDLESS, MOST_ROUNDS, ROUNDS_WITHIN
from services.journeys.steps.cases import Case
from services.journeys.steps.rulings import Ruling, decision_of

_TURNING = text(
    "SELECT k.enrolment_id FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) "
    "AS k(enrolment_id, step, visit) WHERE :rounds = (SELECT count(*) FROM decision d LEFT JOIN match m ON m.kind = 'wait' "
    "AND m.enrolment_id = d.enrolment_id AND m.step = d.step AND m.visit = d.visit WHERE d.enrolment_id = k.enrolment_id "
    "AND d.step = k.step AND d.visit BETWEEN k.visit - :rounds AND k.visit - 1 AND d.at >= :since AND (d.kind = 'past_due' "
    "OR d.deadline <= d.at OR (m.body->>'event' = 'condition.met' AND m.at <= d.at + CAST(:at_once AS interval))))"
)


async def turning(session: AsyncSession, cases: Sequence[Case], clock: Clock) -> list[Ruling]:
    """The ends of those who have come to the same wait so often without ever resting there."""
    often = [case for case in cases if case.visit > MOST_ROUNDS and isinstance(case.step, Wait | WaitFor)]
    if not often:
        return []
    now, real = clock.now(), clock.real_now()
    rows = await session.execute(
        _TURNING,
        {
            "ids": [case.enrolment.id for case in often],
            "steps": [case.step.id for case in often],
            "visits": [case.visit for case in often],
            "rounds": MOST_ROUNDS,
            "since": clock.to_virtual(real - ROUNDS_WITHIN),
            "at_once": clock.to_virtual(real + AT_ONCE) - now,
        },
    )
    found = {row.enrolment_id for row in rows.all()}
    seen = {"reason": f"came here {MOST_ROUNDS} times in a row without having to wait: the loop is a circle"}
    outcome = {"kind": "ended", "reason": ENDLESS}
    return [Ruling(decision_of(case, "circle", outcome, dict(seen), now)) for case in often if case.enrolment.id in found]
