"""Stories: everything that was decided for and happened to an enrolment, from our own database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.journeys.enrolments import LEFT
from services.journeys.explaining import sentences
from services.journeys.explaining.model import EnrolmentStory, Line, MessageFate, WaitEnd

MOST = 50
"""Lives of one person in one journey that are told, the newest."""

_WAITS = frozenset({"sleep", "waiting"})
_ORDER = {"entered": 0, "held": 1, "ended": 3}


async def lived(session: AsyncSession, journey: str, profile_id: UUID) -> int:
    """How often one person entered one journey."""
    counted = await session.execute(
        text("SELECT count(*) FROM enrolment WHERE profile_id = :profile AND journey = :journey"),
        {"profile": profile_id, "journey": journey},
    )
    return int(counted.scalar_one())


async def stories(session: AsyncSession, journey: str, profile_id: UUID) -> list[EnrolmentStory]:
    """The newest `MOST` lives of one person in one journey, oldest first; messages are told by `with_messages`."""
    rows = await session.execute(
        text(
            "SELECT e.id, e.version, v.number AS version_number, e.entry_key, e.number, e.state, e.reason, e.entered_at, "
            "e.ended_at, e.goal_at, e.start_at, e.entry, e.asked, e.late, e.moving, p.step, p.due, "
            "j.state AS journey_state FROM enrolment e JOIN journey j ON j.key = e.journey "
            "LEFT JOIN version v ON v.hash = e.version LEFT JOIN place p ON p.enrolment_id = e.id "
            "WHERE e.profile_id = :profile AND e.journey = :journey ORDER BY e.entered_at DESC, e.number DESC LIMIT :most"
        ),
        {"profile": profile_id, "journey": journey, "most": MOST},
    )
    return [await _story(session, journey, row) for row in reversed(rows.all())]


def with_messages(story: EnrolmentStory, messages: Mapping[tuple[str, int], MessageFate]) -> EnrolmentStory:
    """The story with what became of its messages."""
    lines = [
        line.model_copy(update={"message": message, "text": line.text + sentences.fate(message)})
        if line.what == "sent" and (message := messages.get((line.step or "", line.visit or 0))) is not None
        else line
        for line in story.lines
    ]
    return story.model_copy(update={"lines": lines})


async def _story(session: AsyncSession, journey: str, row: Any) -> EnrolmentStory:
    lines = await _decisions(session, row)
    lines += await _criteria(session, row.id)
    audited = await _audit(session, journey, row)
    lines += audited
    migrated = any(line.what == "migrate" for line in audited)  # the row then names another version than that of the entry
    lines.append(
        Line(
            at=row.entered_at,
            what="entered",
            text=sentences.entered(row.entry, None if migrated else row.version_number, row.entry_key, row.asked or {}),
            seen=row.entry | ({"asked": row.asked} if row.asked else {}),
        )
    )
    held = sentences.held(row.journey_state, row.start_at) if row.start_at is not None and row.state == "running" else None
    if held is not None:
        lines.append(Line(at=row.entered_at, what="held", text=held, until=row.start_at))
    if row.ended_at is not None:
        text_ = sentences.whole("ended", row.reason, row.ended_at, None, None)
        lines.append(Line(at=row.ended_at, what="ended", text=text_, outcome={"reason": row.reason}, late_seconds=row.late))
    return EnrolmentStory(
        id=row.id,
        version=row.version,
        version_number=row.version_number,
        entry_key=row.entry_key,
        number=row.number,
        state=row.state,
        reason=row.reason,
        entered_at=row.entered_at,
        ended_at=row.ended_at,
        goal_at=row.goal_at,
        held_until=row.start_at if row.state == "running" else None,
        step=row.step,
        due=row.due,
        text=(held or sentences.whole(row.state, row.reason, row.ended_at, row.step, row.due))
        + (sentences.on_the_way(row.moving) if row.moving is not None and row.state == "running" else ""),
        entry=row.entry,
        lines=sorted(lines, key=lambda line: (line.at, _ORDER.get(line.what, 2))),
    )


async def _decisions(session: AsyncSession, row: Any) -> list[Line]:
    decided = await session.execute(
        text(
            "SELECT d.at, d.kind, d.step, d.visit, d.outcome, d.seen, d.deadline, d.late, m.path, m.event_id, m.at AS met_at, "
            "m.body->>'event' AS event, (SELECT r.reason FROM refusal r WHERE d.kind = 'started' "
            "AND r.journey = d.seen->>'journey' AND r.event_id = concat_ws(':', d.enrolment_id, d.step, d.visit)) AS refused "
            "FROM decision d LEFT JOIN LATERAL (SELECT path, event_id, at, body FROM match "
            "WHERE enrolment_id = d.enrolment_id AND kind = 'wait' AND step = d.step AND visit = d.visit "
            "ORDER BY at LIMIT 1) m ON true WHERE d.enrolment_id = :id ORDER BY d.at, d.deadline NULLS FIRST"
        ),
        {"id": row.id},
    )
    rows = decided.all()
    lines: list[Line] = []
    for number, each in enumerate(rows):
        following = rows[number + 1].at if number + 1 < len(rows) else None
        end = _end(each, following, row.ended_at) if each.kind in _WAITS else None
        seen = each.seen if each.refused is None else each.seen | {"refused": each.refused}
        said = sentences.decided(each.kind, each.step, each.outcome, seen, each.deadline) + sentences.put_off(seen)
        lines.append(
            Line(
                at=each.at,
                what=each.kind,
                text=said + (sentences.wait_ended(end) if end else ""),
                step=each.step,
                visit=each.visit,
                outcome=each.outcome,
                seen=seen,
                until=each.deadline,
                ended=end,
                late_seconds=each.late,
            )
        )
    return lines


def _end(decision: Any, following: datetime | None, ended_at: datetime | None) -> WaitEnd | None:
    """What ended a wait: a move away from it, its match, its time (if that came before what followed), or the enrolment's end."""
    left = decision.seen.get(LEFT)
    if left is not None:
        return WaitEnd(by="move", at=datetime.fromisoformat(left["at"]))
    if decision.event_id is not None:
        return WaitEnd(by="event", at=decision.met_at, path=decision.path, event=decision.event)
    after = following or ended_at
    if after is None:
        return None
    if decision.deadline is not None and decision.deadline <= after:
        return WaitEnd(by="time", at=decision.deadline)
    return WaitEnd(by="move", at=following) if following is not None else WaitEnd(by="exit", at=ended_at)


