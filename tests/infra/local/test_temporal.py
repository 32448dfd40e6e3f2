"""The embedded Temporal server."""

import asyncio
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client

from infra.local.ports import any_free
from infra.local.temporal import TemporalServer


async def test_the_session_server_is_healthy_and_takes_workflows(temporal_client: Client) -> None:
    handle = await temporal_client.start_workflow("Nobody", id=str(uuid4()), task_queue="nobody")
    assert (await handle.describe()).id == handle.id


async def _start_one(address: str, workflow_id: str) -> None:
    client = await Client.connect(address)
    await client.start_workflow("Nobody", id=workflow_id, task_queue="nobody")


def test_workflows_are_there_again_after_a_restart_on_the_same_folder(tmp_path: Path) -> None:
    workflow_id = str(uuid4())
    with TemporalServer(tmp_path, port=any_free()) as server:
        asyncio.run(_start_one(server.address, workflow_id))

    async def found(address: str) -> str:
        client = await Client.connect(address)
        return (await client.get_workflow_handle(workflow_id).describe()).id

    with TemporalServer(tmp_path, port=any_free()) as server:
        assert asyncio.run(found(server.address)) == workflow_id
