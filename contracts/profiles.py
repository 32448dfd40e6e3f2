"""The profiles service: who a person is, what they said yes to, and what their feed carries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.base import Wire


class ConsentState(StrEnum):
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Consent(Wire):
    """The newest entry of the consent ledger for one (channel, purpose)."""

    channel: str
    purpose: str
    state: ConsentState
    at: datetime


class Profile(Wire):
    """A person as of now. `id` is the surviving profile's, whichever id was asked for.

    `identities` maps a kind (`user_id`, `anonymous_id`) to its values. `version` grows with every change. `merged`: the
    ids of profiles that were joined with this one.
    """

    id: UUID
    traits: dict[str, JsonValue]
    identities: dict[str, tuple[str, ...]]
    consents: tuple[Consent, ...]
    version: int
    created_at: datetime
    merged: tuple[UUID, ...] = ()


class ProfileLookup(Wire):
    """`POST /v1/profiles/lookup`: profiles by id, up to 500; merged ids answer with the survivor."""

    ids: tuple[UUID, ...] = Field(max_length=500)


class ProfilesFound(Wire):
    """Keyed by the id asked for; unknown or erased ids are missing."""

    profiles: dict[UUID, Profile]


class ProfileUpdate(Wire):
    """Sets traits (dotted paths reach into objects; null removes). Deduplicated on `message_id`."""

    profile_id: UUID
    message_id: str
    set: dict[str, JsonValue]
    timestamp: datetime


class ProfileUpdates(Wire):
    """`POST /v1/profiles/update`, up to 500 at once."""

    updates: tuple[ProfileUpdate, ...] = Field(max_length=500)


class ConsentEntry(Wire):
    """One entry for the append-only ledger; who is meant by `profile_id` or by `user_id`.

    `at` is now where it lies ahead of the service's clock; a new grant of more than some minutes ahead is refused.
    `restores`: the grant gives back what entries with this source withdrew, and is written only where such a
    withdrawal holds and ended a grant.
    """

    profile_id: UUID | None = None
    user_id: str | None = Field(None, max_length=256)
    channel: str = Field(min_length=1, max_length=64)
    purpose: str = Field(min_length=1, max_length=128)
    state: ConsentState
    source: str = Field(max_length=1024)
    wording: str = Field("", max_length=10_000)
    at: datetime | None = None
    restores: str | None = Field(None, min_length=1, max_length=1024)


class ConsentEntries(Wire):
    """`POST /v1/consents`, up to 500 at once; all or none are written."""

    entries: tuple[ConsentEntry, ...] = Field(max_length=500)


class EventFilter(Wire):
    """Events of one profile with any of these names, since an instant (inclusive, by event time); the first `most`, or all.

    `after` is the id of an event and `seen` a cursor of the feed: of what happened up to that event, only what came later than
    that is asked for, such as an event whose own clock is behind.
    """

    profile_id: UUID
    names: tuple[str, ...]
    since: datetime
    most: int | None = Field(None, ge=1)
    after: str | None = None
    seen: str | None = None


class EventSearch(Wire):
    """`POST /v1/events/search`: the look-back of waits, up to 500 filters at once."""

    filters: tuple[EventFilter, ...] = Field(max_length=500)


class TrackedEvent(Wire):
    """A tracked event as stored. `id` is the event's own id, unique in Reis. Also the `data` of `event.tracked`.

    `depth` is 0 for what a client sent; an event that a journey emitted is one deeper than what led to it.
    """

    id: str
    name: str
    properties: dict[str, JsonValue]
    timestamp: datetime
    depth: int = 0


class FoundEvent(TrackedEvent):
    """An event as a search finds it. Up to `cursor` the feed brings it; before `seen` no event came that was not there yet when
    it was searched for. Both are null of events from before they were kept."""

    cursor: str | None = None
    seen: str | None = None


class EmittedEvent(Wire):
    """An event that a journey tells about a person, as if a client had tracked it. Deduplicated on `message_id`."""

    profile_id: UUID
    message_id: str = Field(min_length=1, max_length=512)
    event: str = Field(min_length=1, max_length=512)
    properties: dict[str, JsonValue]
    timestamp: datetime
    depth: int = Field(1, ge=1, le=1000)


class EmittedEvents(Wire):
    """`POST /v1/events/emit`, up to 500 at once."""

    events: tuple[EmittedEvent, ...] = Field(max_length=500)


class EventsFound(Wire):
    """One list per filter, in its order; each list in order of event time, and what happened at the same time as it came."""

    events: tuple[tuple[FoundEvent, ...], ...]


class PersonWithPast(Wire):
    """A person as of now, and what they did in a span of time, in order of event time."""

    profile: Profile
    events: tuple[TrackedEvent, ...]


class PopulationPage(Wire):
    """`GET /v1/population`: people in the order of their ids; `next` is the `after` of the next page, null on the last."""

    people: tuple[PersonWithPast, ...]
    next: UUID | None = None


class NamesSeen(Wire):
    """`GET /v1/names`: what the events and traits (dotted) are called that anybody has sent; null where there are too many."""

    events: tuple[str, ...] | None
    traits: tuple[str, ...] | None


class Accepted(Wire):
    """How many of the things sent were new (the rest were known already)."""

    accepted: int


# What the profiles feed carries; `subject` is always the (surviving) profile's id.
EVENT_TRACKED = "event.tracked"
PROFILE_CHANGED = "profile.changed"
PROFILES_MERGED = "profiles.merged"
CONSENT_CHANGED = "consent.changed"


class ProfileChanged(Wire):
    """`data` of `profile.changed`: the whole profile's traits as of `version`; an older version never replaces a newer."""

    traits: dict[str, JsonValue]
    version: int
    created_at: datetime


class ProfilesMerged(Wire):
    """`data` of `profiles.merged`: `merged` no longer exists, its events and identities belong to the subject."""

    merged: UUID
    traits: dict[str, JsonValue]
    version: int
