"""The consent ledger: entries are added, never changed; the newest per (channel, purpose) holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.profiles import CONSENT_CHANGED, ConsentEntry, ConsentState
from infra.clock import Clock
from infra.errors import BadInput, Flaw
from infra.feed.outbox import Happening, Outbox, new_id
from services.profiles.ingestion import Ingestion
from services.profiles.messages import Message
from services.profiles.people import USER, Name
from services.profiles.store import load, save

_SKEW = timedelta(minutes=5)
_OF_IT = "FROM consent c WHERE c.profile_id = r.profile_id AND c.channel = r.channel AND c.purpose = r.purpose"
_LATEST = "ORDER BY c.at DESC, c.number DESC LIMIT 1"
_TAKEN_BACK = "(c.state = 'withdrawn' AND c.source = r.restores)"
_APPEND = text(
    "INSERT INTO consent (profile_id, channel, purpose, state, source, wording, at, recorded_at, recorded_by) "
    "SELECT profile_id, channel, purpose, state, source, wording, at, CAST(:now AS timestamptz), :by "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(profile_id uuid, channel text, purpose text, state text, source text, "
    "wording text, at timestamptz, restores text) WHERE r.restores IS NULL "
    f"OR ((SELECT {_TAKEN_BACK} {_OF_IT} {_LATEST}) "
    f"AND (SELECT c.state = 'granted' {_OF_IT} AND NOT {_TAKEN_BACK} {_LATEST})) RETURNING number"
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

        Answers how many were written: all but those that restore nothing. An instant ahead of the clock becomes now: a
        sender's fast clock costs nobody their "no", and an entry cannot win over those still to come. Raises `BadInput`
        naming each entry that says nobody, an unknown profile, or a grant in the future.
        """
        now = self._clock.now()
        if flaws := _flaws(entries, now):
            raise BadInput(flaws, "the consents")
        written = await self._ingestion.alone_if_needed(lambda session, _alone: self._write(session, entries, by, now))
        self._outbox.notify()
        return written

    async def _write(self, session: AsyncSession, entries: Sequence[ConsentEntry], by: str, now: datetime) -> int:
        asked = [
            Message("consent", "", None, None, "", {}, now, profile_id=entry.profile_id) for entry in entries if entry.profile_id
        ]
        names = [Name(USER, entry.user_id) for entry in entries if entry.user_id]
        people = await load(session, asked, now, names=names)
        rows: list[dict[str, Any]] = []
        flaws = []
        for number, entry in enumerate(entries):
            person = people.by_id(entry.profile_id) if entry.profile_id else people.person(Name(USER, entry.user_id or ""), now)
            if person is None:
                flaws.append(
                    Flaw(path=f"$.entries[{number}].profile_id", message="is no profile", remedy="correct it, or send user_id")
                )
                continue
            row = entry.model_dump(include={"channel", "purpose", "state", "source", "wording", "restores"})
            rows.append({**row, "profile_id": person.id, "at": min(entry.at or now, now)})
        if flaws:
            raise BadInput(flaws, "the consents")
        await save(session, people, now)
        numbers: list[int] = []
        for _, run in groupby(rows, key=lambda row: row["restores"] is None):  # what restores must see the entries before it
            added = await session.execute(_APPEND, {"rows": orjson.dumps(list(run)).decode(), "now": now, "by": by})
            numbers += [row[0] for row in added]
        newest = await session.execute(_NEWEST, {"numbers": numbers})
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
        return len(numbers)


def _gives_anew(entry: ConsentEntry) -> bool:
    return entry.state is ConsentState.GRANTED and entry.restores is None


def _flaws(entries: Sequence[ConsentEntry], now: datetime) -> list[Flaw]:
    flaws = []
    for number, entry in enumerate(entries):
        path = f"$.entries[{number}]"
        if (entry.profile_id is None) == (not entry.user_id):
            flaws.append(Flaw(path=path, message="must say who by profile_id or by user_id", remedy="send exactly one of them"))
        if entry.at is not None and entry.at.tzinfo is None:
            flaws.append(Flaw(path=f"{path}.at", message="has no time zone", remedy="end it with Z or an offset"))
        elif entry.at is not None and entry.at > now + _SKEW and _gives_anew(entry):
            flaws.append(Flaw(path=f"{path}.at", message="lies in the future", remedy="leave it out for now"))
        if entry.restores is not None and entry.state is not ConsentState.GRANTED:
            flaws.append(Flaw(path=f"{path}.restores", message="is no part of a withdrawal", remedy="leave it out"))
    return flaws
