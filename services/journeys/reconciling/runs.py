"""What Temporal knows of enrolments' workflows, asked sparingly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from contracts.journeys import SIGNAL_INTERRUPT, WORKFLOW, InterruptSignal
from services.journeys.deliverer import workflow_id

_TIMEOUT = timedelta(seconds=10)
_AT_ONCE = 8
_IDS_PER_QUERY = 50


@dataclass(frozen=True, slots=True)
class Run:
    """`gone`: Temporal knows none that still runs. `busy`: it has a workflow task to do, so it is merely slow."""

    state: Literal["running", "gone"]
    busy: bool = False


class Runs:
    """Describes and lists enrolments' workflows. May raise `RPCError`."""

    def __init__(self, temporal: Client) -> None:
        self._temporal = temporal

    async def describe(self, enrolments: Mapping[UUID, str]) -> dict[UUID, Run]:
        """The newest run of each enrolment (id → journey)."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(enrolment: UUID, journey: str) -> Run:
            async with limit:
                return await self._describe(workflow_id(journey, enrolment))

        found = await asyncio.gather(*(one(enrolment, journey) for enrolment, journey in enrolments.items()))
        return dict(zip(enrolments, found, strict=True))

    async def running(self, enrolments: Mapping[UUID, str]) -> set[UUID]:
        """Those whose workflows are listed as running; the list may lag behind."""
        ids = list(enrolments.items())
        found: set[UUID] = set()
        for start in range(0, len(ids), _IDS_PER_QUERY):
            names = ", ".join(f"'{workflow_id(journey, each)}'" for each, journey in ids[start : start + _IDS_PER_QUERY])
            listed, _ = await self._list(f"ExecutionStatus = 'Running' AND WorkflowId IN ({names})", _IDS_PER_QUERY, b"")
            found.update(listed)
        return found

    async def page(self, size: int, token: bytes) -> tuple[dict[UUID, str], bytes]:
        """Some of all that run (id → journey), and the token of the next page; empty at the end."""
        return await self._list(f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'", size, token)

    async def interrupt(self, enrolment: UUID, journey: str) -> None:
        """Tells a workflow whose enrolment has ended to end as well; one that just has is fine."""
        signal = InterruptSignal(reason="ended", event_id=f"repair:{enrolment}")
        try:
            await self._temporal.get_workflow_handle(workflow_id(journey, enrolment)).signal(
                SIGNAL_INTERRUPT, signal, rpc_timeout=_TIMEOUT
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    async def _describe(self, name: str) -> Run:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._temporal.namespace, execution=WorkflowExecution(workflow_id=name)
        )
        try:
            found = await self._temporal.workflow_service.describe_workflow_execution(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return Run("gone")
        if found.workflow_execution_info.status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
            return Run("gone")
        return Run("running", busy=found.HasField("pending_workflow_task"))

    async def _list(self, query: str, size: int, token: bytes) -> tuple[dict[UUID, str], bytes]:
        request = ListWorkflowExecutionsRequest(
            namespace=self._temporal.namespace, page_size=size, next_page_token=token, query=query
        )
        answer = await self._temporal.workflow_service.list_workflow_executions(request, timeout=_TIMEOUT)
        named = (each.execution.workflow_id.rpartition("/") for each in answer.executions)
        return {UUID(enrolment): journey for journey, _, enrolment in named if _is_id(enrolment)}, answer.next_page_token


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
