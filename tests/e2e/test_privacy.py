"""No trait, address, name or event property in Temporal: every history and every byte it keeps is searched."""

from collections.abc import Iterable, Mapping
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from temporalio.client import Client, WorkflowExecution

from infra.db import service_url
from tests.e2e.lives import ABSENT, REPLY, Lives

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

SERVICES = ("profiles", "segments", "channels", "journeys")
READABLE = {b"json/plain", b"json/protobuf", b"binary/null"}


async def test_no_history_and_no_visibility_record_holds_anything_personal(lives: Lives) -> None:
    client = await temporal(lives)
    executions = [each async for each in client.list_workflows()]
    lived = {enrolment["id"] for enrolment in lives.enrolments.values()}
    assert {each.id.rsplit(":", 1)[-1].rsplit("/", 1)[-1] for each in executions} >= lived
    events = 0
    for execution in executions:
        pieces = await everything_about(client, execution)
        events += len(pieces)
        assert found_in(pieces, lives.needles) == set(), execution.id
        assert encodings(pieces) <= READABLE  # what is compressed or encrypted would have to be opened before it is searched
    assert events > 100  # it did look at something


async def test_no_byte_of_temporals_own_database_holds_anything_personal(lives: Lives) -> None:
    assert found_in(temporal_files(lives), lives.needles) == set()


async def test_the_search_finds_what_is_planted_in_a_history(lives: Lives) -> None:
    client = await temporal(lives)
    planted = f"planted-{uuid4()}"
    handle = await client.start_workflow(
        "Planted", {"properties": {"text": REPLY}}, id=planted, task_queue=planted, memo={"who": ABSENT.email}
    )
    try:
        execution = await handle.describe()
        assert found_in(await everything_about(client, execution), lives.needles) == {REPLY, ABSENT.email, ABSENT.name}
        assert found_in(temporal_files(lives), lives.needles) >= {REPLY, ABSENT.email, ABSENT.name}
    finally:
        await handle.terminate()


async def test_the_search_finds_every_value_in_the_services_own_databases(lives: Lives) -> None:
    assert lives.shop.system.runtime.database_url
    held: set[str] = set()
    for service in SERVICES:
        url = service_url(lives.shop.system.runtime.database_url, service).set(drivername="postgresql")
        held |= found_in(rows(url.render_as_string(hide_password=False)), lives.needles)
    assert held == set(lives.needles)


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
