"""The workflow of a cohort: advances it until it is done, at the pace that the journeys service says."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.cohorts import CohortActivities
    from contracts.journeys import COHORT_WORKFLOW, CohortInput

ACTIVITY_TIMEOUT = timedelta(minutes=90)
HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""A worker that is silent for so long is taken for dead, and another goes on."""
RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)


@workflow.defn(name=COHORT_WORKFLOW)
class CohortWorkflow:
    """Returns the state in which the cohort is left; one that is paused gets another run when it is resumed."""

    @workflow.run
    async def run(self, cohort: CohortInput) -> str:
        while True:
            progress = await workflow.execute_activity_method(
                CohortActivities.advance_cohort,
                cohort,
                start_to_close_timeout=ACTIVITY_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
            )
            if progress.state != "running":
                return progress.state
            if progress.wake_at is not None:
                seconds = (progress.wake_at - workflow.now()).total_seconds()
                await workflow.sleep(max(seconds, 0.05))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(cohort)
