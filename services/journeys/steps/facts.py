"""What references see: the entry, the event that woke the last path, and the profile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from contracts.channels import Receipt
from contracts.profiles import Profile, TrackedEvent

DEPTH = "depth"
"""Where an entry or event says how many journeys led to it: beside what references see of it."""


def event_fact(event: TrackedEvent) -> dict[str, Any]:
    """A tracked event as references see it."""
    body = {"id": event.id, "event": event.name, "timestamp": event.timestamp.isoformat(), "properties": event.properties}
    return body | {DEPTH: event.depth} if event.depth else body


def receipt_fact(receipt: Receipt) -> dict[str, Any]:
    """A message's receipt as references see it: its status is the event, the reply's text a property."""
    properties = {"text": receipt.text, "url": receipt.url, "channel": receipt.channel.value, "message": receipt.step}
    return {
        "id": receipt.id,
        "event": receipt.status.value,
        "timestamp": receipt.at.isoformat(),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def bare_fact(identifier: str, name: str, at: datetime, properties: dict[str, JsonValue] | None = None) -> dict[str, Any]:
    """An entry that no tracked event caused: a segment entered, a call of the API, another journey."""
    return {"id": identifier, "event": name, "timestamp": at.isoformat(), "properties": properties or {}}


@dataclass(frozen=True, slots=True)
class Facts:
    """The context that references of one enrolment resolve in. `profile` is None where nothing asked for it, `results` too."""

    entry: dict[str, Any]
    event: dict[str, Any]
    profile: Profile | None = None
    computed: dict[str, JsonValue] | None = None
    results: dict[str, JsonValue] | None = None

    def context(self) -> dict[str, JsonValue]:
        """In the form of `journeys.refs.resolve`."""
        profile: dict[str, JsonValue] = {}
        if self.profile is not None:
            profile = {"id": str(self.profile.id), "traits": self.profile.traits, "computed": self.computed or {}}
        return {"entry": self.entry, "event": self.event, "profile": profile, "results": self.results or {}}


def traits_context(
    profile_id: UUID, entry: dict[str, Any], traits: dict[str, JsonValue], computed: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    """The context at the moment of entry, when the entry is also the event."""
    return {"entry": entry, "event": entry, "profile": {"id": str(profile_id), "traits": traits, "computed": computed}}
