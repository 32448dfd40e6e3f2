"""Walks the ranked channels: the next one when a message failed, or did not get far enough in time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.receipts import FAILED, RANK
from contracts.channels import Status
from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed
from policy import No, Sent
from services.channels import ledger
from services.channels.allowance import allowance
from services.channels.consents import heeded
from services.channels.decision import Decision, Go, Later, Policy, Wish, decide
from services.channels.people import People
from services.channels.receipt_book import ReceiptBook, fell_back
from services.channels.settling import take_back
from services.channels.template_store import TemplateStore

log = structlog.get_logger(__name__)

_MOST = 100
_IDLE_SECONDS = 0.2
_IN_HAND = frozenset({"queued", "claimed", "calling"})
PATIENCE = timedelta(hours=3, minutes=30)
"""A provider that has not taken a message for so long (real time) loses it to a further channel, if there is one that may be
tried: it cannot be reached, turns our account away, or tells us to wait."""

_FIELDS = (
    "id, profile_id, template, template_version, channels, purpose, unless, within_seconds, valid_until, "
    "context, journey, step, number, position, zone"
)
_DUE = text(
    f"SELECT {_FIELDS} FROM message WHERE fallback_due <= :now AND fallback_floor <= now() AND cancelled_at IS NULL "
    "ORDER BY fallback_due LIMIT :most"
)
_TRIED = text(
    "SELECT a.id, a.message_id FROM attempt a JOIN message m ON m.id = a.message_id "
    "WHERE a.message_id = ANY(CAST(:ids AS uuid[])) AND a.number = m.number"
)
_HOLD = text(
    "SELECT id, message_id, channel, state, status, rank, reason, "
    "coalesce(not_taken_since <= now() - CAST(:patience AS interval), false) AS tried_long "
    "FROM attempt WHERE id = ANY(CAST(:ids AS uuid[])) "
    "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)
_LOCK = text(
    "SELECT m.id FROM message m JOIN unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[])) AS w(id, number) "
    "ON m.id = w.id AND m.number = w.number WHERE m.fallback_due <= :now AND m.fallback_floor <= now() "
    "AND m.cancelled_at IS NULL FOR UPDATE OF m SKIP LOCKED"
)
_MOVE = text(
    "UPDATE message m SET number = r.number, position = r.position, fallback_due = r.due, fallback_note = r.note "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, number smallint, position smallint, due timestamptz, note text) "
    "WHERE m.id = r.id"
)


class Fallback:
    """Runs in every dispatcher; a message is moved on by whoever locks it first.

    Its attempts are locked and read with it: an attempt that goes once more and a message that moves on exclude each other.
    """

    def __init__(
        self, database: Database, people: People, templates: TemplateStore, book: ReceiptBook, policy: Policy, clock: Clock
    ) -> None:
        self._database = database
        self._people = people
        self._book = book
        self._templates = templates
        self._policy = policy
        self._clock = clock

    async def run(self) -> None:
        """Moves on what is due, for ever."""
        while True:
            try:
                moved = await self.move_on()
            except CallFailed as error:
                log.warning("fallback.waiting", why=str(error))
                moved = 0
            if moved < _MOST:
                await asyncio.sleep(_IDLE_SECONDS)

    async def move_on(self) -> int:
        """One round; answers how many messages it looked at. Consent, suppression and validity are asked anew."""
        async with self._database.read() as session:
            due = (await session.execute(_DUE, {"now": self._clock.now(), "most": _MOST})).all()
            if not due:
                return 0
            tried = (await session.execute(_TRIED, {"ids": [row.id for row in due]})).all()
        people = await self._people.known(row.profile_id for row in due)
        async with self._database.begin() as session:
            now = self._clock.now()
            locked, held = await _locked(session, due, tried, now)
            hashes = {address.hash for person in people.values() for reach in person.reach.values() for address in reach}
            known = await ledger.facts(session, (), hashes, ())
            people = await heeded(session, people)
            templates = await self._templates.load(session, {(row.template, row.template_version or 0) for row in due})
            wishes, moves = _wishes([row for row in due if row.id in locked])
            allowed = await allowance(session, self._policy.caps, people, wishes.values(), now)
            attempts: list[dict[str, Any]] = []
            overtaken: list[UUID] = []
            for row in due:
                wish, person = wishes.get(row.id), people.get(row.profile_id)
                if wish is None:
                    continue
                current = [each for each in held if each.message_id == row.id]
                template = templates.get((row.template, row.template_version or 0))
                try:
                    because = _because(row, current)
                    if not because:
                        moves.append(_move(row, None, ""))
                        continue
                    decision = decide(wish, person, template, known.suppressed, allowed.of(person), now, self._policy)
                except Exception as error:  # one row must not hold back the others, round after round
                    log.exception("fallback.row_failed", message=str(row.id))
                    moves.append(_given_up(row, error))
                    continue
                moves.append(_moved(row, decision, because))
                if isinstance(decision, Go) and person is not None:
                    what = ledger.what(row.journey, row.step, row.template)
                    allowed.add(person.profile.id, Sent(now, decision.channel.value, row.purpose, str(row.id), what))
                    why = "; ".join(part for part in (because, decision.passed_over) if part)
                    attempts += ledger.attempt_rows(row.id, row.number + 1, decision, why, now)
                    overtaken += [each.id for each in current]
            await ledger.add_attempts(session, attempts)
            if moves:
                await session.execute(_MOVE, {"rows": orjson.dumps(moves).decode()})
            back = await take_back(session, overtaken)
            await self._book.record(session, fell_back(back, now))
        return len(due)


async def _locked(
    session: AsyncSession, due: Sequence[Row[Any]], tried: Sequence[Row[Any]], now: datetime
) -> tuple[Collection[UUID], Sequence[Row[Any]]]:
    """The messages that are ours to move on, still due and with all their attempts, and these attempts as they are now."""
    values = {"ids": [row.id for row in due], "numbers": [row.number for row in due], "now": now}
    locked = {row[0] for row in (await session.execute(_LOCK, values)).all()}
    tried_here = [each.id for each in tried if each.message_id in locked]
    held = (await session.execute(_HOLD, {"ids": tried_here, "patience": PATIENCE})).all()
    ours = {each.id for each in held}
    return locked - {each.message_id for each in tried if each.id not in ours}, held


def _because(row: Row[Any], current: Sequence[Row[Any]]) -> str:
    """Why the next channel's turn has come; nothing if it has not."""
    alive = [each for each in current if Status(each.status) not in FAILED]
    if not alive:
        return "; ".join(f"{each.channel}: {each.status} {each.reason}".strip() for each in current)
    if all(each.state == "queued" and each.tried_long for each in alive):
        return f"{alive[0].channel}: not taken within {PATIENCE} ({alive[0].reason})"
    if any(each.state in _IN_HAND or each.state == "cancelled" for each in alive):
        return ""  # its time starts when it is sent; what was taken back stays back
    if row.unless is None or any(each.rank >= RANK[Status(row.unless)] for each in alive):
        return ""
    return f"{alive[0].channel}: not {row.unless} within {timedelta(seconds=row.within_seconds)}"


