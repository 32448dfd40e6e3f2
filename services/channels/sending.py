"""Takes messages into the ledger: profiles first, then one transaction for the whole batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.channels import SendRequest, SendResult
from infra.clock import Clock
from infra.db import Database
from infra.feed.outbox import new_id
from services.channels import ledger
from services.channels.consents import heeded
from services.channels.decision import Decision, Go, Later, No, Person, Policy, Wish, decide
from services.channels.people import People
from services.channels.template_store import TemplateStore
from services.channels.templates import Compiled


class Sending:
    """`POST /v1/messages`. The same key is the same message for ever; nothing is stored for a deferred one."""

    def __init__(self, database: Database, people: People, templates: TemplateStore, policy: Policy, clock: Clock) -> None:
        self._database = database
        self._people = people
        self._templates = templates
        self._policy = policy
        self._clock = clock

    async def send(self, requests: Sequence[SendRequest]) -> list[SendResult]:
        """Decides each on its own, in order. Raises `Unavailable` when profiles cannot be asked: nothing was stored then."""
        if not requests:
            return []
        people = await self._people.known(request.profile_id for request in requests)
        async with self._database.begin() as session:
            results = await self._take(session, {request.key: request for request in requests}, people)
        return [results[request.key] for request in requests]

    async def _take(
        self, session: AsyncSession, requests: Mapping[str, SendRequest], people: Mapping[UUID, Person]
    ) -> dict[str, SendResult]:
        hashes = {address.hash for person in people.values() for reach in person.reach.values() for address in reach}
        known = await ledger.facts(session, list(requests), hashes, {request.template for request in requests.values()})
        templates = await self._templates.load(session, known.versions.items())
        people = await heeded(session, people)
        now = self._clock.now()
        results = dict(known.answers)
        rows = ledger.Rows()
        ids: dict[UUID, str] = {}
        for key, request in requests.items():
            if key in results:
                continue
            template = templates.get((request.template, known.versions.get(request.template, 0)))
            message_id = new_id()
            wish = Wish(message_id, request.channels, request.purpose, request.context, request.journey, request.valid_until)
            decision = decide(wish, people.get(request.profile_id), template, known.suppressed, now, self._policy)
            results[key] = _result(decision, message_id)
            if isinstance(decision, Go | No):
                ids[message_id] = key
                rows.messages.append(_row(request, message_id, decision, template, now))
            if isinstance(decision, Go):
                rows.attempts += ledger.attempt_rows(message_id, 1, decision, decision.passed_over, now)
        added = await ledger.add(session, rows)
        late = [key for message_id, key in ids.items() if message_id not in added]
        if late:  # another request with the same key committed in between: its answer stands
            results |= (await ledger.facts(session, late, (), ())).answers
        return results


def _result(decision: Decision, message_id: UUID) -> SendResult:
    match decision:
        case Go():
            return SendResult(status="accepted", message_id=message_id, channel=decision.channel, detail=decision.passed_over)
        case Later():
            return SendResult(status="deferred", until=decision.until, channel=decision.channel, reason="quiet_hours")
        case No():
            return SendResult(status="skipped", message_id=message_id, reason=decision.reason, detail=decision.detail)


def _row(request: SendRequest, message_id: UUID, decision: Go | No, template: Compiled | None, now: datetime) -> dict[str, Any]:
    going = decision if isinstance(decision, Go) else None
    refused = decision if isinstance(decision, No) else None
    return {
        "id": message_id,
        "key": request.key,
        "profile_id": request.profile_id,
        "template": request.template,
        "template_version": template.version if template else None,
        "channels": request.channels,
        "purpose": request.purpose,
        "unless": request.fallback.unless if request.fallback else None,
        "within_seconds": ledger.seconds(request.fallback.within) if request.fallback else None,
        "valid_until": request.valid_until,
        "context": request.context,
        "enrolment": request.enrolment,
        "journey": request.journey,
        "step": request.step,
        "visit": request.visit,
        "created_at": now,
        "decision": "skipped" if refused else "accepted",
        "channel": going.channel if going else None,
        "reason": refused.reason if refused else "",
        "detail": refused.detail if refused else going.passed_over if going else "",
        "position": going.position if going else 0,
    }
