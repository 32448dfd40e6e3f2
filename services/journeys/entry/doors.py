"""A journey's state at its door: who may not enter now, who waits to be started, and who gets the canary version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Self
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import Journey, draw, parse_journey

_CLOSED = {
    "draft": "the journey is not published",
    "draining": "the journey is draining: nobody enters it any more",
    "archived": "the journey is archived: nobody enters it any more",
}


@dataclass(frozen=True, slots=True)
class Door:
    """What the journey's state means for those who are about to enter."""

    state: str = "published"
    current: str | None = None
    canary: str | None = None
    share: int = 0
    journey: Journey | None = None

    @property
    def closed(self) -> str | None:
        """Why nobody enters; None while people do."""
        return _CLOSED.get(self.state)

    def held_until(self, at: datetime, start_at: datetime | None) -> datetime | None:
        """When to start somebody who enters at `at`: as `start_at` says; while the journey is paused, once it resumes."""
        return max(start_at or at, at) if self.state == "paused" else start_at

    def version_for(self, profile_id: UUID, version: str) -> tuple[str, Journey] | None:
        """The canary version, if this person is to have it instead of the current one."""
        if self.canary is None or self.journey is None or version != self.current:
            return None
        return (self.canary, self.journey) if in_canary(self.journey.key, profile_id, self.share) else None

    @classmethod
    async def of(cls, session: AsyncSession, keys: Iterable[str]) -> dict[str, Self]:
        """The doors of these journeys. Their states stay as they are until the caller's transaction is over."""
        wanted = sorted(set(keys))
        if not wanted:
            return {}
        rows = await session.execute(
            text(
                "SELECT j.key, j.state, j.current, j.canary, j.canary_share, v.definition FROM journey j "
                "LEFT JOIN version v ON v.hash = j.canary WHERE j.key = ANY(:keys) ORDER BY j.key FOR SHARE OF j"
            ),
            {"keys": wanted},
        )
        return {
            row.key: cls(
                row.state,
                row.current,
                row.canary,
                row.canary_share or 0,
                _parsed(orjson.dumps(row.definition)) if row.definition is not None else None,
            )
            for row in rows.all()
        }


def in_canary(journey: str, profile_id: UUID, share: int) -> bool:
    """Whether a person belongs to the first `share` percent: always the same people, so a larger share keeps them."""
    return draw("canary", journey, profile_id) * 100 < share


@lru_cache(maxsize=50)
def _parsed(definition: bytes) -> Journey:
    return parse_journey(orjson.loads(definition))
