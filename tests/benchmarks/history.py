"""Reading what a workflow cost from its history."""

from collections import Counter

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory


async def events(client: Client, workflow_id: str, run_id: str | None = None) -> int:
    """How many history events a run has so far (the latest run where none is named)."""
    return len((await history(client, workflow_id, run_id)).events)


async def kinds(client: Client, workflow_id: str, run_id: str | None = None) -> Counter[str]:
    """The same by kind of event, such as `TIMER_STARTED`."""
    found = await history(client, workflow_id, run_id)
    return Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in found.events)


async def history(client: Client, workflow_id: str, run_id: str | None = None) -> WorkflowHistory:
    """One run's whole history."""
    return await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()


async def chain(client: Client, workflow_id: str, first_run: str) -> list[WorkflowHistory]:
    """Every run of a workflow that continued as new, in order."""
    runs: list[WorkflowHistory] = []
    run_id = first_run
    while run_id:
        runs.append(await history(client, workflow_id, run_id))
        last = runs[-1].events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return runs
