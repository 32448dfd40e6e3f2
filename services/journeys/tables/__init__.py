"""What the journeys service keeps; all of it is known to `metadata`."""

from infra.feed.consumer import consumer_tables
from services.journeys.tables import definitions, enrolments, entries, groups, waits
from services.journeys.tables.base import metadata

__all__ = ["definitions", "enrolments", "entries", "groups", "metadata", "waits"]

consumer_tables(metadata)
