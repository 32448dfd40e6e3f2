"""The segments service put together: the one place that builds its collaborators."""

from __future__ import annotations

from fastapi import FastAPI

from infra.auth import KeyRing
from infra.clock import Clock
from infra.db import Database, service_url
from infra.feed.consumer import FeedConsumer
from infra.feed.outbox import Outbox
from infra.http import ServiceClient
from infra.service import create_service, serve
from infra.settings import Settings
from infra.telemetry import configure_logging
from services.segments.catalogue import Catalogue
from services.segments.census import Census
from services.segments.computed_traits import ComputedTraits
from services.segments.definitions import DefinitionCache
from services.segments.endpoints import computed_routes, condition_routes, segment_routes
from services.segments.evaluator import Evaluator, Waiter
from services.segments.follower import ProfilesFollower
from services.segments.membership import Memberships
from services.segments.rebuild import Rebuilder
from services.segments.timer import Timer

_DESCRIPTION = "Who belongs to which segment, in real time and to the instant; conditions asked of people; computed traits."
_PAGE = 500


def create_app(*, database: Database, profiles: ServiceClient, keyring: KeyRing, clock: Clock, patience: float = 5.0) -> FastAPI:
    """The app. Its lifespan follows the profiles feed, keeps timed memberships exact and computes new definitions.

    `patience` is how many real seconds a question waits for the position that its asker has seen.
    """
    outbox = Outbox("segments", database)
    definitions = DefinitionCache()
    memberships = Memberships(outbox)
    timer = Timer(database=database, definitions=definitions, memberships=memberships, clock=clock)
    follower = ProfilesFollower(definitions=definitions, memberships=memberships, clock=clock, wake=timer.wake)
    consumer = FeedConsumer(feed="profiles", reader="segments", client=profiles, database=database, effect=follower, page=_PAGE)
    rebuilder = Rebuilder(database=database, definitions=definitions, memberships=memberships, clock=clock, wake=timer.wake)
    waiter = Waiter(consumer, patience=patience)
    census = Census(database=database, definitions=definitions, clock=clock)
    catalogue = Catalogue(database=database, definitions=definitions, rebuilder=rebuilder, clock=clock)
    return create_service(
        "segments",
        description=_DESCRIPTION,
        routers=[
            segment_routes(catalogue, census),
            condition_routes(Evaluator(database=database, waiter=waiter, clock=clock), census),
            computed_routes(ComputedTraits(database=database, outbox=outbox, waiter=waiter, clock=clock)),
        ],
        keyring=keyring,
        database=database,
        outbox=outbox,
        background=[consumer.run, timer.run, rebuilder.run],
        closing=[profiles.close],
    )


async def main(settings: Settings) -> None:
    """Runs the role `segments` until it is stopped."""
    configure_logging(settings, "segments")
    database = Database(service_url(settings.database_url.get_secret_value(), "segments"), pool_size=settings.database_pool)
    profiles = ServiceClient("profiles", settings.profiles_url, key=settings.service_key.get_secret_value())
    app = create_app(database=database, profiles=profiles, keyring=KeyRing.parse(settings.api_keys), clock=settings.clock())
    await serve(app, settings)
