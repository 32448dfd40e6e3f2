"""The transaction in which an enrolment changes its version or step: criteria, waits, offset, the signal and the audit entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.journeys import MoveSignal, StepItem
from journeys import Journey
from services.journeys import places
from services.journeys.enrolments import CUT_SHORT, Decision, Enrolment, forget_waits, leave
from services.journeys.lifecycle.auditing import note
from services.journeys.moves.destinations import Sent, Wish
from services.journeys.outgoing import Outgoing, write
from services.journeys.steps.rulings import Ruling
from services.journeys.waits import watches
from services.journeys.waits.clocks import lives_in
from services.journeys.waits.criteria import Context, traits_in
from services.journeys.waits.listeners import for_enrolment, register
from services.journeys.waits.looking_back import TRAITS_ONLY


@dataclass(frozen=True, slots=True)
class Transfer:
    """A move from where the workflow asked (`item`) to `target` (None: it stays there) in `there`.

    `context` is what the criteria of `there` are bound with. `retimed` is the wait under way as the other version has it, `was`
    what it was before.
    """

    enrolment: Enrolment
    there: Journey
    wish: Wish
    item: StepItem
    target: str | None
    context: Context
    retimed: Ruling | None
    was: Decision | None
    request: str
    workspace_zone: str


async def transfer(session: AsyncSession, change: Transfer, now: datetime) -> list[Outgoing] | None:
    """Carries it out; answers what to tell Temporal, None where the enrolment, the wish or the wait is not what it was."""
    enrolment, wish = change.enrolment, change.wish
    row = (
        await session.execute(
            text(
                "SELECT goal_at, (SELECT coalesce(max(visit), 0) FROM decision WHERE enrolment_id = e.id) AS visits, "
                "EXISTS (SELECT 1 FROM match WHERE enrolment_id = e.id AND kind = 'wait' AND step = :step AND visit = :visit) "
                "AS met FROM enrolment e WHERE id = :id AND state = 'running' AND moving = CAST(:moving AS jsonb) FOR UPDATE"
            ),
            {
                "id": enrolment.id,
                "moving": orjson.dumps(enrolment.moving).decode(),
                "step": change.item.step,
                "visit": change.item.visit,
            },
        )
    ).first()
    if row is None or row.met:
        return None
    sent = Sent(step=change.target, offset=max(row.visits, change.item.visit), request=change.request)
    moving = wish.model_copy(update={"sent": sent})
    await session.execute(
        text("UPDATE enrolment SET version = :version, moving = CAST(:moving AS jsonb) WHERE id = :id"),
        {"id": enrolment.id, "version": wish.to, "moving": moving.model_dump_json()},
    )
    zone = change.workspace_zone
    look_back = await new_criteria(
        session, enrolment, change.there, change.context, now, goal=row.goal_at is None, workspace_zone=zone
    )
    if change.target is not None:
        await forget_waits(session, [enrolment.id])
        await leave(session, (enrolment.id, change.item.step, change.item.visit), change.target, now)
        await session.execute(text("DELETE FROM decision WHERE enrolment_id = :id AND kind = 'deferred'"), {"id": enrolment.id})
    elif change.retimed is not None:
        await _retime(session, change.retimed, change.was, now)
    action = "move" if wish.migration is None else "migrate"
    await note(
        session, at=now, who=wish.who, action=action, journey=enrolment.journey, enrolments=[enrolment.id], detail=_told(change)
    )
    body = MoveSignal(journey=wish.to, step=sent.step, offset=sent.offset).model_dump(mode="json")
    told = [Outgoing(enrolment.id, enrolment.journey, "move", body, sent.request)]
    if look_back:
        told.append(
            Outgoing(enrolment.id, enrolment.journey, "look_back", {"look_back": TRAITS_ONLY}, f"{sent.request}:look_back")
        )
    written = await write(session, told)
    await places.moved_from(session, change.item, by_hand=wish.migration is None)
    return written


async def new_criteria(
    session: AsyncSession,
    enrolment: Enrolment,
    there: Journey,
    context: Context,
    now: datetime,
    *,
    goal: bool,
    workspace_zone: str,
) -> bool:
    """Exit criteria and goal as the other version has them; answers whether new ones may be met already.

    Those that stay count from where they counted, new ones from now: what happened before was in order when it happened.
    """
    rows = await session.execute(
        text(
            "WITH w AS (DELETE FROM watch WHERE enrolment_id = :id AND kind = 'exit') "
            "DELETE FROM listener WHERE enrolment_id = :id AND kind IN ('exit', 'goal') RETURNING kind, source, name, condition"
        ),
        {"id": enrolment.id},
    )
    before = [(row.kind, row.source, row.name, row.condition) for row in rows.all()]
    zone, _ = lives_in(traits_in(context), there, workspace_zone)
    wanted = [
        each
        for each in for_enrolment(there, enrolment.id, enrolment.profile_id, context, enrolment.entered_at, zone)
        if goal or each.kind != "goal"
    ]
    fresh = [each for each in wanted if (each.kind, each.source, each.name, each.condition) not in before]
    await register(session, [replace(each, since=now) if each in fresh else each for each in wanted])
    await watches.register(session, watches.for_enrolment(there, enrolment.id, enrolment.profile_id, enrolment.entry, now))
    return any(each.source == "profile" for each in fresh)


async def _retime(session: AsyncSession, ruling: Ruling, was: Decision | None, now: datetime) -> None:
    """The wait under way keeps its key and when it was entered; its end and what it waits for are the other version's."""
    decision, seen = ruling.decision, ruling.decision.seen
    if decision.kind == "past_due" and was is not None:
        seen = seen | {CUT_SHORT: {"at": now.isoformat(), "was": was.deadline.isoformat() if was.deadline else None}}
    await session.execute(
        text(
            "UPDATE decision SET kind = :kind, outcome = CAST(:outcome AS jsonb), seen = CAST(:seen AS jsonb), "
            "deadline = :deadline WHERE enrolment_id = :id AND step = :step AND visit = :visit"
        ),
        {
            "kind": decision.kind,
            "outcome": orjson.dumps(decision.outcome).decode(),
            "seen": orjson.dumps(seen).decode(),
            "deadline": decision.deadline,
            "id": decision.enrolment_id,
            "step": decision.step,
            "visit": decision.visit,
        },
    )
    await forget_waits(session, [decision.enrolment_id])
    await register(session, ruling.listeners)
    await watches.register(session, ruling.watches)
    await places.retimed(session, {decision.key: now if decision.kind == "past_due" else decision.deadline}, now)


def _told(change: Transfer) -> dict[str, Any]:
    wish, enrolment = change.wish, change.enrolment
    detail: dict[str, Any] = {
        "from_version": enrolment.version,
        "from_step": change.item.step,
        "visit": change.item.visit,
        "to_version": wish.to,
        "to_step": change.target or change.item.step,
    }
    if wish.why:
        detail["why"] = wish.why
    if wish.migration is not None:
        detail["migration"] = str(wish.migration)
    if change.retimed is not None and change.was is not None:
        ends, was = change.retimed.decision.deadline, change.was.deadline
        detail |= {"wait_ended": was.isoformat() if was else None, "wait_ends": ends.isoformat() if ends else None}
    return detail
