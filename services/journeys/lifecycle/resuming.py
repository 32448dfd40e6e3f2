"""After a pause: those who were parked at a step that acts are asked to go on; paced, in the order in which they were parked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import RefreshSignal
from infra.db import Database
from journeys.model import Call, EmitEvent, Send, StartJourney, Step, UpdateProfile, Wait
from journeys.timing import Past, past_due
from services.journeys.deferrals import PAUSED, PAUSED_AT
from services.journeys.lifecycle.pacing import Pace
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.cases import Case
from services.journeys.steps.rulings import Ruling, decision_of

# Only for the case that no signal comes.
_ASK_AGAIN = timedelta(days=7)

_PARKED = text(
    "SELECT d.enrolment_id, d.journey, d.step, d.visit FROM decision d JOIN journey j ON j.key = d.journey "
    "JOIN enrolment e ON e.id = d.enrolment_id "
    "WHERE d.kind = 'deferred' AND d.seen->>'reason' = 'paused' AND j.state <> 'paused' AND e.state = 'running' "
    "ORDER BY d.at, d.enrolment_id LIMIT :limit FOR UPDATE OF d SKIP LOCKED"
)
_ASKED = text(
    'UPDATE decision d SET seen = d.seen || \'{"reason": "resumed"}\' FROM unnest(CAST(:ids AS uuid[]), '
    "CAST(:steps AS text[]), CAST(:visits AS int[])) AS k(enrolment_id, step, visit) WHERE d.enrolment_id = k.enrolment_id "
    "AND d.step = k.step AND d.visit = k.visit"
)
# What happened last to those who wait at a deferred step: the newest decision that took time or acted. One that was over before
# the pause brought them here in time, however long something else, such as quiet hours, kept them here. So did one that they were
# moved away from before it was over; and whom a person has put somewhere since is not late by what they were taken from.
_BEFORE = text(
    "SELECT DISTINCT ON (b.enrolment_id) b.enrolment_id, b.step, b.kind, b.deadline, b.seen->>'zone' AS zone, "
    "b.deadline >= coalesce(CAST(d.seen->>'paused_at' AS timestamptz), j.paused_at) AND NOT jsonb_exists(b.seen, 'left') "
    "AND NOT (coalesce(CAST(p.moved->>'by_hand' AS bool), false) AND b.visit <= CAST(p.moved->'move_to'->>'offset' AS int)) "
    "AS in_pause "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:steps AS text[]), CAST(:visits AS int[])) AS k(enrolment_id, step, visit) "
    "JOIN decision d USING (enrolment_id, step, visit) JOIN journey j ON j.key = d.journey "
    "JOIN decision b ON b.enrolment_id = d.enrolment_id AND b.kind NOT IN ('deferred', 'chose', 'held_out') "
    "LEFT JOIN place p ON p.enrolment_id = d.enrolment_id "
    "WHERE d.kind = 'deferred' AND d.seen->>'reason' IN ('paused', 'resumed') "
    "ORDER BY b.enrolment_id, b.at DESC, b.deadline DESC NULLS LAST"
)


class Resumer:
    """Signals parked workflows to ask again. Each batch is one transaction with its mark: nobody is left out or told twice."""

    def __init__(self, *, database: Database, pace: Pace, deliver: Callable[[Sequence[Outgoing]], None]) -> None:
        self._database = database
        self._pace = pace
        self._deliver = deliver

    async def step(self) -> bool:
        """Wakes as many as the pace allows now; answers whether there may be more to do."""
        async with self._database.begin() as session:
            if (await session.execute(_PARKED, {"limit": 1})).first() is None:
                return False
            allowed = await self._pace.allowed(session)
            rows = (await session.execute(_PARKED, {"limit": allowed})).all() if allowed else []
            await session.execute(_ASKED, _columns([(row.enrolment_id, row.step, row.visit) for row in rows]))
            written = await write(session, [_refresh(*row) for row in rows])
            await self._pace.took(session, len(rows))
        self._deliver(written)
        return True


def _refresh(enrolment_id: UUID, journey: str, step: str, visit: int) -> Outgoing:
    body = RefreshSignal(step=step, visit=visit).model_dump(mode="json")
    # Each resume is another one for Temporal, which takes a signal of the same request once.
    return Outgoing(enrolment_id, journey, "refresh", body, f"resumed:{uuid4()}")


def acts(step: Step) -> bool:
    """Whether a step does something to the person or the world: what a pause holds back."""
    return isinstance(step, Send | UpdateProfile | EmitEvent | Call | StartJourney)


@dataclass(frozen=True, slots=True)
class Paused:
    """The journeys that are paused now, each since when, and those that have been: nobody is parked in the others."""

    now: Mapping[str, datetime]
    before: frozenset[str]

    def ever(self, journey: str) -> bool:
        return journey in self.now or journey in self.before

    @classmethod
    async def of(cls, session: AsyncSession) -> Self:
        rows = (await session.execute(text("SELECT key, state, paused_at FROM journey WHERE paused_at IS NOT NULL"))).all()
        now = {row.key: row.paused_at for row in rows if row.state == "paused"}
        return cls(now, frozenset(row.key for row in rows) - now.keys())


def parked(case: Case, since: datetime, now: datetime) -> Ruling:
    """Nothing is decided while the journey is paused, as it is since then; a signal tells when it is resumed."""
    seen = {"reason": PAUSED, PAUSED_AT: since.isoformat()}
    return Ruling(decision_of(case, "deferred", {"kind": "deferred"}, seen, now, now + _ASK_AGAIN))


async def late_waits(session: AsyncSession, cases: Sequence[Case]) -> dict[UUID, tuple[str, datetime, str]]:
    """Of those whom a pause parked at these steps: the wait that they came from, when it ended and in which zone.

    Only if it ended in the pause.
    """
    if not cases:
        return {}
    keys = [(case.enrolment.id, case.step.id, case.visit) for case in cases]
    rows = await session.execute(_BEFORE, _columns(keys))
    return {
        row.enrolment_id: (row.step, row.deadline, row.zone or "UTC")
        for row in rows.all()
        if row.kind == "sleep" and row.in_pause
    }


def too_late(case: Case, wait: str, due: datetime, zone: str, now: datetime) -> Ruling | None:
    """What the wait before says of somebody whom the pause made late: its policy, unless that is to continue."""
    step = case.journey.index.steps.get(wait)
    past = past_due(step, due, now, zone) if isinstance(step, Wait) else None
    if not isinstance(past, Past) or past.action == "continue":
        return None
    outcome = {"kind": "ended", "reason": "past_due"} if past.target is None else {"kind": "moved", "target": past.target}
    return Ruling(decision_of(case, "past_due", outcome, {"wait": wait, "due": due.isoformat(), "reason": PAUSED}, now))


def _columns(keys: Sequence[tuple[UUID, str, int]]) -> dict[str, object]:
    return {"ids": [key[0] for key in keys], "steps": [key[1] for key in keys], "visits": [key[2] for key in keys]}
