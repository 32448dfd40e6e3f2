"""Asks every part of the system what it knows, once things have settled."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus

from demo.evidence import Attempt, Enrolment, LedgerMessage, WorkflowState
from demo.play import Register
from infra.http import ServiceClient

_AT_ONCE = 12
_ENDED = frozenset({WorkflowExecutionStatus.COMPLETED})
_GOES_ON = frozenset({WorkflowExecutionStatus.RUNNING})


class Inquiry:
    """Reads the journeys and channels services and Temporal."""

    def __init__(self, *, journeys: ServiceClient, channels: ServiceClient, temporal: Client, register: Register) -> None:
        self._journeys = journeys
        self._channels = channels
        self._temporal = temporal
        self._register = register

    async def enrolments(self, keys: Iterable[str]) -> tuple[Enrolment, ...]:
        """All of these journeys."""
        found: list[dict[str, Any]] = []
        for key in keys:
            after: str | None = None
            while True:
                params: dict[str, str | int | float] = {"journey": key, "limit": 1000}
                page = await self._journeys.get_json("/v1/enrolments", params=params | ({"after": after} if after else {}))
                found += page
                if len(page) < 1000:
                    break
                after = page[-1]["id"]
        await self._register.learn(each["profile_id"] for each in found)
        return tuple(self._enrolment(each) for each in found)

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

    async def open_timer(self, enrolment: Enrolment) -> datetime | None:
        """When (real) the timer fires that the enrolment's workflow sleeps on; None without one.

        A send that was put off to the end of quiet hours is a sleep too, which no decision tells of.
        """
        handle = self._temporal.get_workflow_handle(f"{enrolment.journey}/{enrolment.id}")
        timers: dict[str, datetime] = {}
        async for event in handle.fetch_history_events():
            if event.HasField("timer_started_event_attributes"):
                timer = event.timer_started_event_attributes
                timers[timer.timer_id] = event.event_time.ToDatetime(UTC) + timer.start_to_fire_timeout.ToTimedelta()
            elif event.HasField("timer_fired_event_attributes"):
                timers.pop(event.timer_fired_event_attributes.timer_id, None)
            elif event.HasField("timer_canceled_event_attributes"):
                timers.pop(event.timer_canceled_event_attributes.timer_id, None)
        return max(timers.values(), default=None)

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

    async def ledger(self, keys: Iterable[str]) -> tuple[LedgerMessage, ...]:
        """The messages of these journeys, those that were skipped too."""
        found: list[dict[str, Any]] = []
        for key in keys:
            params: dict[str, str | int | float] = {"journey": key, "limit": 200}
            while True:
                page = await self._channels.get_json("/v1/messages", params=params)
                found += page["messages"]
                if not page["next"]:
                    break
                params["before"] = page["next"]
        await self._register.learn(each["profile_id"] for each in found)
        return tuple(self._message(each) for each in found)

    def _enrolment(self, found: Mapping[str, Any]) -> Enrolment:
        return Enrolment(
            id=found["id"],
            journey=found["journey"],
            user_id=self._register.user_ids[found["profile_id"]],
            entry_key=found["entry_key"],
            state=found["state"],
            reason=found["reason"],
            step=found["step"],
            waits_until=datetime.fromisoformat(found["due"]) if found["due"] else None,
        )

    def _message(self, found: Mapping[str, Any]) -> LedgerMessage:
        attempts = tuple(
            Attempt(
                id=each["id"],
                channel=each["channel"],
                status="cancelled" if each["state"] == "cancelled" else each["status"],
                number=each["number"],
                because=each["because"],
                held_until=datetime.fromisoformat(each["held_until"]) if each["held_until"] else None,
            )
            for each in found["attempts"]
        )
        return LedgerMessage(
            id=found["id"],
            user_id=self._register.user_ids[found["profile_id"]],
            enrolment=found["enrolment"] or "",
            journey=found["journey"],
            step=found["step"],
            visit=found["visit"],
            purpose=found["purpose"],
            attempts=attempts,
            reason=_why_not(found),
        )


def _why_not(found: Mapping[str, Any]) -> str:
    """Why a message never left: skipped at once, or every attempt taken back before its call."""
    if found["decision"] == "skipped":
        return str(found["reason"])
    if all(each["state"] == "cancelled" for each in found["attempts"]):
        return next((str(each["reason"]) for each in found["attempts"] if each["reason"]), "cancelled")
    return ""
