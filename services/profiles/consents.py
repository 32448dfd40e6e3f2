"""The consent ledger: entries are added, never changed; the newest per (channel, purpose) holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.profiles import CONSENT_CHANGED, ConsentEntry
from infra.clock import Clock
from infra.errors import BadInput, Flaw
from infra.feed.outbox import Happening, Outbox, new_id
from services.profiles.ingestion import Ingestion
from services.profiles.messages import Message
from services.profiles.people import USER, Name
from services.profiles.store import load, save

_SKEW = timedelta(minutes=5)
_APPEND = text(
    "INSERT INTO consent (profile_id, channel, purpose, state, source, wording, at, recorded_at, recorded_by) "
    "SELECT profile_id, channel, purpose, state, source, wording, at, CAST(:now AS timestamptz), :by "
    "FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(profile_id uuid, channel text, purpose text, state text, source text, wording text, at timestamptz) RETURNING number"
)
_NEWEST = text(
    "SELECT n.profile_id, n.channel, n.purpose, n.state, n.at, n.source FROM consent n "
    "WHERE n.number = ANY(CAST(:numbers AS bigint[])) AND NOT EXISTS (SELECT 1 FROM consent o "
    "WHERE o.profile_id = n.profile_id AND o.channel = n.channel AND o.purpose = n.purpose "
    "AND (o.at, o.number) > (n.at, n.number)) ORDER BY n.number"
)


class Consents:
    """Writes to the ledger and tells the feed what holds now."""

    def __init__(self, ingestion: Ingestion, outbox: Outbox, clock: Clock) -> None:
        self._ingestion = ingestion
        self._outbox = outbox
        self._clock = clock

    async def add(self, entries: Sequence[ConsentEntry], *, by: str) -> int:
        """Adds all `entries` or none; a user id nobody has yet makes a profile, so that no "no" is lost.

        Raises `BadInput` naming each entry that says nobody, an unknown profile, or an instant in the future.
        """
        now = self._clock.now()
        if flaws := _flaws(entries, now):
            raise BadInput(flaws, "the consents")
        await self._ingestion.alone_if_needed(lambda session, _alone: self._write(session, entries, by, now))
        self._outbox.notify()
        return len(entries)

    async def _write(self, session: AsyncSession, entries: Sequence[ConsentEntry], by: str, now: datetime) -> None:
        asked = [
            Message("consent", "", None, None, "", {}, now, profile_id=entry.profile_id) for entry in entries if entry.profile_id
        ]
        names = [Name(USER, entry.user_id) for entry in entries if entry.user_id]
        people = await load(session, asked, now, names=names)
        rows = []
        flaws = []
        for number, entry in enumerate(entries):
            person = people.by_id(entry.profile_id) if entry.profile_id else people.person(Name(USER, entry.user_id or ""), now)
            if person is None:
                flaws.append(
                    Flaw(path=f"$.entries[{number}].profile_id", message="is no profile", remedy="correct it, or send user_id")
                )
                continue
            row = entry.model_dump(include={"channel", "purpose", "state", "source", "wording"})
            rows.append({**row, "profile_id": person.id, "at": entry.at or now})
        if flaws:
            raise BadInput(flaws, "the consents")
        await save(session, people, now)
        added = await session.execute(_APPEND, {"rows": orjson.dumps(rows).decode(), "now": now, "by": by})
        newest = await session.execute(_NEWEST, {"numbers": [row[0] for row in added]})
        happenings = [
            Happening(
                CONSENT_CHANGED,
                str(row.profile_id),
                row.at,
                {"channel": row.channel, "purpose": row.purpose, "state": row.state, "at": row.at, "source": row.source},
                str(new_id()),
            )
            for row in newest
        ]
        await self._outbox.append(session, [*people.happenings, *happenings])


def _flaws(entries: Sequence[ConsentEntry], now: datetime) -> list[Flaw]:
    flaws = []
    for number, entry in enumerate(entries):
        path = f"$.entries[{number}]"
        if (entry.profile_id is None) == (not entry.user_id):
            flaws.append(Flaw(path=path, message="must say who by profile_id or by user_id", remedy="send exactly one of them"))
        if entry.at is not None and entry.at.tzinfo is None:
            flaws.append(Flaw(path=f"{path}.at", message="has no time zone", remedy="end it with Z or an offset"))
        elif entry.at is not None and entry.at > now + _SKEW:
            flaws.append(Flaw(path=f"{path}.at", message="lies in the future", remedy="leave it out for now"))
    return flaws