def _wishes(rows: Sequence[Row[Any]]) -> tuple[dict[UUID, Wish], list[dict[str, Any]]]:
    """What each message asks for, and the moves of those that cannot be read."""
    wishes: dict[UUID, Wish] = {}
    moves: list[dict[str, Any]] = []
    for row in rows:
        try:
            wishes[row.id] = _wish(row)
        except ValueError as error:
            log.exception("fallback.row_unreadable", message=str(row.id))
            moves.append(_given_up(row, error))
    return wishes, moves


def _wish(row: Row[Any]) -> Wish:
    return Wish(
        message_id=row.id,
        profile_id=row.profile_id,
        channels=ledger.channels_of(row.channels),
        purpose=row.purpose,
        context=row.context,
        journey=row.journey,
        valid_until=row.valid_until,
        position=row.position + 1,
        zone=row.zone,
    )


def _move(row: Row[Any], due: datetime | None, note: str) -> dict[str, Any]:
    return {"id": row.id, "number": row.number, "position": row.position, "due": due, "note": note}


def _given_up(row: Row[Any], error: Exception) -> dict[str, Any]:
    return _move(row, None, f"no further channel: {type(error).__name__}")


def _moved(row: Row[Any], decision: Decision, because: str) -> dict[str, Any]:
    match decision:
        case Go():
            return _move(row, None, because) | {"number": row.number + 1, "position": decision.position}
        case Later():
            return _move(row, decision.until, "; ".join(part for part in (because, decision.reason, decision.detail) if part))
        case No():
            return _move(row, None, f"{because}; no further channel: {decision.reason} {decision.detail}".strip())
