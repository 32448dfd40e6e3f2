"""The producer's side of a feed: rows written in the transaction of the change, served in commit-safe order."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from contracts.feed import FeedItem, FeedPage
from infra.db import Database
from infra.errors import Conflict
from infra.feed.cursor import Cursor

PARTITIONS = 64
_SETTLE_SECONDS = 0.01
_PRUNE_SECONDS = 3600.0
_PRUNED_AT_ONCE = 5000
_KEPT = timedelta(days=7)
_IDLE_SECONDS = 0.2


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def partition_of(subject: str) -> int:
    """The partition of a profile, so that several consumers can share one feed."""
    return zlib.crc32(subject.encode()) % PARTITIONS


def feed_tables(metadata: MetaData) -> None:
    """Adds the producer's tables (`outbox`, `feed_epoch`, `feed_reader`) to a service's metadata."""
    Table(
        "outbox",
        metadata,
        Column("position", BigInteger, Identity(always=True), primary_key=True),
        Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
        Column("id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("partition", SmallInteger, nullable=False),
        Column("time", DateTime(timezone=True), nullable=False),
        Column("written_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("data", JSONB, nullable=False),
        Index("outbox_order", "xid", "position"),
    )
    Table(
        "feed_epoch",
        metadata,
        Column("epoch", Text, primary_key=True),
        Column("database_oid", BigInteger, nullable=False),
    )
    Table(
        "feed_reader",
        metadata,
        Column("name", Text, primary_key=True),
        Column("cursor_xid", BigInteger, nullable=False),
        Column("cursor_position", BigInteger, nullable=False),
        Column("seen_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )


class Happening(NamedTuple):
    """Something to publish: its type, the profile it concerns, when (UTC) and its data (whatever orjson serialises)."""

    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    id: str = ""


_APPEND = text(
    "INSERT INTO outbox (id, type, subject, partition, time, data) SELECT r.id, r.type, r.subject, r.partition, r.time, r.data "
    "FROM json_to_recordset(CAST(:rows AS json)) "
    "AS r(id text, type text, subject text, partition smallint, time timestamptz, data jsonb)"
)
_READ = text(
    "SELECT position, xid::text::bigint AS xid, id, type, subject, time, data FROM outbox "
    "WHERE (xid, position) > (CAST(:xid AS xid8), :position) AND xid < pg_snapshot_xmin(pg_current_snapshot()) "
    "AND (CAST(:partitions AS smallint[]) IS NULL OR partition = ANY(CAST(:partitions AS smallint[]))) "
    "ORDER BY xid, position LIMIT :limit"
)
_HEAD = text(
    "SELECT xid::text::bigint, position FROM outbox WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) "
    "ORDER BY xid DESC, position DESC LIMIT 1"
)
_NEXT = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


_PRUNE = text(
    "WITH slowest AS (SELECT CAST(cursor_xid::text AS xid8) AS xid, cursor_position AS position FROM feed_reader "
    "ORDER BY cursor_xid, cursor_position LIMIT 1) "
    "DELETE FROM outbox WHERE position IN (SELECT o.position FROM outbox o, slowest s "
    "WHERE (o.xid, o.position) <= (s.xid, s.position) AND o.written_at < now() - CAST(:keep AS interval) "
    "ORDER BY o.xid, o.position LIMIT :most)"
)


class Outbox:
    """Appends to and serves one service's feed."""

    def __init__(self, source: str, database: Database) -> None:
        self.source = source
        self._database = database
        self._epoch: str | None = None
        self._newest = 0  # the transaction id that the server had not yet given out when last asked
        self._wakeup = asyncio.Event()
        self._closing = False

    async def append(self, session: AsyncSession, happenings: Sequence[Happening]) -> None:
        """Writes `happenings` in the caller's transaction. Call `notify` after its commit."""
        if not happenings:
            return
        rows = [
            {
                "id": item.id or str(uuid7()),
                "type": item.type,
                "subject": item.subject,
                "partition": partition_of(item.subject),
                "time": item.time,
                "data": item.data,
            }
            for item in happenings
        ]
        await session.execute(_APPEND, {"rows": orjson.dumps(rows).decode()})

    def notify(self) -> None:
        """Wakes readers that wait in this process; those elsewhere look again by themselves."""
        self._wakeup.set()

    def close(self) -> None:
        """Answers the readers that wait, and lets no other wait: the server is about to stop."""
        self._closing = True
        self._wakeup.set()

    async def read(
        self,
        after: str | None,
        *,
        limit: int,
        wait: float,
        partitions: Iterable[int] | None = None,
    ) -> FeedPage:
        """Up to `limit` items behind `after`; waits up to `wait` real seconds for the first.

        Raises `Conflict` for a cursor of another epoch or one from the future: the feed was restored or
        replaced, and the consumer has to reconcile before it starts again.
        """
        start = await self._start(after)
        shards = None if partitions is None else list(partitions)
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            self._wakeup.clear()
            items = await self._fetch(start, limit, shards)
            remaining = deadline - asyncio.get_running_loop().time()
            if items or remaining <= 0 or self._closing:
                return FeedPage(items=tuple(items), next=items[-1].cursor if items else str(start))
            await self._pause(remaining)

    async def head(self) -> str:
        """The cursor of the newest item that may be read."""
        epoch = await self._current_epoch()
        async with self._database.read() as session:
            row = (await session.execute(_HEAD)).first()
        return str(Cursor(epoch, row[0], row[1]) if row else Cursor(epoch, 0, 0))

    async def acknowledge(self, reader: str, after: str | None) -> None:
        """Remembers how far `reader` has got, so that pruning stays behind it. Raises `Conflict` like `read`."""
        cursor = await self._start(after)
        async with self._database.begin() as session:
            await session.execute(
                text(
                    "INSERT INTO feed_reader (name, cursor_xid, cursor_position) VALUES (:name, :xid, :position) "
                    "ON CONFLICT (name) DO UPDATE SET cursor_xid = excluded.cursor_xid, "
                    "cursor_position = excluded.cursor_position, seen_at = now()"
                ),
                {"name": reader, "xid": cursor.transaction, "position": cursor.position},
            )

    async def keep_pruned(self) -> None:
        """Prunes once an hour (real time) until cancelled; a week stays for whoever wants to look."""
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            await self.prune(keep=_KEPT)

    async def prune(self, *, keep: timedelta) -> int:
        """Deletes rows written longer ago than `keep` that every known reader has passed; returns how many.

        In short transactions: an open one would hold back every feed of the server.
        """
        total = 0
        while True:
            async with self._database.begin() as session:
                result = await session.execute(_PRUNE, {"keep": keep, "most": _PRUNED_AT_ONCE})
            deleted = int(getattr(result, "rowcount", 0))
            total += deleted
            if deleted < _PRUNED_AT_ONCE:
                return total

    async def _start(self, after: str | None) -> Cursor:
        epoch = await self._current_epoch()
        start = Cursor.parse(after) if after else Cursor(epoch, 0, 0)
        if start.epoch != epoch:
            raise Conflict(
                f"the cursor {after} belongs to epoch {start.epoch}, this feed is in epoch {epoch}: its database "
                "was restored or replaced. Reconcile, then start without a cursor"
            )
        if start.transaction >= self._newest:
            async with self._database.read() as session:
                self._newest = (await session.execute(_NEXT)).scalar_one()
            if start.transaction >= self._newest:
                raise Conflict(
                    f"the cursor {after} lies behind everything this feed ever wrote: its database was restored "
                    "from a backup. Reconcile, then start without a cursor"
                )
        return start

    async def _pause(self, remaining: float) -> None:
        try:
            await asyncio.wait_for(self._wakeup.wait(), min(remaining, _IDLE_SECONDS))
        except TimeoutError:
            return
        await asyncio.sleep(min(remaining, _SETTLE_SECONDS))

    async def _fetch(self, start: Cursor, limit: int, partitions: list[int] | None) -> list[FeedItem]:
        parameters = {
            "xid": str(start.transaction),
            "position": start.position,
            "limit": limit,
            "partitions": partitions,
        }
        async with self._database.read() as session:
            rows = (await session.execute(_READ, parameters)).all()
        return [
            FeedItem(
                id=row.id,
                source=self.source,
                type=row.type,
                subject=row.subject,
                time=row.time,
                cursor=str(Cursor(start.epoch, row.xid, row.position)),
                data=row.data,
            )
            for row in rows
        ]

    async def _current_epoch(self) -> str:
        """The feed's epoch: a new one when this database is a restored or copied one (another oid)."""
        if self._epoch is None:
            async with self._database.begin() as session:
                await session.execute(text("LOCK TABLE feed_epoch IN SHARE ROW EXCLUSIVE MODE"))
                oid = (
                    await session.execute(text("SELECT oid::bigint FROM pg_database WHERE datname = current_database()"))
                ).scalar_one()
                row = (await session.execute(text("SELECT epoch, database_oid FROM feed_epoch"))).first()
                if row is None or row[1] != oid:
                    await session.execute(text("DELETE FROM feed_epoch"))
                    epoch = uuid4().hex[:12]
                    await session.execute(
                        text("INSERT INTO feed_epoch (epoch, database_oid) VALUES (:epoch, :oid)"), {"epoch": epoch, "oid": oid}
                    )
                else:
                    epoch = str(row[0])
            self._epoch = epoch
        return self._epoch


def new_id() -> UUID:
    """A time-ordered id (UUID version 7, RFC 9562)."""
    return UUID(int=uuid7().int)
