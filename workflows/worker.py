"""The worker role: takes enrolments' workflow tasks from Temporal and calls the journeys service."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.cohorts import CohortActivities
from activities.enrolments import EnrolmentActivities
from infra import temporal
from infra.http import ServiceClient
from infra.settings import Settings
from workflows.cohort import CohortWorkflow
from workflows.converter import data_converter
from workflows.definitions import Definitions, from_service
from workflows.enrolment import EnrolmentWorkflow
from workflows.health import health_page

WORKFLOW_TASKS = 100
CACHED_WORKFLOWS = 2500
"""Well above the workflow tasks at work: an eviction in the middle of one would repeat its local activities."""
LOCAL_ACTIVITIES = 400
COHORTS = 4
"""Cohorts that one worker advances at the same time."""
WORKFLOWS = (EnrolmentWorkflow, CohortWorkflow)
"""Whose recorded histories must replay."""
GRACE = timedelta(seconds=10)
_MODELS = (
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "orjson", "httpx", "structlog"),
    *("contracts", "conditions", "activities", "infra"),
    *("journeys.model", "journeys.index", "journeys.flow", "journeys.refs", "journeys.parse", "journeys.errors"),
    *("journeys.cursor", "journeys.outcome", "workflows.state", "workflows.errors", "workflows.definitions"),
)
"""Shared with workflow code as they are; the interpreter (journeys.engine) is not: a clock call in it is caught."""

log = structlog.get_logger(__name__)


def runner(*, sandbox: bool) -> WorkflowRunner:
    """Sandboxed, it catches clocks and randomness in workflow code; without, it takes about half the CPU."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*_MODELS))


def build_worker(
    client: Client,
    task_queue: str,
    activities: EnrolmentActivities,
    cohorts: CohortActivities | None = None,
    *,
    sandbox: bool,
    build_id: str | None = None,
    failing: Sequence[type[BaseException]] = (),
) -> Worker:
    """`client` must use `workflows.converter.data_converter`.

    Without `cohorts` it leaves those to others. An error in workflow code of a type in `failing` ends the enrolment. In
    production none does: the workflow task is repeated until the error is mended, and the person stays where they are. Tests
    want to see errors: they pass Exception.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            activities.perform_step,
            activities.finish_enrolment,
            *((cohorts.advance_cohort,) if cohorts is not None else ()),
        ],
        workflow_runner=runner(sandbox=sandbox),
        build_id=build_id,
        max_cached_workflows=CACHED_WORKFLOWS,
        max_concurrent_workflow_tasks=WORKFLOW_TASKS,
        max_concurrent_local_activities=LOCAL_ACTIVITIES,
        no_remote_activities=cohorts is None,
        max_concurrent_activities=COHORTS,
        max_concurrent_activity_task_polls=1,
        graceful_shutdown_timeout=GRACE,
        workflow_failure_exception_types=failing,
    )


async def connect(settings: Settings, definitions: Definitions) -> Client:
    """Waits until Temporal is there."""
    pause = 0.2
    while True:
        try:
            return await temporal.connect(settings, data_converter(definitions))
        except RuntimeError as error:  # what the SDK raises when it cannot connect
            log.warning("worker.temporal_unreachable", address=settings.temporal_address, why=str(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)


async def main(settings: Settings) -> None:
    """Works until SIGTERM, SIGINT or cancellation, then finishes what it has begun."""
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not on Windows, not beside the main thread
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
    working: Worker | None = None

    async def ready() -> bool:
        if working is None or not working.is_running:
            return False
        try:
            return await client.service_client.check_health(timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):
            return False

    key = settings.service_key.get_secret_value()
    async with (
        ServiceClient("journeys", settings.journeys_url, key=key) as journeys,
        health_page(settings.host, settings.port, ready),
    ):
        definitions = Definitions(from_service(journeys))
        connecting = asyncio.create_task(connect(settings, definitions))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return
            client = await connecting
            working = build_worker(
                client,
                settings.temporal_task_queue,
                EnrolmentActivities(journeys),
                CohortActivities(journeys),
                sandbox=settings.workflow_sandbox,
            )
            async with working:
                log.info("worker.ready", task_queue=settings.temporal_task_queue, sandbox=settings.workflow_sandbox)
                await stopping
                log.info("worker.stopping")
        finally:
            connecting.cancel()
            stopping.cancel()
