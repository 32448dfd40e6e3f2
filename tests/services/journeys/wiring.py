"""The part of the journeys service that decides steps, put together without feeds, deliverer and HTTP."""

from collections.abc import Callable, Sequence

from infra.clock import Clock
from infra.db import Database
from services.journeys.lifecycle.changes import Lifecycle
from services.journeys.lifecycle.versions import Versions
from services.journeys.outgoing import Outgoing
from services.journeys.steps.cases import FactFinder
from services.journeys.steps.deciding import Decider
from services.journeys.steps.performing import Steps
from services.journeys.steps.requests import Secrets
from services.journeys.steps.results import Results
from services.journeys.waits.deciding import WaitDecider
from services.journeys.world import World


def steps_of(
    *,
    database: Database,
    versions: Versions,
    world: World,
    clock: Clock,
    zone: str,
    secrets: Secrets,
    deliver: Callable[[Sequence[Outgoing]], None],
) -> tuple[Steps, Lifecycle]:
    """What performs steps, and what changes journeys; a resume is not paced."""
    results = Results(database)
    decider = Decider(world=world, versions=versions, results=results, clock=clock, workspace_zone=zone, secrets=secrets)
    lifecycle = Lifecycle(
        database=database,
        versions=versions,
        world=world,
        waits=WaitDecider(finder=FactFinder(world, zone, results), clock=clock),
        clock=clock,
        workspace_zone=zone,
        deliver=deliver,
        per_second=1_000_000,
    )
    steps = Steps(
        database=database,
        versions=versions,
        decider=decider,
        mover=lifecycle.mover,
        world=world,
        clock=clock,
        deliver=deliver,
    )
    return steps, lifecycle
