"""What people got already, as frequency caps count it, read so that two senders cannot both take the last place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from policy import FrequencyCap, Sent
from services.channels import ledger
from services.channels.decision import Person, Wish

_LOCK_SPACE = 7_201  # of advisory locks; a batch takes at most one per bucket
_BUCKETS = 4_096
_LOCK = text("SELECT pg_advisory_xact_lock(:space, bucket) FROM unnest(CAST(:buckets AS int[])) AS bucket")
_GOT = text(
    "SELECT m.profile_id, m.id, m.journey, m.step, m.template, m.purpose, a.channel, "
    "max(coalesce(a.sent_at, a.held_until, a.created_at)) AS at FROM message m JOIN attempt a ON a.message_id = m.id "
    "WHERE m.profile_id = ANY(CAST(:ids AS uuid[])) AND a.state NOT IN ('cancelled', 'refused') "
    "AND a.status NOT IN ('bounced', 'rejected', 'cancelled') AND coalesce(a.sent_at, a.held_until, a.created_at) > :since "
    "GROUP BY m.profile_id, m.id, a.channel"
)


class Allowance:
    """Per person (the profile that others were merged into) what counts."""

    def __init__(self) -> None:
        self._sent: defaultdict[UUID, list[Sent]] = defaultdict(list)

    def add(self, profile_id: UUID, sent: Sent) -> None:
        """Counts for what is decided after it, in the same batch too."""
        self._sent[profile_id].append(sent)

    def of(self, person: Person | None) -> Sequence[Sent]:
        return self._sent[person.profile.id] if person is not None else ()


async def allowance(
    session: AsyncSession, caps: Sequence[FrequencyCap], people: Mapping[UUID, Person], wishes: Iterable[Wish], now: datetime
) -> Allowance:
    """Waits for whoever decides about the same people, and holds them until the transaction ends. No query without a cap.

    `people`: by the id they were asked for, which may be an older one than their profile's. What they got before a merge
    counts, whichever of the profiles got it.
    """
    found = Allowance()
    ids = {
        wish.profile_id for wish in wishes if any(cap.covers(channel, wish.purpose) for cap in caps for channel in wish.channels)
    }
    owners = {id_: people[asked].profile.id for asked in ids & people.keys() for id_ in people[asked].ids}
    if not owners:
        return found
    buckets = sorted({owner.int % _BUCKETS for owner in owners.values()})
    await session.execute(_LOCK, {"space": _LOCK_SPACE, "buckets": buckets})
    values = {"ids": list(owners), "since": now - max(cap.per for cap in caps)}
    for row in (await session.execute(_GOT, values)).all():
        what = ledger.what(row.journey, row.step, row.template)
        found.add(owners[row.profile_id], Sent(row.at, row.channel, row.purpose, str(row.id), what))
    return found