async def _criteria(session: AsyncSession, enrolment_id: UUID) -> list[Line]:
    rows = await session.execute(
        text("SELECT at, kind, path, body FROM match WHERE enrolment_id = :id AND kind <> 'wait' ORDER BY at"),
        {"id": enrolment_id},
    )
    what = {"exit": "An exit criterion was met", "goal": "The goal was reached"}
    return [
        Line(
            at=each.at,
            what=f"{each.kind}_met",
            text=f"{what.get(each.kind, each.kind)} by {each.body.get('event')!r}.",
            outcome={"path": each.path},
            seen=each.body,
        )
        for each in rows.all()
    ]


async def _audit(session: AsyncSession, journey: str, row: Any) -> list[Line]:
    """What people did to this enrolment, and to the journey while it was under way."""
    rows: Sequence[Any] = (
        await session.execute(
            text(
                "SELECT at, who, action, detail FROM audit WHERE enrolment_id = :id UNION ALL "
                "SELECT at, who, action, detail FROM audit WHERE journey = :journey AND enrolment_id IS NULL "
                "AND action IN ('pause', 'resume', 'drain', 'archive') "
                "AND at >= :since AND at <= coalesce(CAST(:until AS timestamptz), at)"
            ),
            {"id": row.id, "journey": journey, "since": row.entered_at, "until": row.ended_at},
        )
    ).all()
    return [
        Line(
            at=each.at,
            what=each.action,
            text=sentences.audited(each.action, each.who, each.detail),
            seen=each.detail,
            who=each.who,
        )
        for each in rows
    ]
