"""The tables of the segments service: the projection of profiles, segments, memberships, computed traits."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.feed.consumer import consumer_tables
from infra.feed.outbox import feed_tables

metadata = MetaData()

Table(
    "person",
    metadata,
    Column("profile_id", Uuid, primary_key=True),
    Column("traits", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

Table(
    "event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("properties", JSONB, nullable=False),
    Index("event_of_person", "profile_id", "name", "timestamp"),
)

# Which profile a merged one became; kept flat, so that one look-up finds the survivor of a chain.
Table(
    "merge",
    metadata,
    Column("merged", Uuid, primary_key=True),
    Column("survivor", Uuid, nullable=False, index=True),
)

# One row: its revision tells every process when to read the definitions again; its lock makes writers of memberships take turns.
Table(
    "registry",
    metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

Table(
    "segment",
    metadata,
    Column("key", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("condition", JSONB, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # While the population is computed anew: false; `computed_to` is the last profile done, null before the first.
    Column("computed", Boolean, nullable=False, server_default=text("false")),
    Column("computed_to", Uuid),
)

# Versions are never changed: they are also the audit log of definitions.
Table(
    "segment_version",
    metadata,
    Column("key", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("condition", JSONB, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
)

# Only those who were ever a member, or whose answer time alone may change (`recheck_at`), have a row.
Table(
    "membership",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("profile_id", Uuid, primary_key=True),
    Column("member", Boolean, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("number", Integer, nullable=False),
    Column("recheck_at", DateTime(timezone=True)),
    Index("membership_of_person", "profile_id"),
    Index("membership_due", "recheck_at", postgresql_where=text("recheck_at IS NOT NULL")),
)

Table(
    "membership_history",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("segment", Text, nullable=False),
    Column("profile_id", Uuid, nullable=False),
    Column("member", Boolean, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Index("membership_history_of_person", "profile_id", "segment", "at"),
)

Table(
    "computed_trait",
    metadata,
    Column("key", Text, primary_key=True),
    Column("definition", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("updated_by", Text, nullable=False),
)

feed_tables(metadata)
consumer_tables(metadata)
