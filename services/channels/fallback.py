"""Walks the ranked channels: the next one when a message failed, or did not get far enough in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.clock import Clock
from infra.db import Database
from infra.errors import CallFailed
from services.channels import ledger
from services.channels.allowance import allowance
from services.channels.consents import heeded
from services.channels.decision import Person, Policy
from services.channels.people import People
from services.channels.receipt_book import ReceiptBook, fell_back
from services.channels.settling import take_back
from services.channels.template_store import TemplateStore
from services.channels.turns import PATIENCE, Turns, template_of, wishes_of

log = structlog.get_logger(__name__)

_MOST = 100
_IDLE_SECONDS = 0.2

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
            ours, attempts = await _locked(session, due, tried, now)
            turns = await self._turns(session, ours, people, now)
            for row in ours:
                turns.take(row, [each for each in attempts if each.message_id == row.id])
            await self._write(session, turns)
        return len(due)

    async def _turns(
        self, session: AsyncSession, rows: Sequence[Row[Any]], people: Mapping[UUID, Person], now: datetime
    ) -> Turns:
        """What is known of these messages, as the lock shows it."""
        hashes = {address.hash for person in people.values() for reach in person.reach.values() for address in reach}
        known = await ledger.facts(session, (), hashes, ())
        people = await heeded(session, people)
        templates = await self._templates.load(session, {template_of(row) for row in rows})
        wishes, unreadable = wishes_of(rows)
        allowed = await allowance(session, self._policy.caps, people, wishes.values(), now)
        return Turns(now, self._policy, people, templates, known.suppressed, allowed, wishes, moves=unreadable)

    async def _write(self, session: AsyncSession, turns: Turns) -> None:
        await ledger.add_attempts(session, turns.attempts)
        if turns.moves:
            await session.execute(_MOVE, {"rows": orjson.dumps(turns.moves).decode()})
        back = await take_back(session, turns.overtaken)
        await self._book.record(session, fell_back(back, turns.now))


async def _locked(
    session: AsyncSession, due: Sequence[Row[Any]], tried: Sequence[Row[Any]], now: datetime
) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
    """The messages that are ours to move on, still due and with all their attempts, and these attempts as they are now."""
    values = {"ids": [row.id for row in due], "numbers": [row.number for row in due], "now": now}
    locked = {row[0] for row in (await session.execute(_LOCK, values)).all()}
    tried_here = [each.id for each in tried if each.message_id in locked]
    held = (await session.execute(_HOLD, {"ids": tried_here, "patience": PATIENCE})).all()
    ours = {each.id for each in held}
    free = locked - {each.message_id for each in tried if each.id not in ours}
    return [row for row in due if row.id in free], held
