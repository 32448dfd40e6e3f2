"""What our own database knows of a journey's door: its versions, its states over time, refusals, and who is being asked about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from infra.errors import NotFound
from services.journeys.explaining.model import Finding
from services.journeys.explaining.sentences import instant, values

_STATES = {
    "publish": "published",
    "pause": "paused",
    "resume": "published",
    "drain": "draining",
    "archive": "archived",
}

MOST = 100
"""Findings of one kind, the newest."""


@dataclass(frozen=True, slots=True)
class JourneyPast:
    """A journey as it was: versions by the instants from which everybody new entered by them (one that was published again
    is there again), states by the instant they began."""

    key: str
    current: str | None
    state: str
    state_since: datetime | None
    published: tuple[tuple[datetime, str], ...]
    changes: tuple[tuple[datetime, str], ...]
    entered: int

    @property
    def first_published(self) -> datetime | None:
        return self.published[0][0] if self.published else None

    def version_at(self, at: datetime) -> str | None:
        """The newest version that was published by then; None before the first."""
        return next((version for since, version in reversed(self.published) if since <= at), None)

    def state_at(self, at: datetime) -> str:
        """The state that the journey was in."""
        if self.state_since is not None and at >= self.state_since:
            return self.state
        return next((state for since, state in reversed(self.changes) if since <= at), "published")


async def past_of(session: AsyncSession, key: str) -> JourneyPast:
    """Raises `NotFound`."""
    row = (
        await session.execute(text("SELECT key, current, state, state_since FROM journey WHERE key = :key"), {"key": key})
    ).first()
    if row is None:
        raise NotFound("journey", key)
    versions = await session.execute(
        text("SELECT published_at, hash FROM version WHERE key = :key ORDER BY published_at, number"), {"key": key}
    )
    noted = await session.execute(
        text(
            "SELECT at, action, detail->>'version' AS version, jsonb_exists(detail, 'canary') AS canary FROM audit "
            "WHERE journey = :key AND enrolment_id IS NULL AND action IN ('publish', 'promote canary', 'pause', 'resume', "
            "'drain', 'archive') ORDER BY id"
        ),
        {"key": key},
    )
    changes = noted.all()
    entered = (await session.execute(text("SELECT count(*) FROM enrolment WHERE journey = :key"), {"key": key})).scalar_one()
    return JourneyPast(
        key=row.key,
        current=row.current,
        state=row.state,
        state_since=row.state_since,
        published=_published([(each.published_at, each.hash) for each in versions.all()], changes),
        changes=tuple(_states((each.at, each.action) for each in changes)),
        entered=entered,
    )


async def refusals(session: AsyncSession, journey: str, profile_id: UUID) -> list[Finding]:
    """When the person met the trigger and was refused: the newest `MOST` times, oldest first, with the values it rests on."""
    rows: Any = await session.execute(
        text(
            "SELECT * FROM (SELECT event_id, reason, at, seen FROM refusal WHERE journey = :journey AND profile_id = :profile "
            "ORDER BY at DESC LIMIT :most) newest ORDER BY at"
        ),
        {"journey": journey, "profile": profile_id, "most": MOST},
    )
    return [
        Finding(
            kind="refused",
            text=f"Refused at {instant(each.at)}: {_why(each.reason, each.seen)}.",
            at=each.at,
            seen=each.seen | {"event_id": each.event_id},
        )
        for each in rows.all()
    ]


async def refused_triggers(session: AsyncSession, journey: str, profile_id: UUID) -> frozenset[str]:
    """The ids of all the triggers that the person was refused at."""
    rows = await session.execute(
        text("SELECT event_id FROM refusal WHERE journey = :journey AND profile_id = :profile"),
        {"journey": journey, "profile": profile_id},
    )
    return frozenset(row[0] for row in rows.all())


async def being_asked(session: AsyncSession, journey: str, profile_id: UUID) -> list[Finding]:
    """The person met the trigger, and another service has yet to say whether they may enter."""
    rows = await session.execute(
        text(
            "SELECT event_id, attempts FROM candidate WHERE journey = :journey AND (profile_id = :profile OR profile_id IN "
            "(SELECT profile_id FROM merged WHERE survivor = :profile)) ORDER BY id LIMIT :most"
        ),
        {"journey": journey, "profile": profile_id, "most": MOST},
    )
    return [
        Finding(
            kind="being_asked",
            text=f"The trigger {each.event_id!r} was met; another service has yet to answer whether the person may enter.",
            seen={"event_id": each.event_id, "attempts": each.attempts},
        )
        for each in rows.all()
    ]


async def occasions(session: AsyncSession, journey: str) -> list[Any]:
    """The newest cohorts of a journey: occurrences of its schedule and back-fills."""
    rows = await session.execute(
        text("SELECT occasion, at, state, zone FROM cohort WHERE journey = :journey ORDER BY at DESC LIMIT 5"),
        {"journey": journey},
    )
    return list(rows.all())


def _why(reason: str, seen: dict[str, Any]) -> str:
    """With the values that a condition looked at."""
    return f"{reason}, since {values(seen['only_if']['seen'])}" if "only_if" in seen else reason


def _published(versions: list[tuple[datetime, str]], changes: Sequence[Any]) -> tuple[tuple[datetime, str], ...]:
    """From the audit log, which knows what was published again and what to a share only; of before it, from the versions."""
    noted = [(each.at, each.version) for each in changes if each.action in ("publish", "promote canary")]
    told = [
        (each.at, each.version)
        for each in changes
        if each.action == "promote canary" or (each.action == "publish" and not each.canary)
    ]
    first = {version: at for at, version in reversed(noted)}
    before = [(at, version) for at, version in versions if version not in first or at < first[version]]
    return tuple(sorted([*before, *told], key=lambda each: each[0]))


def _states(changes: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, str]]:
    """The states that these changes led to; what is published while the journey is paused leaves it so."""
    now = "published"
    for at, action in changes:
        if action in _STATES and not (action == "publish" and now == "paused"):
            now = _STATES[action]
            yield at, now
