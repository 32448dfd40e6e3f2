"""Whose turn is the next channel's, and what it comes to: decided without I/O, over messages that are locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from channels.receipts import FAILED, RANK
from contracts.channels import Status
from policy import Go, Later, No, Sent
from services.channels import ledger
from services.channels.allowance import Allowance
from services.channels.decision import Decision, Letters, Person, Policy, Wish, decide
from services.channels.templates import Compiled

log = structlog.get_logger(__name__)

_IN_HAND = frozenset({"queued", "claimed", "calling"})
PATIENCE = timedelta(hours=3, minutes=30)
"""A provider that has not taken a message for so long (real time) loses it to a further channel, if there is one that may be
tried: it cannot be reached, turns our account away, or tells us to wait."""


@dataclass(slots=True)
class Turns:
    """A round of messages, what is known of them, and the rows that they come to."""

    now: datetime
    policy: Policy
    people: Mapping[UUID, Person]
    templates: Mapping[tuple[str, int], Compiled]
    suppressed: frozenset[tuple[str, str]]
    allowed: Allowance
    wishes: Mapping[UUID, Wish]
    moves: list[dict[str, Any]] = field(default_factory=list)
    """What messages become; where one is looked at in vain, that it is not due any more."""
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """Tries on the next channel."""
    overtaken: list[UUID] = field(default_factory=list)
    """Attempts whose message has moved on."""

    def take(self, row: Row[Any], current: Sequence[Row[Any]]) -> None:
        """Moves a message on if the time has come; `current` are its newest attempts. One that cannot be read is no more."""
        wish = self.wishes.get(row.id)
        if wish is None:
            return
        try:
            because = _because(row, current)
            decision = self._decide(row, wish) if because else None
        except Exception as error:  # one row must not hold back the others, round after round
            log.exception("fallback.row_failed", message=str(row.id))
            self.moves.append(_given_up(row, error))
            return
        self.moves.append(_move(row, None, "") if decision is None else _moved(row, decision, because))
        if isinstance(decision, Go):
            self._go(row, decision, because)
            self.overtaken += [each.id for each in current]

    def _decide(self, row: Row[Any], wish: Wish) -> Decision:
        person, template = self.people.get(row.profile_id), self.templates.get(template_of(row))
        return decide(wish, person, template, self.suppressed, self.allowed.of(person), self.now, self.policy)

    def _go(self, row: Row[Any], go: Go[Letters], because: str) -> None:
        what = ledger.what(row.journey, row.step, row.template)
        owner = self.people[row.profile_id].profile.id
        self.allowed.add(owner, Sent(self.now, go.channel, row.purpose, str(row.id), what))
        why = "; ".join(part for part in (because, go.passed_over) if part)
        self.attempts += ledger.attempt_rows(row.id, row.number + 1, go, why, self.now)


def template_of(row: Row[Any]) -> tuple[str, int]:
    """The template of a message, with the version that it was accepted with."""
    return row.template, row.template_version or 0


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


def wishes_of(rows: Sequence[Row[Any]]) -> tuple[dict[UUID, Wish], list[dict[str, Any]]]:
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
        template=row.template,
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
