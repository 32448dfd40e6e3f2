"""Takes messages into the ledger: profiles first, then one transaction for the whole batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.channels import Channel, SendRequest, SendResult
from infra.clock import Clock
from infra.db import Database
from infra.feed.outbox import new_id
from policy import Go, Later, No, Sent
from services.channels import ledger
from services.channels.allowance import allowance
from services.channels.consents import heeded
from services.channels.decision import Decision, Letters, Person, Policy, Wish, decide
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
        wishes = {key: _wish(request) for key, request in requests.items() if key not in known.answers}
        now = self._clock.now()
        allowed = await allowance(session, self._policy.caps, people, wishes.values(), now)
        results = dict(known.answers)
        rows = ledger.Rows()
        for key, wish in wishes.items():
            request, person = requests[key], people.get(wish.profile_id)
            template = templates.get((request.template, known.versions.get(request.template, 0)))
            decision = decide(wish, person, template, known.suppressed, allowed.of(person), now, self._policy)
            results[key] = _result(decision, wish.message_id)
            if isinstance(decision, Go | No):
                rows.messages.append(_row(request, wish.message_id, decision, template, now))
            if isinstance(decision, Go) and person is not None:
                rows.attempts += ledger.attempt_rows(wish.message_id, 1, decision, decision.passed_over, now)
                what = ledger.what(request.journey, request.step, request.template)
                sent = Sent(now, decision.channel, wish.purpose, str(wish.message_id), what)
                allowed.add(person.profile.id, sent)
        added = await ledger.add(session, rows)
        written = {row["id"] for row in rows.messages}
        late = [key for key, wish in wishes.items() if wish.message_id in written - added]
        if late:  # another request with the same key committed in between: its answer stands
            results |= (await ledger.facts(session, late, (), ())).answers
        return results


def _wish(request: SendRequest) -> Wish:
    return Wish(
        message_id=new_id(),
        profile_id=request.profile_id,
        template=request.template,
        channels=request.channels,
        purpose=request.purpose,
        context=request.context,
        journey=request.journey,
        valid_until=request.valid_until,
        zone=request.zone,
    )


def _result(decision: Decision, message_id: UUID) -> SendResult:
    match decision:
        case Go():
            return SendResult(
                status="accepted", message_id=message_id, channel=Channel(decision.channel), detail=decision.passed_over
            )
        case Later():
            return SendResult(
                status="deferred",
                until=decision.until,
                channel=Channel(decision.channel),
                reason=decision.reason,
                detail=decision.detail,
            )
        case No():
            return SendResult(status="skipped", message_id=message_id, reason=decision.reason, detail=decision.detail)


def _row(
    request: SendRequest, message_id: UUID, decision: Go[Letters] | No, template: Compiled | None, now: datetime
) -> dict[str, Any]:
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
        "zone": request.zone,
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
