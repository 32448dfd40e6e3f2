"""Event ids as workflows know them: shops choose the ids of their events, and may put an address into one.

A workflow's history cannot be changed, so that it holds no such id: of an event's it gets one that is derived from it, and that
leads back to the event only where this service keeps it.
"""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Those that are random, and those that this service gives itself: of conditions, and of what a step came to.
_SAYS_NOTHING = re.compile(rf"{_UUID}(?::[A-Za-z0-9_-]+:\d+)?|watch:\d+:\d+")
_LENGTH = 32

DERIVED = f"left(encode(sha256(uuid_send(m.enrolment_id) || convert_to(m.event_id, 'UTF8')), 'hex'), {_LENGTH})"
"""The same in SQL, of a row `m` of the table `match`."""


def told_as(enrolment_id: UUID, event_id: str) -> str:
    """The id by which the workflow of this enrolment knows an event."""
    if _SAYS_NOTHING.fullmatch(event_id):
        return event_id
    return hashlib.sha256(enrolment_id.bytes + event_id.encode()).hexdigest()[:_LENGTH]
