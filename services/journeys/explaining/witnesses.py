"""What the other services can say about somebody. None of them is needed: what does not answer is noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from contracts.profiles import EventFilter, EventSearch, EventsFound, Profile, ProfileLookup, ProfilesFound, TrackedEvent
from contracts.segments import Evaluate, Evaluated, EvaluatedItem, EvaluateItem
from infra.errors import NotFound, Rejected
from infra.http import ServiceClient
from services.journeys.explaining.model import Attempt, MessageFate

_EVER = datetime(1000, 1, 1, tzinfo=UTC)
_MOST_EVENTS = 5000
_PAGE = 200
_FURTHEST = ("replied", "clicked", "opened", "delivered", "sent", "complained", "unsubscribed", "bounced", "rejected", "unknown")


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody became a member of a segment, or left it."""

    member: bool
    at: datetime


class Witnesses:
    """Questions to profiles, segments and channels. Each may raise `CallFailed`."""

    def __init__(self, *, profiles: ServiceClient, segments: ServiceClient, channels: ServiceClient) -> None:
        self._profiles = profiles
        self._segments = segments
        self._channels = channels

    async def named(self, user_id: str) -> Profile:
        """Raises `NotFound`."""
        try:
            return await self._profiles.get("/v1/profiles", Profile, params={"user_id": user_id})
        except Rejected as error:
            if error.answered == 404:
                raise NotFound("profile of the user", user_id) from error
            raise

    async def profile(self, profile_id: UUID) -> Profile | None:
        found = await self._profiles.post("/v1/profiles/lookup", ProfileLookup(ids=(profile_id,)), ProfilesFound)
        return found.profiles.get(profile_id)

    async def events(self, profile_id: UUID, name: str) -> list[TrackedEvent]:
        """All events of this name, oldest first."""
        asked = EventFilter(profile_id=profile_id, names=(name,), since=_EVER, most=_MOST_EVENTS)
        return list((await self._profiles.post("/v1/events/search", EventSearch(filters=(asked,)), EventsFound)).events[0])

    async def condition_of(self, segment: str) -> dict[str, JsonValue] | None:
        """A segment's own condition; None where there is no such segment."""
        try:
            return dict((await self._segments.get_json(f"/v1/segments/{segment}"))["condition"])
        except Rejected as error:
            if error.answered == 404:
                return None
            raise

    async def evaluate(self, profile_id: UUID, condition: dict[str, JsonValue]) -> EvaluatedItem:
        item = EvaluateItem(profile_id=profile_id, condition=condition)
        return (await self._segments.post("/v1/evaluate", Evaluate(items=(item,)), Evaluated)).results[0]

    async def stays(self, profile_id: UUID, segment: str) -> list[Stay]:
        """When the person entered and left the segment, oldest first."""
        try:
            answer = await self._segments.get_json(f"/v1/profiles/{profile_id}/memberships")
        except Rejected as error:
            if error.answered == 404:
                return []
            raise
        return [
            Stay(entry["member"], datetime.fromisoformat(entry["at"]))
            for membership in answer["memberships"]
            if membership["segment"] == segment
            for entry in membership["history"]
        ]

    async def messages(self, enrolment: UUID) -> dict[tuple[str, int], MessageFate]:
        """What became of an enrolment's messages, by step and visit."""
        found: dict[tuple[str, int], MessageFate] = {}
        params: dict[str, str | int | float] = {"enrolment": str(enrolment), "limit": _PAGE}
        while True:
            page = await self._channels.get_json("/v1/messages", params=params)
            for message in page["messages"]:
                found[message["step"], message["visit"]] = _fate(message)
            if not page.get("next"):
                return found
            params["before"] = page["next"]


def _fate(message: dict[str, Any]) -> MessageFate:
    attempts = [
        Attempt(channel=one["channel"], status=one["status"], because=one["because"], reason=one["reason"], at=one["sent_at"])
        for one in message["attempts"]
    ]
    furthest = min(attempts, key=lambda one: _FURTHEST.index(one.status) if one.status in _FURTHEST else 99, default=None)
    status = message["decision"] if furthest is None else furthest.status
    if message["cancelled_at"] and status in {"accepted", "queued"}:
        status = "cancelled"
    return MessageFate(
        id=message["id"],
        template=message["template"],
        status=status,
        channel=furthest.channel if furthest else None,
        reason=message["reason"] or message["fallback_note"],
        attempts=attempts,
    )
