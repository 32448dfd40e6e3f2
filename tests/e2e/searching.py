"""Looking for people's values in what Temporal keeps and in what the services keep."""

from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql
from temporalio.client import Client, WorkflowExecution

from tests.e2e.lives import Lives

READABLE = {b"json/plain", b"json/protobuf", b"binary/null"}


async def temporal(lives: Lives) -> Client:
    assert lives.shop.system.runtime.temporal_address
    return await Client.connect(lives.shop.system.runtime.temporal_address)


async def everything_about(client: Client, execution: WorkflowExecution) -> list[bytes]:
    """Every event of one run, and its visibility record: id, type, memo, search attributes."""
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    events = [event.SerializeToString() async for event in handle.fetch_history_events()]
    return [execution.id.encode(), execution.raw_info.SerializeToString(), *events]


def temporal_files(lives: Lives) -> list[bytes]:
    folder = lives.shop.system.folder.temporal
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path.read_bytes() for path in files]


def rows(url: str) -> Iterable[bytes]:
    """Every row of every table as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(sql.Identifier(table))):
                yield row.encode()


def found_in(pieces: Iterable[bytes], needles: Iterable[str]) -> set[str]:
    """Which needles occur, whatever their case, as UTF-8 or as JSON writes them in ASCII."""
    forms: Mapping[str, set[bytes]] = {needle: spellings(needle) for needle in needles}
    found: set[str] = set()
    for piece in pieces:
        low = piece.lower()
        found |= {needle for needle, spelt in forms.items() if needle not in found and any(form in low for form in spelt)}
    return found


def spellings(needle: str) -> set[bytes]:
    lower = needle.lower()
    return {lower.encode(), lower.encode("unicode_escape").replace(b"\\x", b"\\u00")}


def encodings(pieces: Iterable[bytes]) -> set[bytes]:
    """The encodings that payloads are marked with (`Payload.metadata["encoding"]`)."""
    marks = [b"json/", b"binary/", b"text/"]
    found: set[bytes] = set()
    for piece in pieces:
        for mark in marks:
            start = piece.find(mark)
            while start >= 0:
                end = start
                while end < len(piece) and (chr(piece[end]).isalnum() or piece[end : end + 1] in b"/-"):
                    end += 1
                found.add(piece[start:end])
                start = piece.find(mark, end)
    return found
