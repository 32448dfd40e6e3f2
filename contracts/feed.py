"""A service's feed: what happened, in order, as CloudEvents 1.0 in JSON (http-feeds.org)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from contracts.base import Wire


class FeedItem(Wire):
    """One thing that happened. `subject` is the profile's id; `cursor` resumes right behind this item."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    cursor: str
    data: dict[str, JsonValue]


class FeedPage(Wire):
    """Items in order, and the cursor to ask with next (the same one again when nothing is new)."""

    items: tuple[FeedItem, ...]
    next: str
