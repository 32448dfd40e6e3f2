"""Circles in which nobody rests: a loop whose waits are over as soon as they begin would turn, and write, for ever. It is ended.

Validation warns of such loops where they can be seen; a date that is past or a condition that holds only shows at run time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from journeys.model import Send, Wait, WaitFor
from journeys.moving import AT_ONCE, ENDLESS, MOST_ROUNDS, MOST_WRITTEN, ROUNDS_WITHIN, turned
from journeys.resting import COME_BY_THEMSELVES
from services.journeys.steps.cases import Case
from services.journeys.steps.rulings import Ruling, decision_of

_CASES = (
    "unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) AS k(enrolment_id, step, visit) "
    "WHERE :rounds = (SELECT count(*) FROM decision d"
)
_MET = "LEFT JOIN match m ON m.kind = 'wait' AND m.enrolment_id = d.enrolment_id AND m.step = d.step AND m.visit = d.visit"
_LAST_VISITS = "d.enrolment_id = k.enrolment_id AND d.step = k.step AND d.visit BETWEEN k.visit - :rounds AND k.visit - 1"
_LATER = "m.at > d.at + CAST(:at_once AS interval)"
_TURNING = text(
    f"SELECT k.enrolment_id FROM {_CASES} {_MET} WHERE {_LAST_VISITS} AND d.at >= :since AND (d.kind = 'past_due' "
    f"OR d.deadline <= d.at OR (m.body->>'event' = 'condition.met' AND NOT {_LATER})))"
)
# Time passed for whoever was put off, slept, or came to the end of a wait that nothing met; for whoever was met by something
# that does not come by itself: of what may be so already (a condition, a call's answer, a journey's end) if it took a while.
_RESTED = (
    "jsonb_exists(d.seen, 'deferred') OR CASE "
    "WHEN m.event_id IS NULL THEN d.kind IN ('sleep', 'waiting') AND d.deadline > d.at "
    "WHEN m.body->>'event' = ANY(CAST(:by_themselves AS text[])) AND jsonb_exists(m.body->'properties', 'message') THEN false "
    f"ELSE (d.kind = 'waiting' AND m.body->>'event' <> 'condition.met') OR {_LATER} END"
)
_WRITING = text(
    f"SELECT k.enrolment_id FROM {_CASES} WHERE {_LAST_VISITS} AND d.at >= :since AND d.kind = 'sent') "
    f"AND NOT EXISTS (SELECT FROM decision d {_MET} WHERE d.enrolment_id = k.enrolment_id AND d.at >= "
    "(SELECT f.at FROM decision f WHERE f.enrolment_id = k.enrolment_id AND f.step = k.step AND f.visit = k.visit - :rounds) "
    f"AND ({_RESTED}))"
)


async def turning(session: AsyncSession, cases: Sequence[Case], clock: Clock) -> list[Ruling]:
    """The ends of those who came to the same wait so often, or were written to by the same step, without ever resting."""
    ends: list[Ruling] = []
    waits = [case for case in cases if case.visit > MOST_ROUNDS and isinstance(case.step, Wait | WaitFor)]
    sends = [case for case in cases if case.visit > MOST_WRITTEN and isinstance(case.step, Send)]
    now, real = clock.now(), clock.real_now()
    for often, rounds, statement, more in (
        (waits, MOST_ROUNDS, _TURNING, {}),
        (sends, MOST_WRITTEN, _WRITING, {"by_themselves": sorted(COME_BY_THEMSELVES)}),
    ):
        if not often:
            continue
        rows = await session.execute(
            statement,
            {
                "ids": [case.enrolment.id for case in often],
                "steps": [case.step.id for case in often],
                "visits": [case.visit for case in often],
                "rounds": rounds,
                "since": clock.to_virtual(real - ROUNDS_WITHIN),
                "at_once": clock.to_virtual(real + AT_ONCE) - now,
                **more,
            },
        )
        found = {row.enrolment_id for row in rows.all()}
        outcome = {"kind": "ended", "reason": ENDLESS}
        ends += [
            Ruling(decision_of(case, "circle", outcome, {"reason": turned(case.step)}, now))
            for case in often
            if case.enrolment.id in found
        ]
    return ends
