"""The journeys service, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fastapi import FastAPI
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.auth import KeyRing
from infra.clock import Clock
from infra.db import Database, service_url
from infra.egress import Allowed, EgressTransport
from infra.feed.consumer import FeedConsumer
from infra.http import ServiceClient
from infra.outbound import Outbound
from infra.service import create_service, serve
from infra.settings import Settings
from infra.temporal import connect
from services.journeys.cohorts.backfilling import Backfiller
from services.journeys.cohorts.carrying import Carrier
from services.journeys.cohorts.gathering import Gatherer
from services.journeys.cohorts.keeping import CohortKeeper
from services.journeys.cohorts.scheduling import Scheduler
from services.journeys.deliverer import Deliverer
from services.journeys.endpoints import definition_routes, reading_routes, worker_routes
from services.journeys.endpoints.cohorts import cohort_routes
from services.journeys.endpoints.explaining import explaining_routes
from services.journeys.endpoints.health import health_routes
from services.journeys.entry.admitter import Admitter
from services.journeys.entry.asking import Asker
from services.journeys.entry.enrolling import Enroller
from services.journeys.explaining import Explainer
from services.journeys.explaining.witnesses import Witnesses
from services.journeys.lifecycle.changes import Lifecycle
from services.journeys.lifecycle.versions import Versions
from services.journeys.reconciling import Reconciler
from services.journeys.reconciling.reconciler import EVERY_SECONDS, GRACE
from services.journeys.routing import ProfileRoute, ReceiptRoute, SegmentRoute
from services.journeys.steps.caller import Caller
from services.journeys.steps.cases import FactFinder
from services.journeys.steps.deciding import Decider
from services.journeys.steps.performing import Steps
from services.journeys.steps.requests import Secrets
from services.journeys.steps.results import Results
from services.journeys.waits.deciding import WaitDecider
from services.journeys.waits.first_look import FirstLook
from services.journeys.waits.looking import Looker
from services.journeys.waits.looking_back import CriteriaLookBack
from services.journeys.waits.watching import Watcher
from services.journeys.world import World

_READER = "journeys"


def create_app(
    *,
    database: Database,
    keyring: KeyRing,
    clock: Clock,
    temporal: Client,
    task_queue: str,
    profiles: ServiceClient,
    segments: ServiceClient,
    channels: ServiceClient,
    workspace_zone: str = "UTC",
    reconciler_grace: timedelta = GRACE,
    reconciler_every: float = EVERY_SECONDS,
    outbound: Outbound | None = None,
    secrets: Secrets | None = None,
    resume_per_second: float = 50.0,
) -> FastAPI:
    """The app with its routers, its three feed consumers and the deliverer; the collaborators are closed with it."""
    outbound, secrets = outbound or Outbound(EgressTransport(Allowed())), secrets or Secrets({})
    versions = Versions(database, secrets=frozenset(secrets.values))
    world = World(profiles=profiles, segments=segments, channels=channels)
    looker = Looker(database=database, versions=versions, world=world, clock=clock, workspace_zone=workspace_zone)
    first_look = FirstLook(criteria=CriteriaLookBack(database=database, world=world, clock=clock), looker=looker)
    deliverer = Deliverer(database=database, temporal=temporal, task_queue=task_queue, first_look=first_look)
    caller = Caller(database=database, outbound=outbound, secrets=secrets, clock=clock, deliver=deliverer.deliver)
    decider = Decider(
        world=world,
        versions=versions,
        results=Results(database),
        clock=clock,
        workspace_zone=workspace_zone,
        secrets=secrets,
    )
    lifecycle = Lifecycle(
        database=database,
        versions=versions,
        world=world,
        waits=WaitDecider(finder=FactFinder(world, workspace_zone, Results(database)), clock=clock),
        clock=clock,
        workspace_zone=workspace_zone,
        deliver=deliverer.deliver,
        per_second=resume_per_second,
    )
    asker = Asker(world, workspace_zone)
    admitter = Admitter(database=database, versions=versions, asker=asker, clock=clock, deliver=deliverer.deliver)
    steps = Steps(
        database=database,
        versions=versions,
        decider=decider,
        mover=lifecycle.mover,
        world=world,
        clock=clock,
        deliver=deliverer.deliver,
        wake=_both(caller.notify, admitter.wake),
    )
    enroller = Enroller(database=database, versions=versions, world=world, asker=asker, clock=clock, deliver=deliverer.deliver)
    gatherer = Gatherer(
        database=database,
        versions=versions,
        world=world,
        asker=asker,
        carrier=Carrier(
            database=database, versions=versions, steps=steps, first_look=first_look, clock=clock, deliver=deliverer.deliver
        ),
        clock=clock,
        workspace_zone=workspace_zone,
        deliver=deliverer.deliver,
    )
    keeper = CohortKeeper(database=database, temporal=temporal, task_queue=task_queue, clock=clock)
    scheduler = Scheduler(database=database, versions=versions, world=world, clock=clock, workspace_zone=workspace_zone)
    backfiller = Backfiller(database=database, versions=versions, world=world, clock=clock)
    reconciler = Reconciler(
        database=database,
        temporal=temporal,
        clock=clock,
        steps=steps,
        deliver=deliverer.deliver,
        grace=reconciler_grace,
        every=reconciler_every,
    )
    witnesses = Witnesses(profiles=profiles, segments=segments, channels=channels)
    explainer = Explainer(database=database, versions=versions, witnesses=witnesses)
    watcher = Watcher(database=database, looker=looker, clock=clock, deliver=deliverer.deliver)
    consumers = [
        FeedConsumer(
            feed="profiles",
            reader=_READER,
            client=profiles,
            database=database,
            effect=ProfileRoute(versions, deliverer.deliver, clock, _both(watcher.wake, admitter.wake)),
        ),
        FeedConsumer(
            feed="segments",
            reader=_READER,
            client=segments,
            database=database,
            effect=SegmentRoute(versions, deliverer.deliver, clock, _both(watcher.wake, admitter.wake)),
        ),
        FeedConsumer(
            feed="channels", reader=_READER, client=channels, database=database, effect=ReceiptRoute(deliverer.deliver, clock)
        ),
    ]
    return create_service(
        "journeys",
        description="Journey definitions and versions, enrolments, decisions and their reasons.",
        routers=[
            worker_routes(steps),
            definition_routes(versions, world, clock, database),
            reading_routes(database, enroller, clock),
            health_routes(database, clock),
            explaining_routes(explainer),
            *lifecycle.routes(),
            cohort_routes(database=database, backfiller=backfiller, gatherer=gatherer, clock=clock, wake=keeper.wake),
        ],
        keyring=keyring,
        database=database,
        background=[
            deliverer.run,
            caller.run,
            watcher.run,
            admitter.run,
            keeper.run,
            scheduler.run,
            reconciler.run,
            *lifecycle.background,
            *(consumer.run for consumer in consumers),
        ],
        closing=[profiles.close, segments.close, channels.close, outbound.close],
    )


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    """Wakes two loops; for the one that has nothing to do it costs one question."""

    def wake() -> None:
        first()
        second()

    return wake


async def main(settings: Settings) -> None:
    """Runs the service until it is told to stop."""
    key = settings.service_key.get_secret_value()
    app = create_app(
        database=Database(service_url(settings.database_url.get_secret_value(), "journeys"), pool_size=settings.database_pool),
        keyring=KeyRing.parse(settings.api_keys),
        clock=settings.clock(),
        temporal=await connect(settings, pydantic_data_converter, lazy=True),  # it may be down now, and come and go
        task_queue=settings.temporal_task_queue,
        profiles=ServiceClient("profiles", settings.profiles_url, key=key),
        segments=ServiceClient("segments", settings.segments_url, key=key),
        channels=ServiceClient("channels", settings.channels_url, key=key, timeout=15.0),
        workspace_zone=settings.timezone,
        resume_per_second=settings.resume_per_second,
        outbound=Outbound(EgressTransport(Allowed.parse(settings.call_allowed_hosts))),
        secrets=Secrets.parse(settings.call_secrets),
    )
    await serve(app, settings)
