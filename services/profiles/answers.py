"""What the profiles API answers beside `contracts.profiles`."""

from __future__ import annotations

from datetime import datetime

from contracts.base import Wire
from contracts.profiles import Consent, TrackedEvent


class EventPage(Wire):
    """A person's events, newest first; `before` asks for the page behind this one, null at the end."""

    events: tuple[TrackedEvent, ...]
    before: str | None = None


class ConsentRecord(Consent):
    """One entry of the ledger: what was said, where, in which words, and who wrote it down when."""

    source: str
    wording: str
    recorded_at: datetime
    recorded_by: str


class ConsentLedger(Wire):
    """A person's consents: the newest per (channel, purpose), and every entry, newest first."""

    current: tuple[Consent, ...]
    entries: tuple[ConsentRecord, ...]


class Counts(Wire):
    """How many profiles and events there are."""

    profiles: int
    events: int
