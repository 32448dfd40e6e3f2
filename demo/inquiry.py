"""Asks every part of the system what it knows, once things have settled."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus

from contracts.channels import Status
from demo.evidence import Attempt, Enrolment, LedgerMessage, WorkflowState
from demo.post import Handled
from infra.http import ServiceClient

_AT_ONCE = 12
_RANKS = {status: rank for rank, status in enumerate(Status)}
_ENDED = frozenset({WorkflowExecutionStatus.COMPLETED})
_GOES_ON = frozenset({WorkflowExecutionStatus.RUNNING})


class Inquiry:
    """Reads the journeys service and Temporal. `user_ids`: profile id → user id."""

    def __init__(self, *, journeys: ServiceClient, temporal: Client, user_ids: Mapping[str, str]) -> None:
        self._journeys = journeys
        self._temporal = temporal
        self._user_ids = user_ids

    async def enrolments(self, keys: Iterable[str]) -> tuple[Enrolment, ...]:
        """All of these journeys."""
        found: list[Enrolment] = []
        for key in keys:
            after: str | None = None
            while True:
                params: dict[str, str | int | float] = {"journey": key, "limit": 1000}
                page = await self._journeys.get_json("/v1/enrolments", params=params | ({"after": after} if after else {}))
                found += [self._enrolment(each) for each in page]
                if len(page) < 1000:
                    break
                after = page[-1]["id"]
        return tuple(found)

    async def workflows(self) -> Mapping[str, WorkflowState]:
        """The newest run of each enrolment's workflow, by enrolment id (the last part of the workflow's id)."""
        newest: dict[str, tuple[datetime, WorkflowState]] = {}
        async for each in self._temporal.list_workflows('WorkflowType = "Enrolment"'):
            if each.status in _GOES_ON:
                state: WorkflowState = "running"
            elif each.status in _ENDED:
                state = "closed"
            elif each.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
                continue
            else:
                state = "failed"
            id_ = each.id.rpartition("/")[2]
            if id_ not in newest or each.start_time > newest[id_][0]:
                newest[id_] = (each.start_time, state)
        return {id_: state for id_, (_, state) in newest.items()}

    async def stats(self, key: str) -> dict[str, Any]:
        """A journey in numbers."""
        found: dict[str, Any] = await self._journeys.get_json(f"/v1/journeys/{key}/stats")
        return found

    async def stories(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What was decided for each enrolment, and why."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(id_: str) -> dict[str, Any]:
            async with limit:
                found: dict[str, Any] = await self._journeys.get_json(f"/v1/enrolments/{id_}/story")
                return found

        return list(await asyncio.gather(*(one(id_) for id_ in ids)))

    def _enrolment(self, found: Mapping[str, Any]) -> Enrolment:
        return Enrolment(
            id=found["id"],
            journey=found["journey"],
            user_id=self._user_ids.get(found["profile_id"], found["profile_id"]),
            entry_key=found["entry_key"],
            state=found["state"],
            reason=found["reason"],
            step=found["step"],
            waits_until=datetime.fromisoformat(found["due"]) if found["due"] else None,
        )


def ledger_of(receipts: Iterable[Handled], purpose_of: Mapping[tuple[str, str], str]) -> tuple[LedgerMessage, ...]:
    """The messages that a feed of receipts tells of, each attempt with the highest status it got."""
    handled: dict[str, list[Handled]] = defaultdict(list)
    for each in receipts:
        handled[str(each.receipt.message_id)].append(each)
    found = []
    for id_, group in handled.items():
        first = group[0].receipt
        attempts: dict[str, Attempt] = {}
        for each in sorted(group, key=lambda one: _RANKS[one.receipt.status]):
            attempts[each.attempt] = Attempt(each.attempt, each.receipt.channel.value, each.receipt.status.value)
        found.append(
            LedgerMessage(
                id=id_,
                user_id=group[0].user_id,
                enrolment=str(first.enrolment) if first.enrolment else "",
                journey=first.journey,
                step=first.step,
                visit=first.visit,
                purpose=purpose_of.get((first.journey, first.step), "marketing"),
                attempts=tuple(attempts.values()),
            )
        )
    return tuple(found)
